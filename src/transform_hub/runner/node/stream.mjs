// Streams as Sequences get them: Node.js Readables of values with the operators that scramjet's streams are known for.
//
//   content type of the input                items
//   text/*                                   strings as they come, not cut into lines (see lines())
//   application/x-ndjson, application/json   values, one per line of JSON
//   anything else                            Buffers as they come

import { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";

import { Lines } from "./lines.mjs";

const PARALLEL = 16;
const ITEMS = 16; // held ahead of their reader
const CARRIES_VALUES = Symbol("carries values");

const JSON_TYPES = ["application/x-ndjson", "application/ndjson", "text/x-ndjson", "application/json"];

export function isJson(contentType) {
  return JSON_TYPES.includes(contentType.split(";")[0].trim().toLowerCase());
}

/** A Readable in object mode. Functions may be async; up to 16 calls run at once, their results keep their order. */
export class SequenceStream extends Readable {
  /** @type {(() => boolean) | undefined} */
  [CARRIES_VALUES];

  /** @param {import("node:stream").ReadableOptions} [options] */
  constructor(options) {
    super({ objectMode: true, highWaterMark: ITEMS, ...options });
  }

  /** Whether the items are values, which are written as lines of JSON, or text and bytes, which are written raw. */
  get carriesValues() {
    return this[CARRIES_VALUES]?.() ?? true;
  }

  map(fn) {
    return each(this, async (item) => some(await fn(item)));
  }

  filter(fn) {
    return each(this, async (item) => ((await fn(item)) ? [item] : []));
  }

  flatMap(fn) {
    return each(this, fn);
  }

  each(fn) {
    return each(this, async (item) => {
      await fn(item);
      return [item];
    });
  }

  do(fn) {
    return this.each(fn);
  }

  while(fn) {
    return derive(this, async function* (items) {
      for await (const item of items) {
        if (!(await fn(item))) return;
        yield item;
      }
    });
  }

  until(fn) {
    return this.while(async (item) => !(await fn(item)));
  }

  /** Arrays of `count` items; the last may be shorter. */
  batch(count) {
    const batches = async function* (items) {
      let batch = [];
      for await (const item of items) {
        batch.push(item);
        if (batch.length < count) continue;
        yield batch;
        batch = [];
      }
      if (batch.length) yield batch;
    };
    return derive(this, batches, () => true);
  }

  async reduce(fn, initial) {
    let result = initial;
    for await (const item of this) result = await fn(result, item);
    return result;
  }

  use(fn, ...args) {
    return fn(this, ...args);
  }

  async run() {
    for await (const _ of this);
  }

  whenEnd() {
    return new Promise((resolve, reject) => this.once("end", resolve).once("error", reject));
  }

  setOptions() {
    return this;
  }

  /** Text cut at a separator, a string or a RegExp. */
  split(separator) {
    const pieces = async function* (items) {
      const lines = new Lines(Infinity, separator);
      for await (const item of items) yield* lines.feed(item);
      const rest = lines.rest();
      if (rest) yield rest;
    };
    return derive(this, pieces, () => false);
  }

  lines() {
    return this.split(/\r?\n/);
  }

  append(text) {
    return this.map(async (item) => `${item}${text}`);
  }

  prepend(text) {
    return this.map(async (item) => `${text}${item}`);
  }

  parse(fn) {
    return each(
      this,
      async (item) => some(await fn(item)),
      () => true,
    );
  }

  stringify(fn) {
    return each(
      this,
      async (item) => some(await fn(item)),
      () => false,
    );
  }

  JSONParse() {
    return this.lines().parse((line) => (line.trim() ? JSON.parse(line) : undefined));
  }

  JSONStringify(end = "\n") {
    return this.stringify((item) => JSON.stringify(item) + end);
  }
}

// Functions, not private methods: an adopted stream was not made by the constructor, and so has none.

function each(stream, fn, carriesValues = () => stream.carriesValues) {
  return adopt(Readable.prototype.flatMap.call(stream, fn, { concurrency: PARALLEL }), carriesValues);
}

function derive(stream, generator, carriesValues = () => stream.carriesValues) {
  return streamOf(generator(stream), carriesValues);
}

/** A stream of what an (async) iterable gives. */
export function streamOf(iterable, carriesValues = () => true) {
  return adopt(Readable.from(iterable, { highWaterMark: ITEMS }), carriesValues);
}

function adopt(readable, carriesValues) {
  Object.setPrototypeOf(readable, SequenceStream.prototype);
  readable[CARRIES_VALUES] = carriesValues;
  return readable;
}

function some(value) {
  return value === undefined || value === null ? [] : [value];
}

/** The input of an Instance: bytes of the link's channel, decoded by what the first writer says they are. */
export class Input extends SequenceStream {
  #socket;
  /** @type {((data: Buffer | null) => Iterable<any>) | undefined} */
  #decode;
  /** @type {unknown} */
  #failure;
  #isJson = false;

  /** @param {import("node:net").Socket} socket */
  constructor(socket) {
    super();
    this.#socket = socket;
    this[CARRIES_VALUES] = () => this.#isJson;
    socket.unref(); // holds the process only while the Sequence reads
    socket.on("error", (error) => this.destroy(error));
  }

  /** Says what the input is; only the first time counts. */
  setContentType(contentType) {
    if (this.#decode) return;
    this.#isJson = isJson(contentType);
    this.#decode = this.#isJson ? this.#values() : contentType.toLowerCase().startsWith("text/") ? text() : bytes();
    this.#socket.on("data", (data) => this.#feed(data)).on("end", () => this.#feed(null));
    this.#socket.pause();
    if (this.readableFlowing !== null || this.readableDidRead) this._read();
  }

  _read() {
    this.#socket.ref();
    if (this.#decode && !this.#failure) this.#socket.resume();
  }

  _destroy(error, done) {
    this.#socket.destroy();
    done(error);
  }

  #feed(data) {
    if (this.#failure || this.destroyed || !this.#decode) return;
    try {
      let room = true;
      for (const item of this.#decode(data)) room = this.push(item);
      if (data === null) this.push(null);
      else if (!room) this.#socket.pause();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Ends with an error once the Sequence has taken what came before it. */
  #fail(error) {
    this.#failure = error;
    this.#socket.pause();
    const check = () => (this.readableLength ? setTimeout(check, 5) : this.destroy(error));
    check();
  }

  #values() {
    const lines = new Lines();
    let number = 0;
    return function* (data) {
      for (const line of data === null ? [lines.rest()] : lines.feed(data)) {
        number += 1;
        if (line.trim()) yield parse(line, number);
      }
    };
  }
}

function parse(line, number) {
  let value;
  try {
    value = JSON.parse(line);
  } catch (/** @type {any} */ error) {
    throw new Error(`line ${number} of the input is not JSON: ${error.message}`);
  }
  if (value === null) throw new Error(`line ${number} of the input is null, which to a stream is its end`);
  return value;
}

function text() {
  const decoder = new StringDecoder("utf8");
  return (data) => some((data === null ? decoder.end() : decoder.write(data)) || null);
}

function bytes() {
  return some;
}
