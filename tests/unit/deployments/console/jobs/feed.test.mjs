import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { Feed } = await load("jobs/feed.js");

/** A feed whose connections are functions of `receive(name, data)`; after the last it is stopped. */
function feedOf(...connections) {
  const delaysMs = [];
  const events = [];
  const feed = new Feed({
    read: async (path, receive) => {
      const connection = connections.shift();
      if (connection) return connection(receive);
      feed.stop();
      throw new Error("stopped");
    },
    sleep: async (ms) => void delaysMs.push(ms),
  });
  for (const name of ["connection", "counts", "jobs", "erased", "resumed"]) feed.addEventListener(name, ({ detail }) => events.push([name, detail]));
  return { feed, delaysMs, events };
}

const counts = (n) => ["counts", { jobs: { queued: n } }];
const settled = () => new Promise(setImmediate);
const fail = () => Promise.reject(new Error("cut"));

test("the first counts say that it is connected; changed jobs follow", async () => {
  const { feed, events } = feedOf((receive) => {
    receive(...counts(1));
    assert.deepEqual(feed.counts, { queued: 1 });
    receive("jobs", { jobs: [{ id: "a" }] });
    receive("of_a_later_version", {});
    receive(...counts(2));
  });
  feed.start();
  await settled();
  assert.deepEqual(events.slice(0, 5), [["connection", true], ["counts", { queued: 1 }], ["resumed", null], ["jobs", [{ id: "a" }]], ["counts", { queued: 2 }]]);
  assert.deepEqual(events.slice(5), [["connection", false]]);
});

test("it reconnects with growing delays, which begin again after a success", async () => {
  const succeed = (receive) => receive(...counts(0));
  const { feed, delaysMs, events } = feedOf(fail, fail, fail, fail, fail, fail, succeed, fail);
  feed.start();
  await settled();
  assert.deepEqual(delaysMs, [500, 1000, 2000, 5000, 10_000, 10_000, 500, 1000]);
  assert.deepEqual(events.filter(([name]) => name === "connection").map(([, on]) => on), [false, true, false]);
});

test("a key that is refused ends it", async () => {
  const { feed, delaysMs } = feedOf(() => Promise.reject(Object.assign(new Error("no"), { status: 401 })));
  feed.start();
  await settled();
  assert.deepEqual([delaysMs, feed.connected], [[], false]);
});

test("changes of this console are published at once", () => {
  const { feed, events } = feedOf();
  feed.publish({ id: "a" });
  feed.publishErased("a");
  assert.deepEqual(events, [["jobs", [{ id: "a" }]], ["erased", "a"]]);
});
