// Input is application/x-ndjson, a number a line.

module.exports = async function* (input) {
    for await (const number of input) {
        if (number < 0) throw new RangeError(`${number} is negative`);
        yield number;
    }
};
