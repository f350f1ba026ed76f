// Turns each line of its input into capital letters.
module.exports = function (input) {
    const output = (async function* () {
        for await (const line of input) yield String(line).toUpperCase();
    })();
    output.contentType = "text/plain";
    return output;
};
