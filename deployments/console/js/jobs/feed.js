// The live feed of all jobs: one event stream for the whole console, reconnected when it breaks.
// Events: "jobs" and "counts" as the API sends them, "erased" (id), "connection" (boolean), "resumed" on each connection.

import { readEvents } from "../lib/api.js";

const RECONNECT_DELAYS_MS = [500, 1000, 2000, 5000, 10_000];

export class Feed extends EventTarget {
  counts = null; // jobs by state
  connected = false;
  started = false; // whether it was connected or failed to connect
  #abort = null;
  #attempts = 0;

  constructor({ read = readEvents, sleep = (ms) => new Promise((done) => setTimeout(done, ms)) } = {}) {
    super();
    this.read = read;
    this.sleep = sleep;
  }

  start() {
    if (this.#abort) return;
    this.#abort = new AbortController();
    this.#run(this.#abort.signal);
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
    this.#attempts = 0;
    this.counts = null;
  }

  /** Publish a job that this console changed itself, before the stream has it. */
  publish(job) {
    this.#emit("jobs", [job]);
  }

  publishErased(id) {
    this.#emit("erased", id);
  }

  async #run(signal) {
    while (!signal.aborted) {
      try {
        await this.read("/v1/events", (name, data) => this.#receive(name, data), signal);
      } catch (error) {
        if (signal.aborted || error.status === 401) break;
      }
      this.#setConnected(false);
      await this.sleep(RECONNECT_DELAYS_MS[Math.min(this.#attempts++, RECONNECT_DELAYS_MS.length - 1)]);
    }
    this.#setConnected(false);
  }

  #receive(name, data) {
    if (name === "jobs") return this.#emit("jobs", data.jobs);
    if (name !== "counts") return;
    this.#attempts = 0;
    this.counts = data.jobs;
    const resumed = !this.connected;
    this.#setConnected(true);
    this.#emit("counts", data.jobs);
    if (resumed) this.#emit("resumed");
  }

  #setConnected(connected) {
    const first = !this.started;
    this.started = true;
    if (this.connected === connected && !first) return;
    this.connected = connected;
    this.#emit("connection", connected);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

export const feed = new Feed();
