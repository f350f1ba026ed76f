// An Instance on the Hub, as `this.hub.getInstanceClient(id)` gives it.

import { at, BYTES, ending } from "./http.mjs";

export class InstanceClient {
  #host;
  #path;

  /** @param {string} id @param {import("./host.mjs").HostClient} host */
  constructor(id, host) {
    this.id = id;
    this.#host = host;
    this.#path = `instance/${at(id)}`;
  }

  get host() {
    return this.#host;
  }

  getInfo() {
    return this.#host.getInstanceInfo(this.id);
  }

  getHealth() {
    return this.#json("GET", "health");
  }

  stop(timeout = 7000, canCallKeepalive = false) {
    return this.#json("POST", "_stop", { timeout, canCallKeepalive });
  }

  kill({ removeImmediately = false } = {}) {
    return this.#json("POST", "_kill", { removeImmediately });
  }

  sendEvent(eventName, message) {
    return this.#json("POST", "_event", [5001, { eventName, message }]);
  }

  getEvent(eventName) {
    return this.#json("GET", `event/${at(eventName)}`);
  }

  getNextEvent(eventName) {
    return this.#json("GET", `once/${at(eventName)}`);
  }

  getEventStream(eventName) {
    return this.#host.client.stream(`${this.#path}/events/${at(eventName)}`);
  }

  /** "output", "stdout", "stderr" or "log", as a stream of bytes. */
  getStream(name) {
    return this.#host.client.stream(`${this.#path}/${name}`);
  }

  getLogStream() {
    return this.getStream("log");
  }

  /** Writes a stream, an iterable or data to "input" or "stdin". */
  sendStream(name, data, _requestInit, { type = BYTES, end = undefined } = {}) {
    return this.#host.client.upload("POST", `${this.#path}/${name}`, data, { "content-type": type, ...ending(end) });
  }

  sendInput(data, requestInit, options) {
    return this.sendStream("input", data, requestInit, options);
  }

  sendStdin(data, requestInit, options) {
    return this.sendStream("stdin", data, requestInit, options);
  }

  /** Sends input; gives the output, as a stream of bytes, meanwhile. */
  inout(data, _requestInit, { type = BYTES, end = undefined } = {}) {
    return this.#host.client.duplex("POST", `${this.#path}/inout`, data, { "content-type": type, ...ending(end) });
  }

  #json(method, route, body) {
    return this.#host.client.json(method, `${this.#path}/${route}`, { body });
  }
}
