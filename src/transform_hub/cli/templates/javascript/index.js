// Turns each line of its input into capital letters.
module.exports = async function (input) {
    return (async function* () {
        for await (const chunk of input) yield String(chunk).toUpperCase();
    })();
};
