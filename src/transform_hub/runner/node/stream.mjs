// Streams as Sequences get them: Node.js Readables of values with the operators that scramjet's streams are known for.
//
// Those used most are here, light and fast. All others are those of the library itself, which is loaded when a Sequence
// first uses one: it then makes the whole chain anew, from its source to this stream, with its own operators
// (framework.mjs). So each stream says how it was made.

import { Readable } from "node:stream";

import { isUnread, MAKE, METHODS, OPTIONS, pieces, realOf } from "./framework.mjs";

const PARALLEL = 16;
const ITEMS = 16; // held ahead of their reader
export const CARRIES_VALUES = Symbol("carries values");
const USED = Symbol("used");

/** A Readable in object mode. Functions may be async; up to 16 calls run at once, their results keep their order. */
export class SequenceStream extends Readable {
  /** @type {(() => boolean) | undefined} */
  [CARRIES_VALUES];
  /** @type {((library: any) => any) | undefined} */
  [MAKE];

  /** @param {import("node:stream").ReadableOptions} [options] */
  constructor(options) {
    super({ objectMode: true, highWaterMark: ITEMS, ...options });
    readOnly(this);
  }

  /** Whether the items are values, which are written as lines of JSON, or text and bytes, which are written raw. */
  get carriesValues() {
    return this[CARRIES_VALUES]?.() ?? true;
  }

  map(fn, ...others) {
    if (others.length) return realOf(this).map(fn, ...others);
    return each(this, async (item) => some(await fn(item)), { made: ["map", fn] });
  }

  filter(fn) {
    return each(this, async (item) => ((await fn(item)) ? [item] : []), { made: ["filter", fn] });
  }

  flatMap(fn, ...others) {
    if (others.length) return realOf(this).flatMap(fn, ...others);
    return each(this, fn, { made: ["flatMap", fn] });
  }

  do(fn) {
    return each(this, after(fn), { made: ["do", fn] });
  }

  /** Like `do`, and does not wait for a reader. */
  each(fn) {
    const stream = each(this, after(fn), { made: ["each", fn] });
    setImmediate(() => stream[USED] || !isUnread(stream) || stream.resume());
    return stream;
  }

  while(fn) {
    const taken = async function* (items) {
      for await (const item of items) {
        if (!(await fn(item))) return;
        yield item;
      }
    };
    return derive(this, taken, { made: ["while", fn] });
  }

  until(fn) {
    const taken = async function* (items) {
      for await (const item of items) {
        if (await fn(item)) return;
        yield item;
      }
    };
    return derive(this, taken, { made: ["until", fn] });
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
    return derive(this, batches, { made: ["batch", count], carriesValues: () => true });
  }

  async reduce(fn, initial) {
    let result = initial;
    for await (const item of this) result = await fn(result, item);
    return result;
  }

  /** @param {any} items to which those of the stream are added */
  async toArray(items = []) {
    for await (const item of this) items.push(item);
    return items;
  }

  use(fn, ...args) {
    const isPlain = typeof fn === "function" && !/GeneratorFunction$/.test(fn.constructor.name);
    return isPlain ? fn(this, ...args) : realOf(this).use(fn, ...args);
  }

  async run() {
    for await (const _ of this);
  }

  whenEnd() {
    return new Promise((resolve, reject) => this.once("end", () => resolve(undefined)).once("error", reject));
  }

  /** `maxParallel` limits the calls that run at once in operators that follow. */
  setOptions(...options) {
    this[OPTIONS] = Object.assign({}, this[OPTIONS], ...options);
    return this;
  }

  /** Text cut at a separator, a string or a RegExp. */
  split(separator) {
    return derive(this, (items) => pieces(items, separator), {
      made: ["split", separator],
      carriesValues: () => false,
    });
  }

  lines() {
    return this.split(/\r?\n/);
  }

  append(text) {
    return each(this, async (item) => [`${item}${text}`], { made: ["append", text] });
  }

  prepend(text) {
    return each(this, async (item) => [`${text}${item}`], { made: ["prepend", text] });
  }

  parse(fn) {
    return each(this, async (item) => some(await fn(item)), { made: ["parse", fn], carriesValues: () => true });
  }

  stringify(fn = (item) => String(item)) {
    return each(this, async (item) => some(await fn(item)), { made: ["stringify", fn], carriesValues: () => false });
  }

  JSONParse() {
    return this.lines().parse((line) => (line.trim() ? JSON.parse(line) : undefined));
  }

  JSONStringify(end = "\n") {
    return this.stringify((item) => JSON.stringify(item) + end);
  }
}

for (const name of METHODS) {
  Object.defineProperty(SequenceStream.prototype, name, {
    configurable: true,
    writable: true,
    value(...args) {
      const real = realOf(this);
      const result = real[name](...args);
      return result === real ? this : result;
    },
  });
}

// Functions, not private methods: an adopted stream was not made by the constructor, and so has none.

function each(stream, fn, { made, carriesValues = () => stream.carriesValues }) {
  const concurrency = stream[OPTIONS]?.maxParallel ?? PARALLEL;
  const mapped = Readable.prototype.flatMap.call(stream, fn, { concurrency });
  return adopt(mapped, carriesValues, remake(stream, made), stream[OPTIONS]);
}

function derive(stream, generator, { made, carriesValues = () => stream.carriesValues }) {
  const readable = Readable.from(generator(stream), { highWaterMark: ITEMS });
  return adopt(readable, carriesValues, remake(stream, made), stream[OPTIONS]);
}

function remake(stream, [operator, ...args]) {
  stream[USED] = true;
  return () => realOf(stream)[operator](...args);
}

/** A stream of what an (async) iterable gives. */
export function streamOf(iterable, carriesValues = () => true) {
  const readable = Readable.from(iterable, { highWaterMark: ITEMS });
  return adopt(readable, carriesValues, (library) => library.from(Readable.from(iterable, { highWaterMark: ITEMS })));
}

function adopt(readable, carriesValues, make, options) {
  Object.setPrototypeOf(readable, SequenceStream.prototype);
  readOnly(readable);
  return Object.assign(readable, { [CARRIES_VALUES]: carriesValues, [MAKE]: make, [OPTIONS]: options });
}

/** Has `write` and `end`, as scramjet's streams do, but Node.js is not to wait for them. */
function readOnly(stream) {
  stream._readableState.writable = false;
}

function after(fn) {
  return async (item) => {
    await fn(item);
    return [item];
  };
}

function some(value) {
  return value === undefined || value === null ? [] : [value];
}
