const { Readable } = require("stream");

/** Uses all that a Sequence can: input, output, standard streams, events, a stop handler. */
module.exports = function (input, prefix = "") {
    console.log("stdout: hello from js");
    console.error("stderr: hello from js");
    this.logger.info("started", { prefix, config: this.config });
    this.on("ping-me", (message) => this.emit("pong-you", { got: message }));
    this.on("pong-you", (message) => console.log("bus got", JSON.stringify(message)));
    this.addStopHandler(async (timeout, canKeepAlive) => console.log("stop handler", timeout, canKeepAlive));
    process.stdin.on("data", (chunk) => process.stdout.write("stdin got " + chunk));
    return Readable.from(echo(input, prefix), { objectMode: false });
};

async function* echo(input, prefix) {
    for await (const chunk of input) yield prefix + chunk;
}
