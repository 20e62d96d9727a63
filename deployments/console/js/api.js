// Talks to the API. The key travels in a header, never in an address.

import { session } from "./session.js";

export const signedOut = new EventTarget();

/** An answer that is an error: `reason` is one of the API's, "unreachable" where no answer came. */
export class Problem extends Error {
  constructor(status, body, retryAfter = 0) {
    super(body.detail || body.title || `HTTP ${status}`);
    this.status = status;
    this.reason = body.reason ?? "unreachable";
    this.errors = body.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

export function headers(more = {}) {
  return session.key ? { authorization: `Bearer ${session.key}`, ...more } : more;
}

/** The answer of a request; raises `Problem` for anything but success. */
export async function request(path, { method = "GET", json, body, signal, more = {} } = {}) {
  const sent = json === undefined ? more : { "content-type": "application/json", ...more };
  let answer;
  try {
    answer = await fetch(path, {
      method,
      signal,
      headers: headers(sent),
      body: json === undefined ? body : JSON.stringify(json),
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: error.message });
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

export async function get(path, options) {
  return (await request(path, options)).json();
}

async function problemOf(answer) {
  const body = await answer.json().catch(() => ({ title: answer.statusText, reason: "internal" }));
  if (answer.status === 401) signedOut.dispatchEvent(new Event("signedout"));
  return new Problem(answer.status, body, Number(answer.headers.get("retry-after")) || 0);
}

export function problemFrom(status, text, retryAfter) {
  let body = { reason: status ? "internal" : "unreachable" };
  try {
    body = JSON.parse(text);
  } catch {
    // not from MeetMemo: a proxy's page, or nothing at all
  }
  if (status === 401) signedOut.dispatchEvent(new Event("signedout"));
  return new Problem(status, body, retryAfter);
}

export const jobPath = (id, ...rest) => ["/v1/jobs", encodeURIComponent(id), ...rest].join("/");

/** Reads server-sent events until the stream ends or `signal` aborts: `tell(name, data)` for each. */
export async function readEvents(path, tell, signal) {
  const answer = await request(path, { signal, more: { accept: "text/event-stream" } });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += value;
    const events = waiting.split("\n\n");
    waiting = events.pop();
    for (const event of events) {
      const lines = event.split("\n");
      const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
      const data = field("data").join("\n");
      if (data) tell(field("event")[0] ?? "message", JSON.parse(data));
    }
  }
}

/** Saves what a path answers as a file; no address with a key is ever made. */
export async function download(path, filename) {
  const answer = await request(path);
  const given = /filename\*=UTF-8''([^;]+)/.exec(answer.headers.get("content-disposition") ?? "");
  const address = URL.createObjectURL(await answer.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = given ? decodeURIComponent(given[1]) : filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
