// Health messages of the Sequence, also while it keeps the main thread busy.
//
// Each period the main thread asks the Sequence's handlers and sends their answer. A second thread repeats the latest
// answer when the main thread has sent nothing for a period. Without handlers a Sequence is healthy once it is called;
// with handlers nothing is sent before their first answer.

import { SHARE_ENV, Worker } from "node:worker_threads";

import { toLine } from "./link.mjs";
import { BEATS, FREE, LOCK, makeState, PERIOD, SOCKET, THREAD, WAKE } from "./lock.mjs";

const ANSWER_TIMEOUT = 50; // ms that a beat waits for handlers: those that take longer answer for a later one

// Plain source, run as CommonJS: that starts faster than a module from a file.
const THREAD_SOURCE = `
const { writeSync } = require("node:fs");
const { parentPort, receiveMessageOnPort, workerData: state } = require("node:worker_threads");
let line = "", beats = 0;
for (;;) {
  const wake = Atomics.load(state, ${WAKE});
  const period = Atomics.load(state, ${PERIOD}) || Infinity;
  if (Atomics.wait(state, ${WAKE}, wake, period) !== "timed-out") continue;
  for (let got; (got = receiveMessageOnPort(parentPort)); ) line = got.message;
  const last = beats;
  beats = Atomics.load(state, ${BEATS});
  if (!line || beats !== last || Atomics.compareExchange(state, ${LOCK}, ${FREE}, ${THREAD}) !== ${FREE}) continue;
  let rest = Buffer.from(line);
  const size = rest.length;
  while (rest.length) {
    try {
      rest = rest.subarray(writeSync(state[${SOCKET}], rest));
    } catch (error) {
      if (error.code !== "EAGAIN" || rest.length === size) break; // a part of a line must be followed by the rest
      Atomics.wait(state, ${PERIOD}, Atomics.load(state, ${PERIOD}), 5);
    }
  }
  Atomics.store(state, ${LOCK}, ${FREE});
  Atomics.notify(state, ${LOCK});
}`;

/** The second thread. Started before there is an Instance: it takes some 40 ms and 8 MB to come up. */
export class HeartbeatThread {
  state = makeState();
  /** @type {Worker | undefined} without room for one more thread there is none */
  #worker;

  constructor() {
    try {
      this.#worker = new Worker(THREAD_SOURCE, {
        eval: true,
        env: SHARE_ENV,
        execArgv: [],
        trackUnmanagedFds: false,
        resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 },
        workerData: this.state,
      });
    } catch {
      return;
    }
    this.#worker.on("error", () => {});
    this.#worker.unref();
  }

  /** Has it repeat a line; nothing, if that is empty. @param {string} line */
  repeat(line) {
    this.#worker?.postMessage(line);
  }

  /** @param {number} period ms */
  setPeriod(period) {
    Atomics.store(this.state, PERIOD, period);
    Atomics.add(this.state, WAKE, 1);
    Atomics.notify(this.state, WAKE);
  }
}

export class Heartbeat {
  #control;
  #ask;
  #line = "";
  #handlers = 0;
  /** @type {Promise<void> | undefined} */
  #asked;
  #thread;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #period = 1000;
  #begun = false;

  /**
   * @param {import("./link.mjs").Control} control
   * @param {HeartbeatThread} thread
   * @param {() => Promise<object>} ask the Sequence's handlers
   */
  constructor(control, thread, ask) {
    this.#control = control;
    this.#thread = thread;
    this.#ask = ask;
  }

  /** The Sequence is about to be called, and may not come back for long. */
  watch() {
    this.#thread.state[SOCKET] = this.#control.fd;
    this.#know({ healthy: true });
    this.#thread.setPeriod(this.#period);
  }

  /** The Sequence has been called: its handlers may be asked. */
  begin() {
    this.#begun = true;
    this.setPeriod(this.#period);
  }

  /** The health is unknown until the new handler has answered. */
  handlerAdded() {
    this.#handlers += 1;
    this.#asked = undefined;
    this.#line = "";
    this.#thread.repeat("");
    if (this.#begun) setImmediate(() => this.#beat());
  }

  /** @param {number} period ms */
  setPeriod(period) {
    this.#period = period;
    if (!this.#begun) return;
    this.#thread.setPeriod(period);
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#beat(), period).unref();
    this.#beat();
  }

  #beat() {
    this.#asked ??= this.#answer();
    const limit = new Promise((resolve) => setTimeout(resolve, ANSWER_TIMEOUT).unref());
    void Promise.race([this.#asked, limit]).then(() => this.#line && this.#control.sendLine(this.#line));
  }

  async #answer() {
    const handlers = this.#handlers;
    const health = await this.#ask();
    if (handlers !== this.#handlers) return; // there is one more now
    this.#asked = undefined;
    this.#know(health);
  }

  #know(health) {
    const line = toLine({ type: "health", health });
    if (line === this.#line) return;
    this.#line = line;
    this.#thread.repeat(line);
  }
}
