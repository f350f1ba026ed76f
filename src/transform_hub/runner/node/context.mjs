// The context of a Sequence: its `this`.

import { listens, tooLarge } from "./link.mjs";
import { secretsOf } from "./secrets.mjs";

export class Context {
  #runner;
  /** @type {Map<string, Function[]>} */
  #listeners = new Map();
  /** @type {Function[]} */
  #stopHandlers = [];
  /** @type {Function[]} */
  #killHandlers = [];
  /** @type {Function[]} */
  #monitoringHandlers = [];
  #hasToldListeners = false;
  #keepAliveCalls = 0;
  /** @type {number | undefined} */
  #exitTimeout;
  /** @type {Readonly<Record<string, string>>} */
  #secrets;

  /**
   * @param {import("./runner.mjs").NodeRunner} runner
   * @param {import("./link.mjs").Spec} spec
   * @param {{hub: import("./hub/host.mjs").HostClient, logger: import("./logger.mjs").Logger}} parts
   */
  constructor(runner, spec, { hub, logger }) {
    this.#runner = runner;
    this.#secrets = secretsOf(spec.secrets);
    this.instanceId = spec.id;
    this.config = spec.config;
    this.dataDir = spec.data_dir;
    this.cacheDir = spec.cache_dir;
    this.logger = logger;
    this.hub = hub;
    this.definition = undefined;
    this.initialState = undefined;
  }

  /** By name. A getter, so that `console.log(this)` does not show them. */
  get secrets() {
    return this.#secrets;
  }

  /** ms that timers and connections of the Sequence have after its end; unless set, the Instance ends with it. */
  get exitTimeout() {
    return this.#exitTimeout ?? 10_000;
  }

  set exitTimeout(ms) {
    this.#exitTimeout = ms;
  }

  on(name, listener) {
    const isNew = !this.#listeners.has(name);
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    if (isNew && this.#hasToldListeners) this.#tellListeners([name]);
    return this;
  }

  emit(name, message) {
    const event = { type: "event", eventName: name, message };
    const problem = tooLarge(event);
    if (problem)
      throw new RangeError(`the event '${name}' can't be sent: ${problem}; large data is for output and topics`);
    this.#runner.send(event);
    return this;
  }

  addStopHandler(handler) {
    this.#stopHandlers.push(handler);
    return this;
  }

  addKillHandler(handler) {
    this.#killHandlers.push(handler);
    return this;
  }

  addMonitoringHandler(handler) {
    this.#monitoringHandlers.push(handler);
    this.#runner.handlerAdded();
    return this;
  }

  keepAlive(ms = 0) {
    this.#keepAliveCalls += 1;
    this.#runner.send({ type: "alive", keepAlive: ms });
    return this;
  }

  end() {
    this.#runner.end();
    return this;
  }

  destroy(error) {
    this.#runner.fail(error ?? new Error("the Sequence was destroyed"));
    return this;
  }

  describe(definition) {
    this.definition = definition;
    return this;
  }

  async save() {
    throw new Error("A Hub keeps no state of Instances: save() is not available");
  }

  /**
   * What the runner calls; not for Sequences.
   *
   * @param {Context} context
   */
  static internals(context) {
    return {
      exitTimeout: () => context.#exitTimeout,
      tellListeners: () => context.#tellListeners([...context.#listeners.keys()]),
      tellListenersAgain: () => context.#hasToldListeners && context.#tellListeners([...context.#listeners.keys()]),
      deliver: (name, message) => context.#deliver(name, message),
      stop: (timeout, canKeepAlive) => context.#stop(timeout, canKeepAlive),
      handlesStop: () => context.#stopHandlers.length > 0,
      kill: () => Promise.all(context.#killHandlers.map((handler) => context.#guard("A kill handler", handler))),
      health: () => context.#health(),
    };
  }

  /** Tells the Hub, which sends all events until then, what is listened to. @param {any[]} names */
  #tellListeners(names) {
    this.#hasToldListeners = true;
    this.#runner.send(listens(names.filter((name) => typeof name === "string")));
  }

  #deliver(name, message) {
    for (const listener of this.#listeners.get(name) ?? []) {
      void this.#guard(`The listener for event ${JSON.stringify(name)}`, listener, message);
    }
  }

  /** Calls the stop handlers in turn; true if one has called keepAlive(). */
  async #stop(timeout, canKeepAlive) {
    const before = this.#keepAliveCalls;
    for (const handler of this.#stopHandlers) await this.#guard("A stop handler", handler, timeout, canKeepAlive);
    return canKeepAlive && this.#keepAliveCalls > before;
  }

  /** The handlers' answers in one: healthy if all say so. */
  async #health() {
    /** @type {Record<string, any>} */
    let health = { healthy: true };
    for (const handler of this.#monitoringHandlers) {
      try {
        const answer = await handler.call(this, { ...health });
        const said = typeof answer === "boolean" ? { healthy: answer } : (answer ?? {});
        health = { ...health, ...said, healthy: health.healthy && (said.healthy ?? true) };
      } catch (error) {
        health = { ...health, healthy: false, error: String(error) };
      }
    }
    return health;
  }

  async #guard(what, fn, ...args) {
    try {
      await fn.apply(this, args);
    } catch (/** @type {any} */ error) {
      this.logger.error(`${what} failed: ${error?.stack ?? error}`);
    }
  }
}
