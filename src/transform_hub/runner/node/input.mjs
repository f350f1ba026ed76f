// The input of an Instance: bytes of the link's channel, decoded by the content type that the first writer sends.
//
//   content type                             items
//   text/*                                   strings as they come, not cut into lines (see lines())
//   application/x-ndjson                     values, one per line of JSON
//   application/json                         the same, or one document on several lines
//   application/vnd.scramjet.messages        Buffers, a whole message each
//   anything else                            Buffers as they come
//
// Of a topic that is read in a group each item comes when the Sequence asks for it, as text in whole lines.

import { StringDecoder } from "node:string_decoder";

import { MAKE, rootOf } from "./framework.mjs";
import { Lines } from "./lines.mjs";
import { HEAD, Messages } from "./messages.mjs";
import { CARRIES_VALUES, SequenceStream } from "./stream.mjs";

const NDJSON_TYPES = ["application/x-ndjson", "application/ndjson", "text/x-ndjson"];
const DOCUMENT_TYPE = "application/json";

const IN_KERNEL = 4 * 1024 * 1024; // bytes that the buffers of both ends of a channel hold at most
export const MESSAGES = "application/vnd.scramjet.messages";

export function isMessages(contentType) {
  return mediaType(contentType) === MESSAGES;
}

export function isJson(contentType) {
  return [...NDJSON_TYPES, DOCUMENT_TYPE].includes(mediaType(contentType));
}

function mediaType(contentType) {
  return contentType.split(";")[0].trim().toLowerCase();
}

export class Input {
  #socket;
  #warn;
  #settled;
  #want;
  /** @type {((data: Buffer | null) => Iterable<any>) | undefined} */
  #decode;
  /** @type {unknown} */
  #failure;
  #isJson = false;
  #isCut = false;
  #endsAt = 0;
  /** @type {NodeJS.Immediate | undefined} */
  #watch;
  #isByItem = false;
  #done = 0; // bytes of items that the Sequence has got
  #told = -1;
  #sink; // what is fed: the stream, or the one that feeds the library's stream in its place

