import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { stopTime, tick } from "../clock.mjs";
import { load } from "../modules.mjs";

const { Uploads } = await load("jobs/uploads.js");

const CHUNK_BYTES = 8;
const settled = () => new Promise(setImmediate);
const fault = (status, more = {}) => Object.assign(new Error(`HTTP ${status}`), { status, ...more });

/** A tus server that has what it was sent; `hold()` makes calls wait for `release()`. */
class Server {
  offsets = new Map();
  calls = [];
  faults = [];
  #gate = null;

  hold() {
    this.#gate = new Promise((open) => (this.release = () => ((this.#gate = null), open())));
  }

  async #called(name, ...args) {
    this.calls.push([name, ...args]);
    if (this.#gate) await this.#gate;
    const next = this.faults.shift();
    if (next) throw next;
  }

  createUpload = async (file) => {
    await this.#called("create", file.name);
    const path = `/uploads/${this.offsets.size}`;
    this.offsets.set(path, 0);
    return path;
  };

  readOffset = async (path) => {
    await this.#called("offset", path);
    return { offset: this.offsets.get(path), job: null };
  };

  sendChunk = async (path, file, offset, { onProgress, onRequest }) => {
    onRequest({ abort() {} });
    await this.#called("chunk", path, offset);
    assert.equal(offset, this.offsets.get(path), "the server has another offset");
    const next = Math.min(offset + CHUNK_BYTES, file.size);
    this.offsets.set(path, next);
    onProgress(next);
    return { offset: next, job: next === file.size ? `job of ${file.name}` : null };
  };

  terminateUpload = async (path) => void this.calls.push(["terminate", path]);
}

let server;
let uploads;
let jobs;
const file = (name = "a", size = 20) => ({ name, size });
const names = (call) => server.calls.filter(([name]) => name === call);

beforeEach(() => {
  stopTime();
  server = new Server();
  uploads = new Uploads({ protocol: server });
  jobs = [];
  uploads.addEventListener("sent", ({ detail }) => jobs.push(detail));
});

test("a file goes in chunks, each from where the last one ended", async () => {
  uploads.add([file()], {});
  await settled();
  assert.deepEqual(names("chunk").map(([, , offset]) => offset), [0, 8, 16]);
  assert.deepEqual(jobs, ["job of a"]);
  assert.deepEqual([uploads.items[0].state, uploads.items[0].sent, uploads.busy], ["sent", 20, false]);
  uploads.removeSent();
  assert.deepEqual(uploads.items, []);
});

test("two are sent at a time, the others wait", async () => {
  server.hold();
  uploads.add(["a", "b", "c"].map((name) => file(name)), {});
  await settled();
  assert.deepEqual(uploads.items.map(({ state }) => state), ["sending", "sending", "waiting"]);
  server.release();
  await settled();
  assert.deepEqual(jobs.sort(), ["job of a", "job of b", "job of c"]);
});

test("after a lost connection it asks for the offset and goes on there", async () => {
  server.faults = [null, null, fault(0)];
  uploads.add([file()], {});
  await settled();
  const [item] = uploads.items;
  assert.deepEqual([item.state, item.retryInS, item.disconnected], ["retrying", 2, true]);
  tick(2000);
  await settled();
  assert.deepEqual(names("offset").length, 1);
  assert.deepEqual([item.state, jobs], ["sent", ["job of a"]]);
});

test("a busy server says when; delays grow until there is progress", async () => {
  server.faults = [null, fault(429, { retryAfterS: 7 }), fault(503), fault(503)];
  uploads.add([file()], {});
  const [item] = uploads.items;
  const delays = [];
  for (let n = 0; n < 3; n++) {
    await settled();
    delays.push(item.retryInS);
    tick(item.retryInS * 1000);
  }
  await settled();
  assert.deepEqual([delays, item.attempts, item.state], [[7, 5, 10], 0, "sent"]);
});

test("a refusal is told and can be tried again", async () => {
  server.faults = [fault(413)];
  uploads.add([file()], {});
  await settled();
  const [item] = uploads.items;
  assert.deepEqual([item.state, item.why], ["failed", "HTTP 413"]);
  uploads.resume(item);
  await settled();
  assert.deepEqual(jobs, ["job of a"]);
});

test("an upload that has expired begins again", async () => {
  server.faults = [null, null, fault(404)];
  uploads.add([file()], {});
  await settled();
  tick(2000);
  await settled();
  assert.deepEqual([names("create").length, jobs], [2, ["job of a"]]);
});

test("a pause stops after the chunk, resuming goes on", async () => {
  uploads.add([file()], {});
  const [item] = uploads.items;
  await Promise.resolve();
  server.hold();
  await settled();
  uploads.pause(item);
  server.release();
  await settled();
  assert.equal(item.state, "paused");
  uploads.resume(item);
  await settled();
  assert.deepEqual([item.state, jobs], ["sent", ["job of a"]]);
});

test("a pause while the upload is being created makes no second one", async () => {
  server.hold();
  uploads.add([file()], {});
  const [item] = uploads.items;
  await settled();
  uploads.pause(item);
  uploads.resume(item);
  await settled();
  server.release();
  await settled();
  assert.deepEqual([names("create").length, jobs], [1, ["job of a"]]);
});

test("when the connection is back it goes on at once, and once", async () => {
  server.faults = [null, null, fault(0)];
  uploads.add([file()], {});
  await settled();
  server.hold();
  uploads.retryNow();
  await settled();
  tick(60_000); // the delay that it did not wait for
  await settled();
  assert.equal(names("offset").length, 1);
  server.release();
  await settled();
  assert.deepEqual(jobs, ["job of a"]);
});

test("a stopped upload is terminated, also when it was just being created", async () => {
  server.hold();
  uploads.add([file()], {});
  await settled();
  uploads.stop(uploads.items[0]);
  server.release();
  await settled();
  assert.deepEqual([uploads.items, names("terminate"), jobs], [[], [["terminate", "/uploads/0"]], []]);
});
