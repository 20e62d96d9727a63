// Sends recordings: two at a time, again after a refusal, never twice (each has a key of its own).

import { headers, problemFrom } from "./api.js";
import { feed } from "./feed.js";

const AT_ONCE = 2;
const BUSY = new Set([0, 429, 502, 503, 504, 507]);
const PAUSES_S = [2, 5, 10, 30];

class Uploads extends EventTarget {
  items = []; // {file, options, key, state: waiting | sending | pausing | sent | failed, sent, why, request}

  add(files, options) {
    for (const file of files) {
      this.items.push({ file, options, key: crypto.randomUUID?.() ?? randomKey(), state: "waiting", sent: 0, attempts: 0 });
    }
    this.#step();
  }

  stop(item) {
    item.request?.abort();
    clearTimeout(item.timer);
    this.items = this.items.filter((other) => other !== item);
    this.#step();
  }

  again(item) {
    Object.assign(item, { state: "waiting", why: "", sent: 0, attempts: 0 });
    this.#step();
  }

  forgetSent() {
    this.items = this.items.filter((item) => item.state !== "sent");
    this.#changed();
  }

  get busy() {
    return this.items.some((item) => item.state === "waiting" || item.state === "sending" || item.state === "pausing");
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

  #send(item) {
    // XMLHttpRequest, because fetch does not tell how much has been sent
    const request = (item.request = new XMLHttpRequest());
    item.state = "sending";
    const { speakers, ...options } = item.options;
    const query = new URLSearchParams({ ...options, filename: item.file.name });
    for (const speaker of speakers) query.append("speakers", speaker);
    request.open("POST", `/v1/jobs?${query}`);
    const sent = { "content-type": "application/octet-stream", "idempotency-key": item.key };
    for (const [name, value] of Object.entries(headers(sent))) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => {
      item.sent = event.loaded;
      this.#changed();
    };
    request.onloadend = () => this.#ended(item, request);
    request.send(item.file);
  }

  #ended(item, request) {
    if (!this.items.includes(item)) return;
    if (request.status === 200 || request.status === 202) {
      item.state = "sent";
      feed.announce(JSON.parse(request.responseText));
    } else if (BUSY.has(request.status) && item.attempts < 20) {
      const asked = Number(request.getResponseHeader("retry-after")) || 0;
      const pause = (item.pauseS = asked || PAUSES_S[Math.min(item.attempts, PAUSES_S.length - 1)]);
      item.attempts += 1;
      item.state = "pausing";
      item.timer = setTimeout(() => {
        item.state = "waiting";
        this.#step();
      }, pause * 1000);
    } else {
      item.state = "failed";
      item.why = problemFrom(request.status, request.responseText).message;
    }
    this.#step();
  }
}

/** Where the page came over plain HTTP from another machine, browsers offer no randomUUID. */
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const uploads = new Uploads();

addEventListener("beforeunload", (event) => {
  if (uploads.busy) event.preventDefault();
});
