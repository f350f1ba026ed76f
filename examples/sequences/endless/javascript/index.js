// Needs no input. When nobody reads, its output fills up and the next `yield` waits.

module.exports = function* () {
    for (let number = 1; ; number++) yield number;
};