  /**
   * @param {import("node:net").Socket} socket
   * @param {(message: string) => void} warn
   * @param {() => Promise<void>} settled waits until the Sequence has written what it can of what it has got
   * @param {(position: number) => void} want by item: called with the bytes that the Sequence is done with, when it asks
   */
  constructor(socket, warn, settled, want) {
    this.#want = want;
    this.#socket = socket;
    this.#warn = warn;
    this.#settled = settled;
    socket.unref(); // holds the process only while the Sequence reads
    socket.on("error", (error) => this.#sink.destroy(error));
    /** What the Sequence gets. */
    this.stream = this.#sink = this.#open();
  }

  /**
   * Sets the content type, and whether each item has to be asked for; only the first call counts.
   *
   * @param {string} contentType
   */
  setContentType(contentType, isByItem = false) {
    if (this.#decode) return;
    this.#isByItem = isByItem;
    const type = mediaType(contentType);
    this.#isJson = isJson(type);
    const json = new JsonLines(type === DOCUMENT_TYPE, this.#warn);
    if (isByItem) this.#decode = this.#oneByOne(type, json);
    else if (isMessages(type)) this.#decode = new Messages().decode;
    else if (this.#isJson) this.#decode = (data) => json.decode(data);
    else this.#decode = type.startsWith("text/") ? text() : bytes();
    this.#socket.on("data", (data) => this.#feed(data)).on("end", () => this.#feed(null));
    this.#socket.pause();
    if (this.#sink.readableFlowing !== null || this.#sink.readableDidRead) this.#read();
  }

  /** Ends the input: the Sequence gets what has come, also what only the kernel has yet. */
  end() {
    this.#isCut = true;
    this.#endsAt = this.#socket.bytesRead + IN_KERNEL; // of a sender that goes on, no more than was there
    if (this.#decode) this.#watchForEnd();
    else this.#sink.push(null);
  }

  /** Ends the stream after a turn of the event loop that brings nothing; while the Sequence does not read, none can. */
  #watchForEnd() {
    const { bytesRead } = this.#socket;
    clearImmediate(this.#watch);
    this.#watch = setImmediate(() => {
      if (this.#socket.isPaused()) return;
      if (this.#socket.bytesRead !== bytesRead && bytesRead < this.#endsAt) return this.#watchForEnd();
      this.#socket.pause().removeAllListeners("data");
      this.#feed(null);
    });
  }

  /** Whether the Sequence has not read an item that it was given. */
  get hasLeft() {
    return this.#isByItem && this.#sink.readableLength > 0;
  }

  /** Asks again: another Hub may not have heard it. */
  repeatWant() {
    if (this.#told >= 0) this.#want(this.#told);
  }

  #oneByOne(type, json) {
    const messages = new Messages();
    // An item is asked for when the one before is done, not when it is handed out.
    /** @type {any} */ (this.#sink)._readableState.highWaterMark = 0;
    const decode = (item) => {
      if (this.#isJson) return [...json.decode(Buffer.concat([item, Buffer.from("\n")]))];
      return type.startsWith("text/") ? [item.toString()] : [item];
    };
    return (data) => {
      if (data === null) return [];
      const items = messages.decode(data);
      for (const item of items) this.#done += HEAD + item.length;
      const values = items.flatMap(decode);
      if (items.length && !values.length) setImmediate(() => this.#read()); // an empty line: the next, then
      return values;
    };
  }

  #open() {
    const stream = new SequenceStream({
      read: () => this.#read(),
      destroy: (error, done) => {
        this.#socket.destroy();
        done(error);
      },
    });
    stream[CARRIES_VALUES] = () => this.#isJson;
    stream[MAKE] = () => {
      this.#sink = this.#open();
      return rootOf(this.#sink, this.#settled);
    };
    return stream;
  }

  #read() {
    this.#socket.ref();
    if (!this.#decode || this.#failure) return;
    this.#socket.resume();
    if (this.#isCut) return this.#watchForEnd();
    if (!this.#isByItem || this.#told === this.#done) return;
    this.#told = this.#done;
    this.#want(this.#done);
  }

  #feed(data) {
    if (this.#failure || this.#sink.destroyed || !this.#decode) return;
    try {
      let room = true;
      for (const item of this.#decode(data)) room = this.#sink.push(item);
      if (data === null) this.#sink.push(null);
      else if (!room) this.#socket.pause();
    } catch (error) {
      if (data === null && this.#isCut)
        this.#sink.push(null); // the last record was cut off
      else this.#fail(error);
    }
  }

  /** Ends with an error once the Sequence has taken what came before it. */
  #fail(error) {
    this.#failure = error;
    this.#socket.pause();
    const check = () => (this.#sink.readableLength ? setTimeout(check, 5) : this.#sink.destroy(error));
    check();
  }
}

/** Parses a value per line. If it may be a document, all from the first line that does not parse is one value. */
class JsonLines {
  #lines = new Lines();
  #number = 0;
  /** @type {string[]} of the document */
  #document = [];
  #warned = false;

  /** @param {boolean} mayBeDocument @param {(message: string) => void} warn */
  constructor(mayBeDocument, warn) {
    this.mayBeDocument = mayBeDocument;
    this.warn = warn;
  }

  *decode(data) {
    for (const line of data === null ? [this.#lines.rest()] : this.#lines.feed(data)) {
      this.#number += 1;
      const json = this.#number === 1 ? line.replace(/^\uFEFF/, "") : line; // a BOM
      if (this.#document.length) this.#document.push(json);
      else if (json.trim()) yield* this.#value(json);
    }
    if (data !== null || !this.#document.length) return;
    this.#number -= this.#document.length - 1; // which is where it began
    yield* this.#taken(this.#parse(this.#document.join("\n")));
  }

  #value(json) {
    try {
      return this.#taken(this.#parse(json));
    } catch (error) {
      if (!this.mayBeDocument) throw error;
      this.#document.push(json);
      return [];
    }
  }

  #parse(json) {
    try {
      return JSON.parse(json);
    } catch (/** @type {any} */ error) {
      throw new Error(`line ${this.#number} of the input is not JSON: ${error.message}`);
    }
  }

  #taken(value) {
    if (value !== null) return [value];
    if (!this.#warned) this.warn(`line ${this.#number} of the input is null, which ends a stream: nulls are left out`);
    this.#warned = true;
    return [];
  }
}

function text() {
  const decoder = new StringDecoder("utf8");
  return (data) => {
    const decoded = data === null ? decoder.end() : decoder.write(data);
    return decoded ? [decoded] : [];
  };
}

function bytes() {
  return (data) => (data === null ? [] : [data]);
}
