// Entry point: `node main.mjs`, started ahead of time. Descriptors 0, 1 and 2 are the link's channels by the time a
// line of JSON, the spec of an Instance, arrives on descriptor 3; all that takes time to load is loaded before.

import fs from "node:fs";

import { HeartbeatThread } from "./heartbeat.mjs";
import { NodeRunner } from "./runner.mjs";

const SPEC = 3;

/** @returns {import("./link.mjs").Spec} */
function receiveSpec() {
  const parts = [];
  const buffer = Buffer.allocUnsafe(64 * 1024);
  for (;;) {
    const size = fs.readSync(SPEC, buffer);
    if (size === 0) process.exit(0); // nobody needs this process any more
    parts.push(Buffer.from(buffer.subarray(0, size)));
    if (buffer[size - 1] === 10) break;
  }
  fs.closeSync(SPEC);
  return JSON.parse(Buffer.concat(parts).toString());
}

const thread = new HeartbeatThread(); // comes up while this one waits
new NodeRunner(receiveSpec(), thread).run();
