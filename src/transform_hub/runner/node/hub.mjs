// `this.hub`: a client of the Hub that the Instance runs on, with the methods of STH's JavaScript HostClient.

import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const JSON_TYPE = "application/json";
const NDJSON = "application/x-ndjson";
const BYTES = "application/octet-stream";

const CODES = {
  400: "BAD_PARAMETERS",
  401: "NEED_AUTHENTICATION",
  403: "NOT_AUTHORIZED",
  404: "NOT_FOUND",
  410: "GONE",
  419: "INSUFFICIENT_RESOURCES",
  422: "UNPROCESSABLE_ENTITY",
};

/** A call that the Hub refused, or that did not reach it (code CANNOT_CONNECT). */
export class ClientError extends Error {
  constructor(message, { status, body, code }) {
    super(message);
    this.name = "ClientError";
    this.status = status === undefined ? undefined : String(status);
    this.body = body;
    this.code = code ?? CODES[status] ?? (status < 500 ? "REQUEST_ERROR" : "SERVER_ERROR");
  }
}

/** HTTP calls below one base URL. */
class Client {
  #base;
  #headers;
  #socket; // a Unix socket on which the Hub listens, if it is that
  #agent;

  constructor(base, token) {
    const [, socket, path] = /^http\+unix:\/\/([^/]+)(.*)$/.exec(base) ?? [];
    this.#socket = socket && { socketPath: decodeURIComponent(socket) };
    this.#base = (socket ? `http://localhost${path}` : base).replace(/\/+$/, "");
    this.#headers = token ? { authorization: `Bearer ${token}` } : {};
    this.http = this.#base.startsWith("https:") ? https : http;
    this.#agent = new this.http.Agent({ keepAlive: true, timeout: 4000 }); // STH drops idle connections after 5 s
  }

  /** The answer as JSON; undefined if it has no body. */
  async json(method, path, { body, headers } = {}) {
    const given = body === undefined ? undefined : JSON.stringify(body);
    const type = method === "GET" ? { accept: JSON_TYPE } : { "content-type": JSON_TYPE };
    return parsed(await textOf(await this.#send(method, path, { body: given, headers: { ...type, ...headers } })));
  }

  /** The answer as a stream of bytes. */
  stream(path, headers = {}) {
    return this.#send("GET", path, { headers: { "content-type": BYTES, ...headers } });
  }

  /** Sends a stream, an iterable or data; done when the Hub has taken all of it. */
  async upload(method, path, body, headers) {
    return parsed(await textOf(await this.#send(method, path, { body, headers: { "content-type": BYTES, ...headers } })));
  }

  /** The answer, while the body is still being sent. */
  duplex(method, path, body, headers) {
    return this.#send(method, path, { body, headers: { "content-type": BYTES, ...headers } });
  }

  async #send(method, path, { body, headers }) {
    const request = this.http.request(`${this.#base}/${path}`, {
      method,
      ...this.#socket,
      agent: this.#agent,
      headers: { ...this.#headers, ...lengthOf(body), ...headers },
    });
    const answered = new Promise((resolve, reject) => request.once("response", resolve).once("error", reject));
    write(body, request);
    let response;
    try {
      response = await answered;
    } catch (error) {
      throw new ClientError(`${method} ${path}: ${error.message}`, { code: "CANNOT_CONNECT" });
    }
    if (response.statusCode < 400) return response;
    const text = await textOf(response).catch(() => "");
    request.destroy();
    const said = errorIn(text) ?? response.statusMessage;
    throw new ClientError(`${method} ${path}: ${response.statusCode} ${said}`, { status: response.statusCode, body: text });
  }
}

function write(body, request) {
  request.on("error", () => {}); // reported where the answer is waited for
  if (body === undefined || typeof body === "string" || ArrayBuffer.isView(body)) {
    request.end(body);
    return;
  }
  request.flushHeaders(); // what comes slowly must not hold back the request itself
  const source = typeof body.pipe === "function" ? body : Readable.from(body);
  pipeline(source, request).catch((error) => request.destroy(error));
}

function lengthOf(body) {
  if (body === undefined) return { "content-length": 0 };
  return typeof body === "string" || ArrayBuffer.isView(body) ? { "content-length": Buffer.byteLength(body) } : {};
}

async function textOf(response) {
  const parts = [];
  for await (const part of response) parts.push(part);
  return Buffer.concat(parts).toString();
}

function parsed(text) {
  return text ? JSON.parse(text) : undefined;
}

function errorIn(text) {
  try {
    const { error } = JSON.parse(text);
    return typeof error === "string" ? error : (error?.message ?? JSON.stringify(error));
  } catch {
    return text || undefined;
  }
}

function ending(end) {
  return end === undefined ? {} : { "x-end-stream": String(end) };
}

const at = encodeURIComponent;

export class HostClient {
  constructor(url, { token } = {}) {
    this.apiBase = url;
    Object.defineProperty(this, "client", { value: new Client(url, token) }); // not shown when a Sequence logs it
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

  deleteSequence(id, { force } = {}) {
    return this.client.json("DELETE", `sequence/${at(id)}`, { headers: force ? { "x-seq-kill-inst": "true" } : {} });
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

export class SequenceClient {
  constructor(id, host) {
    this.id = id;
    Object.defineProperty(this, "host", { value: host });
  }

  /** Starts an Instance; `payload` may have appConfig, args, instanceId, inputTopic, outputTopic and limits. */
  async start(payload = {}) {
    const { id } = await this.host.client.json("POST", `sequence/${at(this.id)}/start`, { body: payload });
    return this.host.getInstanceClient(id);
  }

  getInfo() {
    return this.host.getSequence(this.id);
  }

  listInstances() {
    return this.host.client.json("GET", `sequence/${at(this.id)}/instances`);
  }

  getInstance(id) {
    return this.host.getInstanceClient(id);
  }

  overwrite(archive) {
    return this.host.client.upload("PUT", `sequence/${at(this.id)}`, archive);
  }

  delete(options) {
    return this.host.deleteSequence(this.id, options);
  }
}

export class InstanceClient {
  constructor(id, host) {
    this.id = id;
    Object.defineProperty(this, "host", { value: host });
    Object.defineProperty(this, "path", { value: `instance/${at(id)}` });
  }

  getInfo() {
    return this.host.getInstanceInfo(this.id);
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
    return this.host.client.stream(`${this.path}/events/${at(eventName)}`);
  }

  /** "output", "stdout", "stderr" or "log", as a stream of bytes. */
  getStream(name) {
    return this.host.client.stream(`${this.path}/${name}`);
  }

  getLogStream() {
    return this.getStream("log");
  }

  /** Writes a stream, an iterable or data to "input" or "stdin". */
  sendStream(name, data, _requestInit, { type = BYTES, end } = {}) {
    return this.host.client.upload("POST", `${this.path}/${name}`, data, { "content-type": type, ...ending(end) });
  }

  sendInput(data, requestInit, options) {
    return this.sendStream("input", data, requestInit, options);
  }

  sendStdin(data, requestInit, options) {
    return this.sendStream("stdin", data, requestInit, options);
  }

  /** Sends input; gives the output, as a stream of bytes, meanwhile. */
  inout(data, _requestInit, { type = BYTES, end } = {}) {
    return this.host.client.duplex("POST", `${this.path}/inout`, data, { "content-type": type, ...ending(end) });
  }

  #json(method, route, body) {
    return this.host.client.json(method, `${this.path}/${route}`, { body });
  }
}
