// Heartbeats: each period the Sequence's handlers are asked, and their latest answer goes to the Hub.
//
// Without handlers a Sequence is healthy once it is called. With handlers nothing is sent before they have answered. A
// Sequence that keeps the event loop busy sends nothing: the Hub tells how old the latest answer is.

import { tooLarge } from "./link.mjs";

const ANSWER_TIMEOUT = 50; // ms that a beat waits for handlers: those that take longer answer for a later one

export class Heartbeat {
  #send;
  #ask;
  #checks = 0; // times that a handler was added
  /** @type {{ health: object, at: number } | undefined} */
  #answer;
  /** @type {Promise<void> | undefined} */
  #asked;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #period = 1000;
  #begun = false;

  /**
   * @param {(message: object) => void} send to the Hub
   * @param {() => Promise<object>} ask the Sequence's handlers
   */
  constructor(send, ask) {
    this.#send = send;
    this.#ask = ask;
  }

  /** The Sequence has been called: its handlers may be asked. */
  begin() {
    this.#begun = true;
    this.setPeriod(this.#period);
  }

  /** The health is unknown until the new handler has answered. */
  handlerAdded() {
    this.#checks += 1;
    this.#asked = undefined;
    this.#answer = undefined;
    this.#send({ type: "checks", checks: this.#checks });
    if (this.#begun) setImmediate(() => this.#beat());
  }

  /** @param {number} period ms */
  setPeriod(period) {
    this.#period = period;
    if (!this.#begun) return;
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#beat(), period).unref();
    setImmediate(() => this.#beat()); // not at once: a generator adds its handlers when it is first asked for an item
  }

  #beat() {
    this.#asked ??= this.#askHandlers();
    const limit = new Promise((resolve) => setTimeout(resolve, ANSWER_TIMEOUT).unref());
    void Promise.race([this.#asked, limit]).then(() => {
      if (!this.#answer) return;
      const { health, at } = this.#answer;
      this.#send({ type: "health", health, age: Math.round(performance.now() - at), checks: this.#checks });
    });
  }

  async #askHandlers() {
    const checks = this.#checks;
    const answer = await this.#ask();
    const problem = tooLarge(answer);
    const health = problem ? { healthy: false, error: `the answer can't be sent: ${problem}` } : answer;
    if (checks !== this.#checks) return; // there is one more now
    this.#asked = undefined;
    this.#answer = { health, at: performance.now() };
  }
}
