// Needs no input. `outputTopic` of the start gives the topic another name.

const { Readable } = require("node:stream");

function* readings(count) {
    for (let number = 1; number <= count; number++) {
        yield { sensor: "attic", reading: number * 10 };
    }
}

module.exports = function (input, count = 3) {
    return Object.assign(Readable.from(readings(count)), {
        topic: "readings",
        contentType: "application/x-ndjson",
    });
};
