// What a Sequence has as `this`.

import { toLine } from "./link.mjs";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];

/**
 * Writes entries to the Instance's log; more arguments than the message are its data.
 *
 * @param {import("node:net").Socket} socket
 * @param {string} from
 */
export function makeLogger(socket, from = "Sequence") {
  /** @type {Record<string, (message: any, ...data: any[]) => void>} */
  const logger = {};
  for (const level of LEVELS) {
    logger[level] = (message, ...data) => {
      const msg = message instanceof Error ? (message.stack ?? String(message)) : textOf(message);
      const entry = { ts: Date.now(), level: level.toUpperCase(), from, msg };
      socket.write(toLine(data.length ? { ...entry, data: data.map(dataOf) } : entry));
    };
  }
  logger.log = logger.info;
  return logger;
}

function textOf(message) {
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
  #keepAliveCalls = 0;
  /** @type {number | undefined} */
  #exitTimeout;

  /**
   * @param {import("./runner.mjs").NodeRunner} runner
   * @param {{id: string, config: Record<string, any>, hub: import("./hub/host.mjs").HostClient, logger: any}} parts
   */
  constructor(runner, { id, config, hub, logger }) {
    this.#runner = runner;
    this.instanceId = id;
    this.config = config;
    this.logger = logger;
    this.hub = hub;
    this.definition = undefined;
    this.initialState = undefined;
  }

  /** ms that what the Sequence has left running may take after its end; unless set, its end is the Instance's. */
  get exitTimeout() {
    return this.#exitTimeout ?? 10_000;
  }

  set exitTimeout(ms) {
    this.#exitTimeout = ms;
  }

  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
    return this;
  }

  emit(name, message) {
    this.#runner.send({ type: "event", eventName: name, message });
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
      deliver: (name, message) => context.#deliver(name, message),
      stop: (timeout, canKeepAlive) => context.#stop(timeout, canKeepAlive),
      handlesStop: () => context.#stopHandlers.length > 0,
      kill: () => Promise.all(context.#killHandlers.map((handler) => context.#guard("A kill handler", handler))),
      health: () => context.#health(),
    };
  }

  #deliver(name, message) {
    for (const listener of this.#listeners.get(name) ?? []) {
      void this.#guard(`The listener for event ${JSON.stringify(name)}`, listener, message);
    }
  }

  /** Calls the stop handlers one after the other; true if the Sequence wants to go on. */
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
