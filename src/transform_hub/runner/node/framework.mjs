// The streams of npm's `scramjet`, for what our own do not have (stream.mjs). It is shipped whole, in vendor/, and
// loaded when a Sequence first needs it: a start that does not is not slower for it.
//
// A stream of ours then turns into one of the library in place, so that methods that change a stream, like `catch`,
// `setOptions` or `write`, hold for whoever has it:
//
//   input.map(f).catch(g)      realOf(input.map(f)): realOf(input) = DataStream.from(input's source)
//                                                    DataStream.map(f), as the stream was made
//                              and its catch(g)

import { createRequire } from "node:module";

import { Lines } from "./lines.mjs";

/** How a stream of ours was made: `(library) => stream` makes the same one of the library's. */
export const MAKE = Symbol("make");
/** What `setOptions` has set. */
export const OPTIONS = Symbol("options");

const ORIGIN = Symbol("origin");
/** Methods that the library's DataStream has besides those of SequenceStream and Node.js' Readable. */
export const METHODS = (
  "all race unorder into copy tee bufferify toGenerator toBufferStream toStringStream pull shift peek slice assign " +
  "empty endWith accumulate consume reduceNow remap flatten concat join keep rewind stack distribute separateInto " +
  "separate delegate rate timeBatch nagle window toJSONArray toJSONObject CSVStringify exec debug pop group whenRead " +
  "whenDrained whenWrote whenError whenFinished catch raise graph tap dropTransform pushTransform write cork uncork " +
  "setDefaultEncoding end"
).split(" ");
const OF_STRINGS = ["match", "parse", "JSONParse", "CSVParse", "append", "prepend"];

/** @type {any} */
let scramjet;
const reals = new WeakMap();

function library() {
  if (!scramjet) {
    scramjet = createRequire(import.meta.url)("./vendor/node_modules/scramjet");
    const { DataStream, StringStream } = scramjet;
    // What ours have, whatever they carry.
    DataStream.prototype.split = function (separator) {
      return StringStream.from(pieces(this, separator), { referrer: this });
    };
    DataStream.prototype.lines = function () {
      return this.split(/\r?\n/);
    };
    for (const name of OF_STRINGS) {
      DataStream.prototype[name] ??= function (...args) {
        return StringStream.prototype[name].apply(this.toStringStream(), args);
      };
    }
  }
  return scramjet.DataStream;
}

/** Text cut at a separator. */
export async function* pieces(items, separator) {
  const lines = new Lines(Infinity, separator);
  for await (const item of items) yield* lines.feed(item);
  const rest = lines.rest();
  if (rest) yield rest;
}

/** Whether this is a stream of the library that we ship, not of a copy that the Sequence has packed. */
export function isReal(value) {
  return scramjet !== undefined && value instanceof scramjet.DataStream;
}

/** The stream of ours that one of the library's was first made of, if any. */
export function originOf(real) {
  for (let stream = real; stream; stream = stream._scramjet_options.referrer) {
    if (stream[ORIGIN]) return stream[ORIGIN];
  }
  return undefined;
}

/** Whether items of this stream are text or bytes by its class. */
export function isText(real) {
  return real instanceof scramjet.StringStream || real instanceof scramjet.BufferStream;
}

/** The library's stream in place of one of ours. */
export function realOf(stream) {
  const known = reals.get(stream);
  if (known) return known;
  const unread = isUnread(stream);
  const real = unread ? stream[MAKE](library()) : library().from(stream);
  if (stream[OPTIONS]) real.setOptions(stream[OPTIONS]);
  reals.set(stream, real);
  if (unread) become(stream, real);
  return real;
}

/**
 * What a source of ours gives, as a stream of the library.
 *
 * @param {any} source
 * @param {() => Promise<void>} settled waits for what came before an error, which would overtake it
 */
export function rootOf(source, settled) {
  const real = source.pipe(new (library())());
  real[ORIGIN] = source;
  source.on("error", async (error) => {
    await settled();
    await real.raise(error);
    real.end(); // its handlers took it
  });
  const { end } = real;
  real.end = (...args) => {
    source.unpipe(real);
    return end.apply(real, args);
  };
  return real;
}

/** Whether nobody has begun to read a stream. */
export function isUnread(stream) {
  return stream.readableFlowing === null && !stream.readableDidRead && !stream.destroyed;
}

/** From now on the one stream is the other one, whoever holds it. */
function become(stream, real) {
  for (const name of stream.eventNames()) {
    for (const listener of stream.rawListeners(name)) real.on(name, listener);
  }
  for (const key of Reflect.ownKeys(stream)) {
    if (typeof key === "string" && !key.startsWith("_")) real[key] = stream[key]; // of the Sequence, like contentType
    delete stream[key];
  }
  const forward = {
    get(_, key) {
      const value = real[key];
      if (typeof value !== "function" || key === "constructor") return value;
      return (...args) => {
        const result = value.apply(real, args);
        return result === real ? stream : result;
      };
    },
    set: (_, key, value) => Reflect.set(real, key, value),
  };
  Object.setPrototypeOf(stream, new Proxy(real, forward));
}
