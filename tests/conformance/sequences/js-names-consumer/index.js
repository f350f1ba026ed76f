const { Readable } = require("stream");

async function* describe(input) {
    for await (const item of input) yield "got " + JSON.stringify(item) + "\n";
}

module.exports = [
    { requires: "names", contentType: "application/x-ndjson" },
    (input) => Readable.from(describe(input), { objectMode: false }),
];
