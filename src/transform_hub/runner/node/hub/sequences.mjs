// A Sequence on the Hub, as `this.hub.getSequenceClient(id)` gives it.

import { at } from "./http.mjs";

export class SequenceClient {
  #host;

  /** @param {string} id @param {import("./host.mjs").HostClient} host */
  constructor(id, host) {
    this.id = id;
    this.#host = host;
  }

  get host() {
    return this.#host;
  }

  /** Starts an Instance; `payload` may have appConfig, args, instanceId, inputTopic, outputTopic and limits. */
  async start(payload = {}) {
    const body = typeof payload === "object" && payload ? payload : {}; // as STH takes what else it is given
    const { id } = await this.#host.client.json("POST", `sequence/${at(this.id)}/start`, { body });
    return this.#host.getInstanceClient(id);
  }

  getInfo() {
    return this.#host.getSequence(this.id);
  }

  listInstances() {
    return this.#host.client.json("GET", `sequence/${at(this.id)}/instances`);
  }

  getInstance(id) {
    return this.#host.getInstanceClient(id);
  }

  overwrite(archive) {
    return this.#host.client.upload("PUT", `sequence/${at(this.id)}`, archive);
  }

  delete(options) {
    return this.#host.deleteSequence(this.id, options);
  }
}
