// Input is application/x-ndjson, one item a line; so is the output.

module.exports = async function* (input, tax = 0.23) {
    for await (const item of input) {
        yield { ...item, gross: Number((item.price * (1 + tax)).toFixed(2)) };
    }
};
