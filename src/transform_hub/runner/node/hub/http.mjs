// HTTP calls to the Hub, as the clients of `this.hub` make them.

import http from "node:http";
import https from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";

const JSON_TYPE = "application/json";
export const NDJSON = "application/x-ndjson";
export const BYTES = "application/octet-stream";

/** @type {Record<number, string>} */
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
  /** @param {string} message @param {{status?: number, body?: string, code?: string}} answer */
  constructor(message, { status, body, code }) {
    super(message);
    this.name = "ClientError";
    this.status = status === undefined ? undefined : String(status);
    this.body = body;
    this.code = code ?? CODES[status ?? 0] ?? (Number(status) < 500 ? "REQUEST_ERROR" : "SERVER_ERROR");
  }
}

/** HTTP calls below one base URL. */
export class Client {
  #base;
  #headers;
  #socket; // a Unix socket on which the Hub listens, if it is that
  #agent;

  /** @param {string} base @param {string} [token] */
  constructor(base, token) {
    const [, socket, path] = /^http\+unix:\/\/([^/]+)(.*)$/.exec(base) ?? [];
    this.#socket = socket && { socketPath: decodeURIComponent(socket) };
    this.#base = (socket ? `http://localhost${path}` : base).replace(/\/+$/, "");
    this.#headers = token ? { authorization: `Bearer ${token}` } : {};
    this.http = this.#base.startsWith("https:") ? https : http;
    this.#agent = new this.http.Agent({ keepAlive: true, timeout: 4000 }); // STH drops idle connections after 5 s
  }

  /**
   * The answer as JSON; undefined if it has no body.
   *
   * @param {string} method
   * @param {string} path
   * @param {{body?: any, headers?: Record<string, string>}} options
   */
  async json(method, path, { body, headers } = {}) {
    const given = body === undefined ? undefined : JSON.stringify(body);
    /** @type {Record<string, string>} */
    const type = method === "GET" ? { accept: JSON_TYPE } : { "content-type": JSON_TYPE };
    return parsed(await textOf(await this.#send(method, path, { body: given, headers: { ...type, ...headers } })));
  }

  /** The answer as a stream of bytes. */
  stream(path, headers = {}) {
    return this.#send("GET", path, { headers: { "content-type": BYTES, ...headers } });
  }

  /** Sends a stream, an iterable or data; done when the Hub has taken all of it. */
  async upload(method, path, body, headers) {
    return parsed(
      await textOf(await this.#send(method, path, { body, headers: { "content-type": BYTES, ...headers } })),
    );
  }

  /** The answer, while the body is still being sent. */
  duplex(method, path, body, headers) {
    return this.#send(method, path, { body, headers: { "content-type": BYTES, ...headers } });
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {{body?: any, headers: Record<string, string>}} request
   * @returns {Promise<http.IncomingMessage>}
   */
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
    } catch (/** @type {any} */ error) {
      throw new ClientError(`${method} ${path}: ${error.message}`, { code: "CANNOT_CONNECT" });
    }
    if (response.statusCode < 400) return response;
    const text = await textOf(response).catch(() => "");
    request.destroy();
    const said = errorIn(text) ?? response.statusMessage;
    throw new ClientError(`${method} ${path}: ${response.statusCode} ${said}`, {
      status: response.statusCode,
      body: text,
    });
  }
}

/** @param {any} body @param {http.ClientRequest} request */
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

/** @param {any} body */
function lengthOf(body) {
  if (body === undefined) return { "content-length": 0 };
  if (typeof body === "string") return { "content-length": Buffer.byteLength(body) };
  return ArrayBuffer.isView(body) ? { "content-length": body.byteLength } : {};
}

async function textOf(response) {
  const parts = [];
  for await (const part of response) parts.push(part);
  return Buffer.concat(parts).toString();
}

function parsed(text) {
  return text ? JSON.parse(text) : undefined;
}

/** The Hub's own words; undefined if it has none. */
function errorIn(text) {
  try {
    const { error } = JSON.parse(text);
    return typeof error === "string" ? error : (error?.message ?? JSON.stringify(error));
  } catch {
    return text || undefined;
  }
}

export function ending(end) {
  return end === undefined ? {} : { "x-end-stream": String(end) };
}

/** An id or a name as a part of a path. */
export const at = encodeURIComponent;
