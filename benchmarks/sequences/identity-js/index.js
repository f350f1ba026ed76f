module.exports = (input) => input;
