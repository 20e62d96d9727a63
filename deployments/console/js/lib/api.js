// Sends requests to the API. A key travels in a header, never in a URL; a session in a cookie that no script can read.

import { takeEvents } from "./event_stream.js";
import { save } from "./save.js";
import { session } from "./session.js";

export const signedOut = new EventTarget();

/** Where the server is, without a slash at its end: "" or a prefix that a proxy gave it. */
const ROOT = new URL("../../..", import.meta.url).pathname.replace(/\/$/, "");

/** The address of a path of the API; a whole URL stays as it is. */
export const here = (path) => (path.startsWith("/") ? `${ROOT}${path}` : path);

/** An error response: `reason` is the API's, "unreachable" where there was no response (status 0). */
export class ApiError extends Error {
  constructor(status, body, retryAfterS = 0) {
    super(body.detail || body.title || body.error?.message || `HTTP ${status}`);
    this.status = status;
    this.reason = body.reason ?? body.error?.code ?? "unreachable"; // /v1/models speaks OpenAI's dialect
    this.retryAfterS = retryAfterS;
  }
}

/** Without a key the browser adds its session, if any, and the server wants this header with it: see docs/sign-in.md. */
export function withAuthorization(headers = {}) {
  return session.key ? { authorization: `Bearer ${session.key}`, ...headers } : { "x-meetmemo-console": "1", ...headers };
}

/** Whether the browser adds the session's cookie: a key goes alone. */
export const cookies = () => (session.key ? "omit" : "same-origin");

/** Send a request and return the response; throws `ApiError` unless it succeeded. */
export async function request(path, { method = "GET", json, body, signal, headers = {} } = {}) {
  const own = json === undefined ? headers : { "content-type": "application/json", ...headers };
  let response;
  try {
    response = await fetch(here(path), {
      method,
      signal,
      headers: withAuthorization(own),
      body: json === undefined ? body : JSON.stringify(json),
      credentials: cookies(),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { detail: error.message });
  }
  if (!response.ok) throw errorFrom(response.status, await response.text(), response.headers.get("retry-after"));
  return response;
}

/** Send a request and parse the JSON of its response. */
export async function requestJson(path, options) {
  return (await request(path, options)).json();
}

export const get = (path) => requestJson(path);

/** Make the error of a response that failed; 401 also signs out. */
export function errorFrom(status, text, retryAfter) {
  if (status === 401) signedOut.dispatchEvent(new Event("signedout"));
  return new ApiError(status, parseProblem(status, text), Number(retryAfter) || 0);
}

/** RFC 9457 problem details; a proxy's page, or no response at all, is none. */
function parseProblem(status, text) {
  try {
    return JSON.parse(text);
  } catch {
    return { reason: status ? "internal" : "unreachable" };
  }
}

export const jobPath = (id, ...rest) => ["/v1/jobs", encodeURIComponent(id), ...rest].join("/");

/** Read server-sent events until the stream ends or `signal` aborts, calling `onEvent(name, data)` for each. */
export async function readEvents(path, onEvent, signal) {
  const response = await request(path, { signal, headers: { accept: "text/event-stream" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const { events, rest } = takeEvents(buffer + value);
    buffer = rest;
    for (const { name, data } of events) onEvent(name, data);
  }
}

/** Save a response as a file, under the name that it has, else `filename`. */
export async function download(path, filename, options) {
  const response = await request(path, options);
  const given = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("content-disposition") ?? "");
  save(await response.blob(), given ? decodeURIComponent(given[1]) : filename);
}
