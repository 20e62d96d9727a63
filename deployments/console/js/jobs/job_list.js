// The list of jobs as pages and live changes make it: newest first, each job once.

import { isLive } from "./job_rows.js";

export class JobList {
  jobs = [];
  #indexById = new Map();

  /** `accepts(job)` is the filter; `isComplete()` whether the last page was read. */
  constructor({ accepts, isComplete }) {
    this.accepts = accepts;
    this.isComplete = isComplete;
  }

  indexOf(id) {
    return this.#indexById.get(id);
  }

  replace(jobs) {
    this.jobs = jobs;
    this.#reindex();
  }

  /** Append a page; jobs that are listed already are skipped. */
  append(page) {
    this.replace([...this.jobs, ...page.filter((job) => !this.#indexById.has(job.id))]);
  }

  /** Merge changed jobs; returns the indexes of those changed in place, and whether any came or went. */
  merge(changed) {
    const inPlace = new Set();
    let moved = false;
    for (const job of changed) {
      const index = this.#indexById.get(job.id);
      if (index === undefined) moved = this.#insert(job) || moved;
      else if (!this.accepts(job)) moved = this.remove(job.id) >= 0;
      else if (!isStale(job, this.jobs[index])) {
        this.jobs[index] = job;
        inPlace.add(index);
      }
    }
    return { inPlace, moved };
  }

  /** Remove a job; returns the index it had, or undefined. */
  remove(id) {
    const index = this.#indexById.get(id);
    if (index === undefined) return undefined;
    this.jobs.splice(index, 1);
    this.#reindex();
    return index;
  }

  #insert(job) {
    if (!this.accepts(job)) return false;
    const last = this.jobs.at(-1);
    if (!this.isComplete() && last && isOlder(job, last)) return false; // a later page has it
    const at = this.jobs.findIndex((other) => isOlder(other, job));
    this.jobs.splice(at < 0 ? this.jobs.length : at, 0, job);
    this.#reindex();
    return true;
  }

  #reindex() {
    this.#indexById = new Map(this.jobs.map((job, index) => [job.id, index]));
  }
}

const isStale = (job, listed) => listed.version > job.version && isLive(job);

const isOlder = (a, b) => (a.created_at === b.created_at ? a.id < b.id : a.created_at < b.created_at);
