// Input is application/octet-stream.

const { createGzip } = require("node:zlib");

module.exports = (input) => input.pipe(createGzip());
