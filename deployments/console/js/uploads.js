// Sends recordings: two at a time, in pieces, on from where a lost connection or a pause left them.

import { get, jobPath } from "./api.js";
import { feed } from "./feed.js";
import { begin, giveUp, reached, sendPiece } from "./tus.js";

const AT_ONCE = 2;
const PAUSES_S = [2, 5, 10, 30];
const MOST_ATTEMPTS = 100; // without a byte in between

/** Troubles that pass by themselves; anything else is told. */
const PASSING = new Set([0, 408, 409, 423, 429, 502, 503, 504, 507]);

class Uploads extends EventTarget {
  items = []; // {file, options, path, state: waiting | sending | paused | pausing | sent | failed, sent, why, request}

  add(files, options) {
    for (const file of files) this.items.push({ file, options, path: null, state: "waiting", sent: 0, attempts: 0 });
    this.#step();
  }

  /** Gives one up. */
  stop(item) {
    this.#hold(item, "stopped");
    this.items = this.items.filter((other) => other !== item);
    if (item.path) giveUp(item.path).catch(() => {}); // it expires by itself
    this.#step();
  }

  pause(item) {
    this.#hold(item, "paused");
    this.#step();
  }

  resume(item) {
    Object.assign(item, { state: "waiting", why: "", attempts: 0 });
    this.#step();
  }

  forgetSent() {
    this.items = this.items.filter((item) => item.state !== "sent");
    this.#changed();
  }

  get busy() {
    return this.items.some((item) => item.state !== "sent" && item.state !== "failed");
  }

  /** Goes on with what waits for its next attempt: the connection is back. */
  wake() {
    for (const item of this.items) if (item.state === "pausing") this.resume(item);
  }

  #hold(item, state) {
    item.state = state;
    clearTimeout(item.timer);
    item.request?.abort();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }

  #step() {
    const sending = this.items.filter((item) => item.state === "sending").length;
    const waiting = this.items.filter((item) => item.state === "waiting");
    for (const item of waiting.slice(0, AT_ONCE - sending)) this.#send(item);
    this.#changed();
  }

  async #send(item) {
    item.state = "sending";
    item.turn = (item.turn ?? 0) + 1;
    const { turn } = item;
    const mine = () => item.state === "sending" && item.turn === turn;
    try {
      item.path ??= await begin(item.file, item.options);
      let { offset, job } = item.sent ? await reached(item.path) : { offset: 0, job: null };
      while (!job && mine()) {
        const tell = (sent) => mine() && ((item.sent = sent), this.#changed());
        ({ offset, job } = await sendPiece(item.path, item.file, offset, tell, (request) => (item.request = request)));
        item.attempts = 0;
      }
      if (!mine()) return;
      Object.assign(item, { state: "sent", sent: item.file.size });
      get(jobPath(job)).then((made) => feed.announce(made), () => {}); // else the feed tells it
    } catch (error) {
      if (!mine()) return;
      item.sent ||= item.path ? 1 : 0; // somewhere in the first piece: the server knows where
      if (error.status === 404) Object.assign(item, { path: null, sent: 0 }); // expired: from the beginning
      const again = error.status === 404 || PASSING.has(error.status ?? -1);
      if (again && item.attempts < MOST_ATTEMPTS) this.#wait(item, error);
      else Object.assign(item, { state: "failed", why: error.message });
    }
    this.#step();
  }

  #wait(item, error) {
    item.pauseS = error.retryAfter || PAUSES_S[Math.min(item.attempts, PAUSES_S.length - 1)];
    item.attempts += 1;
    item.state = "pausing";
    item.lost = error.status === 0;
    item.timer = setTimeout(() => {
      item.state = "waiting";
      this.#step();
    }, item.pauseS * 1000);
  }
}

export const uploads = new Uploads();

addEventListener("online", () => uploads.wake());
addEventListener("beforeunload", (event) => {
  if (uploads.busy) event.preventDefault();
});
