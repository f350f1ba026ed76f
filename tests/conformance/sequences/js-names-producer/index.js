const { Readable } = require("stream");
const { setTimeout: sleep } = require("timers/promises");

async function* count() {
    for (let i = 0; ; i++) {
        yield { i };
        await sleep(10);
    }
}

module.exports = () => Object.assign(Readable.from(count()), { topic: "names", contentType: "application/x-ndjson" });
