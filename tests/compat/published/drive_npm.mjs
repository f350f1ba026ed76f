// Drives a Hub with a client of npm: node drive_npm.mjs URL PACKAGE. Prints what it got, as JSON.

import { createReadStream } from "node:fs";
import { text } from "node:stream/consumers";
import { createRequire } from "node:module";
import { Readable } from "node:stream";

const { HostClient } = createRequire(import.meta.url)("@scramjet/api-client");
const [url, file] = process.argv.slice(2);

const host = new HostClient(url);
const sequence = await host.sendSequence(createReadStream(file));
const listed = (await host.listSequences()).some(({ id }) => id === sequence.id);
const instance = await sequence.start({ appConfig: { greeting: "Hello" }, args: ["!"] });
const instances = (await sequence.listInstances()).includes(instance.id);
const { healthy } = await instance.getHealth();
const running = (await instance.getInfo()).status;
const event = instance.getNextEvent("pong");
await instance.sendEvent("ping", "over");
await instance.sendInput(Readable.from(["one\n", "two\n"]), {}, { type: "text/plain", end: true });
const output = await text(await instance.getStream("output"));
const endless = await sequence.start({ appConfig: {}, args: [] });
await endless.stop(1000, false);
let status = "stopping";
while (status === "stopping") ({ status } = await endless.getInfo());
await host.sendNamedData("published", Readable.from(["to a topic\n"]), {}, "text/plain", true);
const topics = (await host.getTopics()).some((topic) => (topic.topic ?? topic.topicName) === "published");

console.log(JSON.stringify({ listed, instances, healthy, running, output, status, topics, pong: await event }));
process.exit(0);
