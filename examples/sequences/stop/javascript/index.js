// The first stop that allows it is answered with a request for more time, any other is obeyed.

module.exports = function () {
    let asked = false;

    return new Promise((resolve) => {
        this.addStopHandler((timeout, canKeepAlive) => {
            if (canKeepAlive && !asked) {
                asked = true;
                this.logger.info("Not yet");
                this.keepAlive(timeout);
            } else {
                process.stdout.write("finished\n");
                resolve("");
            }
        });
    });
};
