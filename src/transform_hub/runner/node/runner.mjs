// Runs one JavaScript Sequence: loads it, calls its functions, carries input and output over the link to the Hub.
//
//   dial channels - "start" - load - "running" - functions called - output written - "exit"
//
// Ways to the end, and the exit code of each:
//
//   the last function's result is written, or end()     0
//   asked to stop                                     138
//   a function, the input or a stream failed,          23
//   or destroy(error)
//   the file can't be loaded                           22
//   uncaught exception or unhandled rejection         101
//   process.exit(n)                                     n
//   killed                                            137
//
// A stop calls the stop handlers. If there are any, the input ends, and the Sequence has the rest of the timeout to come
// to its end; otherwise, and when that time is over, the stream that is written is ended.

import { setTimeout as sleep } from "node:timers/promises";

import { Context } from "./context.mjs";
import { Heartbeat } from "./heartbeat.mjs";
import { HostClient } from "./hub/host.mjs";
import { Input } from "./input.mjs";
import { Control, dial, makeBlocking } from "./link.mjs";
import { Logger } from "./logger.mjs";
import { asStream, describe, isStream, Output } from "./output.mjs";
import { load } from "./sequence.mjs";

const OK = 0;
const FAILED_ON_START = 22;
const FAILED = 23;
const UNCAUGHT = 101;
const KILLED = 137;
const STOPPED = 138;

/** @type {Record<number, string>} */
const HAPPENED = { [FAILED_ON_START]: "can't be loaded", [UNCAUGHT]: "left an exception uncaught" };

const KILL_GRACE = 1000; // ms that kill handlers have; the Hub itself waits 2 s
const STOP_MARGIN = 1000; // ms before the end of a stop's timeout, when the Hub kills, in which a stream cleans up
const WIND_UP = 100; // ms that a stream has to clean up when it is stopped
const SETTLE = 100; // ms without output after which a Sequence that failed is taken to have written all it can

export class NodeRunner {
  #spec;
  #control;
  #input;
  #output;
  #log;
  #context;
  #calls;
  #started;
  #start = () => {};
  /** @type {Promise<void> | undefined} */
  #execution;
  #ending = false;
  #told = false;
  /** @type {object[]} */
  #declared = [];
  #stopping = false;
  #stopped = false;
  #heartbeat;

