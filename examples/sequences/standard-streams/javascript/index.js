// Has no output besides what it prints.

const { createInterface } = require("node:readline");

module.exports = async function () {
    let count = 0;

    for await (const line of createInterface({ input: process.stdin })) {
        count += 1;
        process.stdout.write(`${line.toUpperCase()}\n`);
    }
    process.stderr.write(`${count} lines\n`);
    return ""; // nothing at all would become the text "undefined"
};
