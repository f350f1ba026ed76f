// Goes on until it is stopped. `inputTopic` of the start gives the topic another name.

module.exports = [
    { requires: "readings", contentType: "application/x-ndjson" },

    async function* (input) {
        let count = 0;
        let total = 0;

        for await (const value of input) {
            count += 1;
            total += value.reading;
            yield { count, mean: total / count };
        }
    },
];
