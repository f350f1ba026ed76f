// Goes on until it is stopped.

module.exports = function () {
    this.on("celsius", (degrees) => this.emit("fahrenheit", (degrees * 9) / 5 + 32));
    this.logger.info("Waiting for events");
    return new Promise((resolve) => this.addStopHandler(() => resolve("")));
};
