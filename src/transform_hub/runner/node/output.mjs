// What a Sequence returns, as bytes on the link's output channel.
//
//   returned, or promised                        written
//   nothing (undefined, null)                    nothing
//   string, number, boolean, bytes               as it is
//   array, iterable, (async) generator,          a line of JSON per item, bytes as they are
//   plain object, the input if it is JSON
//   Readable, streams of a packed scramjet,      text and bytes as they are, other values as lines of JSON
//   the input if it is text or bytes
//   function                                     what it returns when called (runner.mjs)
//
// A contentType that the result declares wins: lines of JSON for ndjson, bytes as one message each for messages, text as
// it is for any other.

import { once } from "node:events";
import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { types } from "node:util";

import { isReal, isText, originOf } from "./framework.mjs";
import { isJson, isMessages } from "./input.mjs";
import { framed } from "./messages.mjs";
import { SequenceStream, streamOf } from "./stream.mjs";

const GATHER = 32 * 1024;

/** Whether this is a stream of Node.js, or one made in its image. */
export function isStream(value) {
  return typeof value?.pipe === "function" && typeof value.on === "function";
}

function isIterable(value) {
  return typeof value?.[Symbol.asyncIterator] === "function" || typeof value?.[Symbol.iterator] === "function";
}

function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** The result of a function in a chain, as the next function gets it. */
export function asStream(value) {
  if (value instanceof SequenceStream || isReal(value)) return value;
  if (typeof value === "string") return streamOf([value]);
  if (typeof value === "object" && value !== null && isIterable(value)) return streamOf(value);
  if (isStream(value)) return streamOf(new Readable({ objectMode: true }).wrap(value));
  throw new Error(`a function that is not the last must return a stream or an iterable, not ${nameOf(value)}`);
}

/**
 * What is to be written, and how.
 *
 * @typedef {object} Result
 * @property {Iterable<any> | AsyncIterable<any>} items
 * @property {() => boolean} values whether strings are written as lines of JSON, as other values are
 * @property {boolean} [strict] whether bytes are as well
 * @property {boolean} [messages] whether each item is a message
 * @property {BufferEncoding} [encoding] of strings that are written raw
 * @property {string} [topic]
 * @property {string} [contentType]
 */

/** @returns {Result | null} null if there is nothing to write */
export function describe(result) {
  const values = () => false;
  if (result === undefined || result === null) return null;
  if (typeof result !== "object") return { items: [String(result)], values };
  if (types.isAnyArrayBuffer(result)) return { items: [new Uint8Array(result)], values };
  if (ArrayBuffer.isView(result)) return { items: [bytesOf(result)], values };
  const contentType = typeof result.contentType === "string" ? result.contentType : undefined;
  const topic = typeof result.topic === "string" ? result.topic : undefined;
  const declared = contentType && !isPlain(result);
  const isNdjson = Boolean(declared && isJson(contentType));
  // Strings of these are bytes, one per character; those of any other encoding are text.
  const encoding = ["binary", "latin1"].includes(result.readableEncoding) ? "latin1" : "utf8";
  return {
    items: itemsOf(result),
    values: declared ? () => isNdjson : () => carriesValues(result),
    strict: isNdjson,
    messages: Boolean(declared && isMessages(contentType)),
    encoding,
    topic,
    contentType,
  };
}

function itemsOf(result) {
  if (isIterable(result)) return result;
  if (isStream(result)) return new Readable({ objectMode: true }).wrap(result);
  if (isPlain(result)) return [result];
  throw new Error(`the Sequence returned ${nameOf(result)}, which can't be written to its output`);
}

/** Whether strings are values: not in streams of Node.js and in ours of text. */
function carriesValues(result) {
  if (result instanceof SequenceStream) return result.carriesValues;
  if (isReal(result)) return !isText(result) && (originOf(result)?.carriesValues ?? true);
  return !isStream(result);
}

function nameOf(value) {
  return typeof value === "object" && value !== null ? (value.constructor?.name ?? "an object") : String(value);
}

function bytesOf(view) {
  return view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Writes to the output channel, no faster than the Hub reads. */
export class Output {
  #socket;
  #warn;
  #warned = false;
  #gathered = "";
  /** @type {any} */
  #items = null;

  /** @param {import("node:net").Socket} socket @param {(message: string) => void} warn */
  constructor(socket, warn) {
    this.#socket = socket;
    this.#warn = warn;
    socket.on("error", () => {}); // the Hub is gone, which control notices as well
  }

  /** Bytes and characters handed over so far. */
  written = 0;

  get pending() {
    return this.#gathered.length + this.#socket.writableLength;
  }

  /** Writes all items of a result to their end. @param {Result} result */
  async pump({ items, values, strict, messages, encoding }) {
    this.#items = items;
    for await (const item of items) {
      const data = messages ? framed(item) : this.#encode(item, values, strict, encoding);
      if (data !== undefined) await this.#write(data);
    }
    this.#items = null;
  }

  unref() {
    this.#socket.unref();
  }

  /** Ends the stream that is being written, so that its own cleaning up is done. */
  stop() {
    try {
      const returned = this.#items?.destroy?.() ?? this.#items?.return?.();
      returned?.catch?.(() => {});
    } catch {
      // a generator can't be ended from outside while it runs
    }
  }

  /** Writes the rest and ends the channel; resolves when the kernel has all of it. */
  async close() {
    this.#flush();
    if (this.#socket.destroyed) return;
    await /** @type {Promise<void>} */ (new Promise((done) => this.#socket.end(done).once("close", done)));
  }

  async #write(data) {
    this.written += data.length;
    if (typeof data === "string" && data.length < GATHER) {
      if (!this.#gathered) setImmediate(() => this.#flush());
      this.#gathered += data;
      if (this.#gathered.length < GATHER) return;
      this.#flush();
    } else {
      this.#flush();
      this.#socket.write(data);
    }
    if (this.#socket.writableNeedDrain) await once(this.#socket, "drain");
    else await nextTurn(); // events and stop get their turn, however fast the items come
  }

  #encode(item, values, strict, encoding) {
    if (ArrayBuffer.isView(item) && !strict) return bytesOf(item);
    if (typeof item === "string" && !values()) return encoding === "latin1" ? Buffer.from(item, encoding) : item;
    const json = JSON.stringify(item);
    if (!this.#warned && json?.includes("null") && hasNoJson(item)) {
      this.#warned = true;
      this.#warn(
        "The Sequence wrote NaN or an infinite number: JSON has no such, so null is in its place, here and after",
      );
    }
    return json === undefined ? undefined : `${json}\n`;
  }

  #flush() {
    if (!this.#gathered || this.#socket.writableEnded) return;
    this.#socket.write(this.#gathered);
    this.#gathered = "";
  }
}

/** Whether there is NaN or an infinity in a value that can be written as JSON. */
function hasNoJson(value) {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value !== "object" || value === null || typeof value.toJSON === "function") return false;
  return Object.values(value).some(hasNoJson);
}
