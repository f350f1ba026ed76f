// Goes on until it is stopped.

module.exports = function () {
    let healthy = true;

    this.on("fail", () => { healthy = false; });
    this.on("recover", () => { healthy = true; });
    this.addMonitoringHandler(() => ({ healthy }));
    return new Promise((resolve) => this.addStopHandler(() => resolve("")));
};
