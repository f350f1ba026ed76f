// `this.logger`: entries of the Instance's log, with the streams that STH's logger has.

import { PassThrough } from "node:stream";

import { Lines } from "./lines.mjs";
import { toLine } from "./link.mjs";

/**
 * Writes entries to the Instance's log; what follows the message are its data.
 *
 *   inputLogStream             objects {level, msg, from?, data?} that are written to it are logged
 *   inputStringifiedLogStream  the same, as lines of JSON
 *   outputLogStream            gives each entry; the latest ones, if nobody reads it
 *   pipe(target)               writes each entry to a stream or another logger: objects if it takes them, else lines
 */
export class Logger {
  #socket;
  /** @type {PassThrough | undefined} */
  #input;
  /** @type {PassThrough | undefined} */
  #stringified;
  /** @type {PassThrough | undefined} */
  #output;
  /** @type {((entry: object) => void)[]} */
  #targets = [];

  /** @param {import("node:net").Socket} socket @param {string} name */
  constructor(socket, name = "Sequence") {
    this.#socket = socket;
    this.name = name;
    this.logLevel = "TRACE";
    this.baseLog = {};
  }

  trace = this.#at("trace");
  debug = this.#at("debug");
  info = this.#at("info");
  warn = this.#at("warn");
  error = this.#at("error");
  fatal = this.#at("fatal");
  log = this.info;

  /** @param {string} level @param {any} message or an entry, {msg, from?, data?} */
  write(level, message, ...data) {
    const given = typeof message?.msg === "string" && !(message instanceof Error) ? message : { msg: textOf(message) };
    const all = [...(Array.isArray(given.data) ? given.data : []), ...data.map(dataOf)];
    const { msg, from = this.name } = given;
    this.#emit({
      ts: Date.now(),
      level: level.toUpperCase(),
      from,
      ...this.baseLog,
      msg,
      ...(all.length && { data: all }),
    });
  }

  /** Fields that all entries have from now on. */
  updateBaseLog(fields) {
    Object.assign(this.baseLog, fields);
  }

  get inputLogStream() {
    this.#input ??= new PassThrough({ objectMode: true }).on("data", (entry) => this.#log(entry));
    return this.#input;
  }

  get inputStringifiedLogStream() {
    if (!this.#stringified) {
      const lines = new Lines();
      this.#stringified = new PassThrough().on("data", (data) => {
        for (const line of lines.feed(data)) this.#log(tryParse(line) ?? { msg: line });
      });
    }
    return this.#stringified;
  }

  get outputLogStream() {
    if (!this.#output) {
      const output = new PassThrough({ objectMode: true });
      this.#targets.push((entry) => {
        if (output.writableNeedDrain) output.read();
        output.write(entry);
      });
      this.#output = output;
    }
    return this.#output;
  }

  /** @param {any} target @param {boolean | {stringified?: boolean}} options @returns the target */
  pipe(target, options = {}) {
    const stringified = typeof options === "object" ? options.stringified : options;
    this.addOutput(target, stringified ?? !(target.writableObjectMode || target.inputLogStream));
    return target;
  }

  addOutput(target, stringified = false) {
    const stream = target.inputLogStream ?? target.stream ?? target;
    this.#targets.push((entry) => stream.write(stringified ? toLine(entry) : entry));
  }

  /** Bound to the logger: Sequences pass these around. @param {string} level */
  #at(level) {
    return (/** @type {any} */ message, /** @type {any[]} */ ...data) => this.write(level, message, ...data);
  }

  #log(entry) {
    this.write(String(entry?.level ?? "info"), entry);
  }

  #emit(entry) {
    this.#socket.write(toLine(entry));
    for (const write of this.#targets) write(entry);
  }
}

function textOf(message) {
  if (message instanceof Error) return message.stack ?? String(message);
  return typeof message === "string" ? message : (tryJson(message) ?? String(message));
}

function dataOf(value) {
  if (value instanceof Error) return value.stack ?? String(value);
  return tryJson(value) === undefined ? String(value) : value;
}

function tryJson(value) {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined; // a cycle, or a bigint
  }
}

function tryParse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
