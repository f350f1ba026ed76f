// The runner's end of the link (see transform_hub/protocol.py): dialling the Hub, and the control channel.

import fs from "node:fs";
import net from "node:net";
import { StringDecoder } from "node:string_decoder";

/** Opens one channel to the Hub; what is written before it is connected is kept until then. */
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

/** One line of JSON. Lone surrogates, which no other end takes, become U+FFFD. */
export function toLine(message) {
  const text = JSON.stringify(message);
  if (!/\\ud[89a-f]/i.test(text)) return text + "\n";
  const wellFormed = (_, value) => (typeof value === "string" ? Buffer.from(value).toString() : value);
  return JSON.stringify(message, wellFormed) + "\n";
}

/** Makes writing to a stream wait in place, so that what a Sequence prints or logs is never piled up in memory. */
export function makeBlocking(stream) {
  const block = () => stream._handle?.setBlocking?.(true);
  if (stream.connecting) stream.once("connect", block);
  else block();
}

/** Splits text into lines; pieces of a line are joined once, however many there are. */
export class Lines {
  #decoder = new StringDecoder("utf8");
  #parts = [];
  #size = 0;

  constructor(limit) {
    this.limit = limit;
  }

  /** The lines that are complete with these bytes. */
  feed(data) {
    const text = this.#decoder.write(data);
    const end = text.lastIndexOf("\n");
    if (end < 0) {
      this.#keep(text);
      return [];
    }
    const lines = (this.#parts.join("") + text.slice(0, end)).split("\n");
    this.#parts = [];
    this.#size = 0;
    this.#keep(text.slice(end + 1));
    return lines;
  }

  /** What has come after the last newline. */
  rest() {
    return this.#parts.join("") + this.#decoder.end();
  }

  #keep(text) {
    this.#size += text.length;
    if (this.#size > this.limit) throw new Error(`a line is longer than ${this.limit} characters`);
    if (text) this.#parts.push(text);
  }
}

/** Messages both ways; `onLost` is called when the Hub is gone. */
export class Control {
  constructor(socket, onMessage, onLost) {
    this.socket = socket;
    const lines = new Lines(64 * 1024 * 1024);
    socket.on("data", (data) => {
      for (const line of lines.feed(data)) if (line) onMessage(JSON.parse(line));
    });
    socket.on("error", () => {}); // "close" follows
    socket.on("close", onLost);
  }

  send(message) {
    this.socket.write(toLine(message));
  }

  /** Sends from within process.exit(), after which no event loop runs; false if that is not possible. */
  sendNow(message) {
    if (this.socket.writableLength > 0) return false;
    try {
      const line = Buffer.from(toLine(message));
      return fs.writeSync(this.socket._handle.fd, line) === line.length;
    } catch {
      return false;
    }
  }
}