  /** @param {import("./link.mjs").Spec} spec */
  constructor(spec) {
    this.#spec = spec;
    Object.assign(process.env, spec.env);
    this.#started = new Promise((resolve) => {
      this.#start = () => resolve(undefined);
    });
    this.#control = new Control(dial(spec, "control"), (message) => this.#receive(message), leaveNoOrphans);
    this.#log = dial(spec, "log");
    this.#log.on("error", () => {});
    for (const stream of [this.#log, process.stdout, process.stderr]) makeBlocking(stream);
    const hub = new HostClient(spec.hub, { token: `${spec.id}:${spec.secret}` });
    const logger = new Logger(this.#log);
    this.#input = new Input(
      dial(spec, "input"),
      logger.warn,
      () => this.#outputSettled(),
      (position) => this.send({ type: "wants", position }),
    );
    this.#output = new Output(dial(spec, "output"), logger.warn);
    this.#context = new Context(this, spec, { hub, logger });
    this.#calls = Context.internals(this.#context);
    this.#heartbeat = new Heartbeat(
      (message) => this.send(message),
      () => this.#calls.health(),
    );
  }

  async run() {
    process.on("uncaughtException", (error) => {
      // A Sequence with a listener of its own decides for itself.
      if (process.listenerCount("uncaughtException") === 1) void this.#fail(UNCAUGHT, error);
    });
    process.on("exit", (code) => this.#tellAtExit(code));
    this.#input.stream.on("error", (error) => void this.#failAfterOutput(error));
    await this.#started;
    let sequence;
    try {
      sequence = await load(this.#spec.dir, this.#spec.main);
    } catch (error) {
      return this.#fail(FAILED_ON_START, error);
    }
    this.#execution = this.#execute(sequence);
    return this.#execution;
  }

  async #execute({ functions, declared }) {
    this.#declare({ type: "running", ...topics(declared, "application/x-ndjson") });
    try {
      const result = describe(await this.#call(functions));
      if (result) await this.#write(result);
      await this.#leftovers(result);
    } catch (error) {
      return this.#fail(FAILED, error);
    }
    return this.#end(this.#stopped ? STOPPED : OK);
  }

  async #call(functions) {
    /** @type {any} */
    let value = this.#input.stream;
    for (const [index, fn] of functions.entries()) {
      if (index > 0) value = asStream(value);
      value = fn.call(this.#context, value, ...this.#spec.args);
      if (index === 0) this.#begun();
      value = await callThrough(await value, this.#context);
    }
    return value;
  }

  #begun() {
    this.#heartbeat.begin();
    setImmediate(() => this.#calls.tellListeners()); // once a generator, too, has got to where it first waits
  }

  #write(result) {
    const { topic, contentType, values } = result;
    if (contentType) this.#declare({ type: "output", contentType });
    if (topic) this.#declare({ type: "topic", ...topics({ provides: topic, contentType }, defaultType(values())) });
    return this.#output.pump(result);
  }

  /**
   * Waits for what the Sequence has left running: if it has set exitTimeout, or if it has returned nothing and so can
   * only be doing something besides. Ends early when nothing is left to do.
   */
  async #leftovers(result) {
    const timeout = this.#calls.exitTimeout() ?? (result ? 0 : this.#context.exitTimeout);
    if (!timeout) return;
    const idle = new Promise((resolve) => process.once("beforeExit", resolve));
    for (const part of [this.#control.socket, this.#log, this.#output]) part.unref();
    await Promise.race([idle, sleep(timeout, undefined, { ref: false })]);
    this.#control.socket.ref();
  }

  // Called by the context, for the Sequence.

  send(message) {
    this.#control.send(message);
  }

  handlerAdded() {
    this.#heartbeat.handlerAdded();
  }

  end() {
    void this.#end(OK);
  }

  fail(error) {
    void this.#fail(FAILED, error);
  }

  #declare(message) {
    this.#declared.push(message);
    this.send(message);
  }

  // Messages of the Hub.

  #receive(message) {
    if (message.type === "start") {
      for (const declared of this.#declared) this.send(declared); // to another Hub, which may not have heard them
      this.#input.repeatWant();
      this.#calls.tellListenersAgain();
      this.#start();
    } else if (message.type === "input") this.#input.setContentType(message.contentType, message.byItem);
    else if (message.type === "event") this.#calls.deliver(message.eventName, message.message);
    else if (message.type === "stop") void this.#stop(message);
    else if (message.type === "kill") void this.#kill();
    else if (message.type === "rate") this.#heartbeat.setPeriod(1000 / Math.max(message.perSecond, 0.01));
  }

  async #stop({ timeout, canCallKeepalive }) {
    if (this.#stopping) return; // until its handlers are done or want to go on: a second stop adds nothing
    this.#stopping = true;
    const overAt = performance.now() + timeout - Math.min(STOP_MARGIN, timeout / 4);
    const goesOn = await this.#calls.stop(timeout, canCallKeepalive);
    this.#stopping = !goesOn;
    if (goesOn || this.#ending) return;
    this.#stopped = true;
    if (this.#calls.handlesStop()) {
      this.#input.end();
      await this.#come(overAt - performance.now());
      if (this.#ending) return;
    }
    this.#ending = true;
    this.#output.stop();
    await this.#come(WIND_UP);
    await this.#leave(STOPPED);
  }

  /** Waits until the Sequence has come to its end, at most so many ms. */
  #come(ms) {
    return Promise.race([this.#execution, sleep(Math.max(ms, 0))]);
  }

  async #kill() {
    this.#ending = true;
    await Promise.race([this.#calls.kill(), sleep(KILL_GRACE)]);
    await this.#tell(KILLED);
    process.exit(KILLED);
  }

  // Ends.

  async #end(code) {
    if (this.#ending) return;
    this.#ending = true;
    await this.#leave(code);
  }

  async #fail(code, error) {
    if (this.#ending) return;
    this.#ending = true;
    const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    console.error(error);
    this.#context.logger.error(`The Sequence ${HAPPENED[code] ?? "failed"}: ${words}`);
    await this.#leave(code, words);
  }

  /** Fails once the output of what came before the failure is written. */
  async #failAfterOutput(error) {
    await this.#outputSettled();
    await this.#fail(FAILED, error);
  }

  async #outputSettled() {
    let written = -1;
    while (!this.#ending && (this.#output.pending || written !== this.#output.written)) {
      written = this.#output.written;
      await sleep(SETTLE);
    }
  }

  /** @param {number} code @param {string} [error] */
  async #leave(code, error) {
    await this.#output.close();
    await this.#tell(code, error);
    process.exit(code);
  }

  /** Tells the Hub how this ends; resolves when the kernel has the message. */
  async #tell(code, error = "") {
    if (this.#told) return;
    this.#told = true;
    const left = this.#input.hasLeft && { left: true };
    this.send({ type: "exit", code, ...(error && { error }), ...left });
    const ended = (end) => new Promise((resolve) => end(() => resolve(undefined)));
    await Promise.all([ended((done) => this.#control.close(done)), ended((done) => this.#log.end(done))]);
  }

  #tellAtExit(code) {
    if (this.#told) return;
    this.#told = this.#control.sendNow({ type: "exit", code, ...(code && { error: `process.exit(${code})` }) });
  }
}

/** Calls a returned function, such as a generator function; a topic and type declared on it hold for its result. */
async function callThrough(value, context) {
  while (typeof value === "function") {
    const { topic, contentType } = value;
    const called = await value.call(context);
    // As in STH, the stream it returns carries values, unless it declares something else.
    value = isStream(called) && !called.contentType ? asStream(called) : called;
    if (value && (topic || contentType)) Object.assign(value, { topic, contentType });
  }
  return value;
}

/** @param {{requires?: any, provides?: any, contentType?: string, group?: any}} declared @param {string} otherwise */
function topics({ requires, provides, contentType, group }, otherwise) {
  const type = contentType ?? otherwise;
  const topic = (name) => (typeof name === "string" && name ? { topic: name, contentType: type } : undefined);
  const required = topic(requires);
  if (required && typeof group === "string" && group) Object.assign(required, { group });
  return { requires: required, provides: topic(provides) };
}

function defaultType(values) {
  return values ? "application/x-ndjson" : "text/plain";
}

/** The Hub is gone: ends this process and everything the Sequence started. */
function leaveNoOrphans() {
  process.kill(-process.pid, "SIGKILL");
}
