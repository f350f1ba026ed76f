// Whole binary messages in a stream of bytes: 4 bytes, big-endian, say how many follow.

import { types } from "node:util";

export const HEAD = 4;
const LIMIT = 64 * 1024 * 1024;

export class Messages {
  /** @type {Buffer[]} */
  #parts = [];
  #size = 0;
  #needed = HEAD;

  /** The messages that are whole with this data; null is the end. @param {Buffer | null} data @returns {Buffer[]} */
  decode = (data) => {
    if (data === null) {
      if (this.#size) throw new Error(`the input ends within a message, of which ${this.#size} bytes have come`);
      return [];
    }
    this.#parts.push(data);
    this.#size += data.length;
    if (this.#size < this.#needed) return [];
    const whole = this.#parts.length > 1 ? Buffer.concat(this.#parts) : data;
    const messages = [];
    let start = 0;
    for (;;) {
      this.#needed = HEAD;
      if (whole.length - start < HEAD) break;
      this.#needed += whole.readUInt32BE(start);
      if (this.#needed > HEAD + LIMIT) throw new Error(`a message of ${this.#needed - HEAD} bytes is too long`);
      if (whole.length - start < this.#needed) break;
      messages.push(whole.subarray(start + HEAD, start + this.#needed));
      start += this.#needed;
    }
    this.#parts = start < whole.length ? [whole.subarray(start)] : [];
    this.#size = whole.length - start;
    return messages;
  };
}

/** A message as it is written. @param {any} item */
export function framed(item) {
  if (!ArrayBuffer.isView(item) && !types.isAnyArrayBuffer(item)) {
    throw new TypeError(`a message must be bytes, not ${item === null ? "null" : typeof item}`);
  }
  const data = ArrayBuffer.isView(item)
    ? Buffer.from(item.buffer, item.byteOffset, item.byteLength)
    : Buffer.from(/** @type {ArrayBuffer} */ (item));
  if (data.length > LIMIT) throw new Error(`a message of ${data.length} bytes: the longest has ${LIMIT}`);
  const head = Buffer.alloc(HEAD);
  head.writeUInt32BE(data.length);
  return Buffer.concat([head, data]);
}
