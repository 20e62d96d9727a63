// One stream of all jobs for the whole console; it reconnects by itself and says when it is cut off.

import { get, jobPath, readEvents } from "./api.js";

const PAUSES_MS = [500, 1000, 2000, 5000, 10_000];

class Feed extends EventTarget {
  counts = null;
  connected = false;
  #stop = null;
  #attempts = 0;

  start() {
    if (this.#stop) return;
    this.#stop = new AbortController();
    this.#run(this.#stop.signal);
  }

  stop() {
    this.#stop?.abort();
    this.#stop = null;
    this.#attempts = 0;
    this.counts = null;
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #connect(yes) {
    if (this.connected === yes) return;
    this.connected = yes;
    this.#tell("connection", yes);
  }

  async #run(signal) {
    while (!signal.aborted) {
      try {
        await readEvents("/v1/events", (name, data) => this.#take(name, data), signal);
      } catch (error) {
        if (signal.aborted || error.status === 401) break;
      }
      this.#connect(false);
      const pause = PAUSES_MS[Math.min(this.#attempts++, PAUSES_MS.length - 1)];
      await new Promise((done) => setTimeout(done, pause));
    }
    this.#connect(false);
  }

  #take(name, data) {
    if (name === "counts") {
      this.#attempts = 0;
      this.counts = data.jobs;
      const again = !this.connected;
      this.#connect(true);
      this.#tell("counts", data.jobs);
      if (again) this.#tell("resumed");
    } else if (name === "jobs") {
      this.#tell("jobs", data.jobs);
    }
  }

  /** Tells a change this console made itself before the stream does. */
  announce(job) {
    this.#tell("jobs", [job]);
  }

  forget(id) {
    this.#tell("forgotten", id);
  }

  async refresh(id) {
    this.announce(await get(jobPath(id)));
  }
}

export const feed = new Feed();
