// The queue of uploads: two at a time, in chunks, resumed where a lost connection or a pause left them.

import { get, jobPath } from "../lib/api.js";
import { feed } from "./feed.js";
import * as tus from "./tus.js";

const MAX_PARALLEL = 2;
const RETRY_DELAYS_S = [2, 5, 10, 30];
const MAX_ATTEMPTS = 100; // in a row, without progress
const RETRIABLE_STATUSES = new Set([0, 408, 409, 423, 429, 502, 503, 504, 507]);

/**
 * Sends items `{ file, options, state, sent, why, … }`; dispatches "change", and "sent" with the id of each job made.
 *
 * States: waiting → sending → sent; sending → retrying (after a fault that passes) → waiting; sending → failed;
 * paused and stopped by the user. `path` is a promise, `request` the latest chunk's, `sent` a number of bytes.
 */
export class Uploads extends EventTarget {
  items = [];

  constructor({ protocol = tus } = {}) {
    super();
    this.protocol = protocol;
  }

  add(files, options) {
    for (const file of files) this.items.push({ file, options, path: null, request: null, state: "waiting", sent: 0, attempts: 0 });
    this.#startWaiting();
  }

  /** Remove an upload and delete what the server has of it. */
  stop(item) {
    this.#interrupt(item, "stopped");
    this.items = this.items.filter((other) => other !== item);
    item.path?.then((path) => this.protocol.terminateUpload(path)).catch(() => {}); // the server deletes it after a time
    this.#startWaiting();
  }

  pause(item) {
    this.#interrupt(item, "paused");
    this.#startWaiting();
  }

  resume(item) {
    clearTimeout(item.timer);
    Object.assign(item, { state: "waiting", why: "", attempts: 0 });
    this.#startWaiting();
  }

  removeSent() {
    this.items = this.items.filter((item) => item.state !== "sent");
    this.#changed();
  }

  get busy() {
    return this.items.some((item) => item.state !== "sent" && item.state !== "failed");
  }

  /** Retry at once what waits for its next attempt. */
  retryNow() {
    for (const item of this.items) if (item.state === "retrying") this.resume(item);
  }

  #interrupt(item, state) {
    item.state = state;
    clearTimeout(item.timer);
    item.request?.abort();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #startWaiting() {
    const nSending = this.items.filter((item) => item.state === "sending").length;
    const waiting = this.items.filter((item) => item.state === "waiting");
    for (const item of waiting.slice(0, Math.max(0, MAX_PARALLEL - nSending))) this.#send(item);
    this.#changed();
  }

  async #send(item) {
    item.state = "sending";
    const run = (item.run = {}); // a pause and a resume begin another
    const isCurrent = () => item.state === "sending" && item.run === run;
    try {
      const job = await this.#sendChunks(item, isCurrent);
      if (!isCurrent()) return;
      Object.assign(item, { state: "sent", sent: item.file.size });
      this.dispatchEvent(new CustomEvent("sent", { detail: job }));
    } catch (error) {
      if (!isCurrent()) return;
      this.#failed(item, error);
    }
    this.#startWaiting();
  }

  /** Send what the server does not have; resolves to the job, or null when interrupted. */
  async #sendChunks(item, isCurrent) {
    // One creation for all runs: a pause while it is in flight must not make a second upload.
    item.path ??= this.protocol.createUpload(item.file, item.options);
    const path = await item.path;
    if (!isCurrent()) return null;
    let { offset, job } = item.request ? await this.protocol.readOffset(path) : { offset: 0, job: null };
    while (!job && isCurrent()) {
      ({ offset, job } = await this.protocol.sendChunk(path, item.file, offset, {
        onProgress: (sent) => isCurrent() && ((item.sent = sent), this.#changed()),
        onRequest: (request) => (item.request = request),
      }));
      item.attempts = 0;
    }
    return job;
  }

  #failed(item, error) {
    const hasExpired = error.status === 404 && item.request;
    if (hasExpired || !item.request) Object.assign(item, { path: null, sent: 0, request: null });
    const passes = hasExpired || RETRIABLE_STATUSES.has(error.status ?? -1);
    if (passes && item.attempts < MAX_ATTEMPTS) this.#retryLater(item, error);
    else Object.assign(item, { state: "failed", why: error.message });
  }

  #retryLater(item, error) {
    item.retryInS = error.retryAfterS || RETRY_DELAYS_S[Math.min(item.attempts, RETRY_DELAYS_S.length - 1)];
    item.attempts += 1;
    item.state = "retrying";
    item.disconnected = error.status === 0;
    item.timer = setTimeout(() => {
      item.state = "waiting";
      this.#startWaiting();
    }, item.retryInS * 1000);
  }
}

export const uploads = new Uploads();

uploads.addEventListener("sent", ({ detail: job }) => get(jobPath(job)).then((made) => feed.publish(made), () => {})); // else the feed tells it
addEventListener("online", () => uploads.retryNow());
addEventListener("beforeunload", (event) => {
  if (uploads.busy) event.preventDefault();
});
