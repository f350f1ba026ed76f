// What a Sequence returns, as bytes on the link's output channel.
//
//   returned, or promised                          written
//   nothing (undefined, null)                      nothing
//   string, number, boolean, bytes                 as it is
//   array, iterable, (async) generator, scramjet   one JSON value per line, bytes as they are
//   DataStream, plain object
//   Readable, scramjet StringStream, BufferStream  text and bytes as they are, other values as lines of JSON
//
// A contentType that the result declares wins: JSON lines for ndjson, text as it is for any other.

import { once } from "node:events";
import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";
import { types } from "node:util";

import { isJson, SequenceStream, streamOf } from "./stream.mjs";

const GATHER = 32 * 1024;

/** Whether this is a stream as Node.js has them; scramjet's are. */
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

/** A result of a function in a chain, as the next one gets it. */
export function asStream(value) {
  if (isStream(value)) return value;
  if (typeof value === "object" && value !== null && isIterable(value)) return streamOf(value);
  throw new Error(`a function that is not the last must return a stream or an iterable, not ${nameOf(value)}`);
}

/**
 * What is to be written, and how.
 *
 * @typedef {object} Result
 * @property {Iterable<any> | AsyncIterable<any>} items
 * @property {boolean} values whether strings are written as lines of JSON, as other values are
 * @property {boolean} [strict] whether bytes are as well
 * @property {string} [topic]
 * @property {string} [contentType]
 */

/** @returns {Result | null} null if there is nothing to write */
export function describe(result) {
  if (result === undefined || result === null) return null;
  if (typeof result !== "object" && typeof result !== "function") return { items: [String(result)], values: false };
  if (types.isAnyArrayBuffer(result)) return { items: [new Uint8Array(result)], values: false };
  if (ArrayBuffer.isView(result)) return { items: [bytesOf(result)], values: false };
  const contentType = typeof result.contentType === "string" ? result.contentType : undefined;
  const topic = typeof result.topic === "string" ? result.topic : undefined;
  const declared = contentType && !isPlain(result);
  const values = declared ? isJson(contentType) : carriesValues(result);
  return { items: itemsOf(result), values, strict: declared && values, topic, contentType };
}

function itemsOf(result) {
  if (isIterable(result)) return result;
  if (isStream(result)) return new Readable({ objectMode: true }).wrap(result);
  if (isPlain(result)) return [result];
  throw new Error(`the Sequence returned ${nameOf(result)}, which can't be written to its output`);
}

function carriesValues(result) {
  if (result instanceof SequenceStream) return result.carriesValues;
  for (let type = Object.getPrototypeOf(result); type; type = Object.getPrototypeOf(type)) {
    // Whichever copy of scramjet the Sequence has packed: its classes are known by their names.
    if (["StringStream", "BufferStream"].includes(type.constructor?.name)) return false;
    if (type.constructor?.name === "DataStream") return true;
  }
  return !isStream(result);
}

function nameOf(value) {
  return typeof value === "object" && value !== null ? (value.constructor?.name ?? "an object") : String(value);
}

function bytesOf(view) {
  return view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Writes to the output channel; waits while the Hub pushes back. */
export class Output {
  #socket;
  #gathered = "";
  /** @type {any} */
  #items = null;

  /** @param {import("node:net").Socket} socket */
  constructor(socket) {
    this.#socket = socket;
    socket.on("error", () => {}); // the Hub is gone, which control notices as well
  }

  /** Bytes and characters handed over so far. */
  written = 0;

  get pending() {
    return this.#gathered.length + this.#socket.writableLength;
  }

  /** Writes all items of a result to their end. @param {Result} result */
  async pump({ items, values, strict }) {
    this.#items = items;
    for await (const item of items) {
      const data = encode(item, values, strict);
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
      // a generator that is just running can't be ended from outside
    }
  }

  /** Writes what is left and ends the channel; waits until all is with the kernel. */
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

  #flush() {
    if (!this.#gathered || this.#socket.writableEnded) return;
    this.#socket.write(this.#gathered);
    this.#gathered = "";
  }
}

function encode(item, values, strict) {
  if (ArrayBuffer.isView(item) && !strict) return bytesOf(item);
  if (typeof item === "string" && !values) return item;
  const json = JSON.stringify(item);
  return json === undefined ? undefined : `${json}\n`;
}
