// Cuts text into lines, or at another separator: for the control channel, the input and the operators of streams.

import { StringDecoder } from "node:string_decoder";

export class Lines {
  #decoder = new StringDecoder("utf8");
  /** @type {string[]} joined once, however many pieces a line comes in */
  #parts = [];
  #size = 0;

  /**
   * @param {number} limit of one line, in characters
   * @param {string | RegExp} separator
   */
  constructor(limit = 64 * 1024 * 1024, separator = "\n") {
    this.limit = limit;
    this.separator = separator;
  }

  /**
   * The lines that are complete with this data.
   *
   * @param {Buffer | string} data
   * @returns {string[]}
   */
  feed(data) {
    const text = this.#decoder.write(/** @type {Buffer} */ (data)); // which gives a string back as it is
    if (this.separator === "\n" && !text.includes("\n")) return this.#keep(text);
    const lines = (this.#parts.join("") + text).split(this.separator);
    this.#parts = [];
    this.#size = 0;
    this.#keep(/** @type {string} */ (lines.pop()));
    return lines;
  }

  /** What has come after the last separator. */
  rest() {
    return this.#parts.join("") + this.#decoder.end();
  }

  /** @param {string} text @returns {string[]} */
  #keep(text) {
    this.#size += text.length;
    if (this.#size > this.limit) throw new Error(`a line is longer than ${this.limit} characters`);
    if (text) this.#parts.push(text);
    return [];
  }
}
