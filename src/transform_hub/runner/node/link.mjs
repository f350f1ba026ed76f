// The runner's end of the link (see transform_hub/protocol.py): dialling the Hub, and the control channel.

import fs from "node:fs";
import net from "node:net";

import { Lines } from "./lines.mjs";

/**
 * What the Hub says of the Instance to run.
 *
 * @typedef {object} Spec
 * @property {string} id
 * @property {string} secret
 * @property {string} link the Hub's address: "unix:<path>" or "tcp:<host>:<port>"
 * @property {string} hub URL of its API
 * @property {string} dir of the Sequence
 * @property {string} main its file
 * @property {any[]} args
 * @property {Record<string, any>} config
 * @property {Record<string, string>} env
 * @property {Record<string, string>} secrets
 * @property {string} data_dir where the Instance may write
 * @property {string} cache_dir where all of its Sequence may
 */

/**
 * Opens one channel to the Hub; what is written before it is connected is kept until then.
 *
 * @param {Spec} spec
 * @param {string} channel
 */
export function dial(spec, channel) {
  const { id: instance, secret, link } = spec;
  const at = link.indexOf(":");
  const place = link.slice(at + 1);
  const socket = link.startsWith("unix:") ? net.connect(place) : net.connect({ ...hostAndPort(place), noDelay: true });
  socket.write(toLine({ instance, secret, channel, pid: process.pid }));
  return socket;
}

function hostAndPort(place) {
  const at = place.lastIndexOf(":");
  return { host: place.slice(0, at), port: Number(place.slice(at + 1)) };
}

/** A message as a line of JSON. Lone surrogates become U+FFFD: they are not valid UTF-8. */
export function toLine(message) {
  const text = JSON.stringify(message);
  if (!/\\ud[89a-f]/i.test(text)) return `${text}\n`;
  const wellFormed = (_, value) => (typeof value === "string" ? Buffer.from(value).toString() : value);
  return `${JSON.stringify(message, wellFormed)}\n`;
}

/**
 * Makes writing to a stream wait in place, so that what a Sequence prints or logs is never piled up in memory.
 *
 * @param {any} stream whose handle Node.js does not publish
 */
export function makeBlocking(stream) {
  const block = () => stream._handle?.setBlocking?.(true);
  if (stream.connecting) stream.once("connect", block);
  else block();
}

const MESSAGE_LIMIT = 4 * 1024 * 1024;
const VALUE_LIMIT = 200_000;

/** Why the Hub would not take a message, undefined if it would. */
export function tooLarge(message) {
  const line = toLine(message);
  const size = Buffer.byteLength(line);
  if (size > MESSAGE_LIMIT) return `it has ${size} bytes, at most ${MESSAGE_LIMIT} are taken`;
  let values = 0;
  for (const letter of size > VALUE_LIMIT ? line.replace(/"(?:[^"\\]|\\.)*"/g, "") : "") {
    if (letter === "[" || letter === "{" || letter === ",") values += 1;
  }
  return values > VALUE_LIMIT ? `it has more than ${VALUE_LIMIT} values` : undefined;
}

const NAMES_LIMIT = 10_000;
const NAMES_SIZE_LIMIT = 1024 * 1024;

/** The message that there are listeners for events of these names; null means of any. @param {string[]} names */
export function listens(names) {
  const size = names.reduce((sum, name) => sum + name.length, 0);
  const isBounded = names.length <= NAMES_LIMIT && size <= NAMES_SIZE_LIMIT;
  return { type: "listens", eventNames: isBounded ? names : null };
}

/** Messages both ways; `onLost` is called when the Hub is gone. */
export class Control {
  /** @param {net.Socket} socket @param {(message: any) => void} onMessage @param {() => void} onLost */
  constructor(socket, onMessage, onLost) {
    this.socket = socket;
    this.onLost = onLost;
    const lines = new Lines();
    socket.on("data", (data) => {
      for (const line of lines.feed(data)) if (line) onMessage(JSON.parse(line));
    });
    socket.on("error", () => {}); // "close" follows
    socket.on("close", onLost);
  }

  send(message) {
    if (!this.socket.writableEnded) this.socket.write(toLine(message));
  }

  /** Sends from within process.exit(), after which no event loop runs; false if that is not possible. */
  sendNow(message) {
    if (this.socket.writableLength > 0) return false;
    try {
      const line = Buffer.from(toLine(message));
      const { fd } = /** @type {any} */ (this.socket)._handle;
      return fs.writeSync(fd, line) === line.length;
    } catch {
      return false;
    }
  }

  /** @param {() => void} done called when the kernel has all that was sent */
  close(done) {
    this.socket.removeListener("close", this.onLost);
    this.socket.end(done);
  }
}
