// Needs no input. Its whole output is one text.

module.exports = function (input, ...names) {
    const greeting = this.config?.greeting ?? "Hello";

    return names.map((name) => `${greeting}, ${name}!\n`).join("");
};
