// `this.hub`: a client of the Hub that the Instance runs on, with the methods of STH's JavaScript HostClient.

import { at, Client, ending, NDJSON } from "./http.mjs";
import { InstanceClient } from "./instances.mjs";
import { SequenceClient } from "./sequences.mjs";

export class HostClient {
  #client; // private: it has the token, which must not show when a Sequence logs its hub

  /** @param {string} url @param {{token?: string}} options */
  constructor(url, { token } = {}) {
    this.apiBase = url;
    this.#client = new Client(url, token);
  }

  get client() {
    return this.#client;
  }

  getVersion() {
    return this.client.json("GET", "version");
  }

  getStatus() {
    return this.client.json("GET", "status");
  }

  getConfig() {
    return this.client.json("GET", "config");
  }

  getLoadCheck() {
    return this.client.json("GET", "load-check");
  }

  listSequences() {
    return this.client.json("GET", "sequences");
  }

  listInstances() {
    return this.client.json("GET", "instances");
  }

  listEntities() {
    return this.client.json("GET", "entities");
  }

  async getSequenceId(name) {
    const found = (await this.listSequences()).filter((sequence) => sequence.config.name === name);
    if (!found.length) throw new Error(`No results found: there is no Sequence named ${name}`);
    return found.map((sequence) => sequence.id);
  }

  /** Sends a package (tar.gz: a stream or bytes); gives the client of the new Sequence. */
  async sendSequence(archive) {
    const { id } = await this.client.upload("POST", "sequence", archive);
    return this.getSequenceClient(id);
  }

  getSequence(id) {
    return this.client.json("GET", `sequence/${at(id)}`);
  }

  getSequenceInfo(id) {
    return this.getSequence(id);
  }

  deleteSequence(id, { force = false } = {}) {
    return this.client.json("DELETE", `sequence/${at(id)}`, force ? { headers: { "x-seq-kill-inst": "true" } } : {});
  }

  getInstanceInfo(id) {
    return this.client.json("GET", `instance/${at(id)}`);
  }

  getSequenceClient(id) {
    return new SequenceClient(id, this);
  }

  getInstanceClient(id) {
    return new InstanceClient(id, this);
  }

  getLogStream() {
    return this.client.stream("log");
  }

  getAuditStream() {
    return this.client.stream("audit");
  }

  /** Writes a stream, an iterable or data to a topic. */
  sendTopic(topic, data, _requestInit, contentType = NDJSON, end = undefined) {
    return this.client.upload("POST", `topic/${at(topic)}`, data, { "content-type": contentType, ...ending(end) });
  }

  sendNamedData(topic, data, requestInit, contentType, end) {
    return this.sendTopic(topic, data, requestInit, contentType, end);
  }

  /** What is written to a topic, as a stream of bytes. */
  getTopic(topic, _requestInit, contentType = NDJSON) {
    return this.client.stream(`topic/${at(topic)}`, { "content-type": contentType });
  }

  getNamedData(topic, requestInit, contentType) {
    return this.getTopic(topic, requestInit, contentType);
  }

  getTopics() {
    return this.client.json("GET", "topics");
  }

  createTopic(id, contentType = NDJSON) {
    return this.client.json("POST", "topics", { body: { id, "content-type": contentType } });
  }

  deleteTopic(id) {
    return this.client.json("DELETE", `topics/${at(id)}`);
  }
}
