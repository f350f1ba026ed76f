// Entry point: `node main.mjs`, started ahead of time. It loads everything, then waits on descriptor 3 for the spec of
// an Instance, a line of JSON. By then descriptors 0, 1 and 2 are channels of the link.

import fs from "node:fs";

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

new NodeRunner(receiveSpec()).run();
