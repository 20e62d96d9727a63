import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { takeEvents } = await load("lib/event_stream.js");

const STREAM = 'event: counts\ndata: {"jobs": {"queued": 1}}\n\n: keep-alive\n\ndata: {"text":\ndata: "会议"}\n\n';
const EVENTS = [
  { name: "counts", data: { jobs: { queued: 1 } } },
  { name: "message", data: { text: "会议" } },
];

test("events have a name and data, comments are none", () => {
  assert.deepEqual(takeEvents(STREAM), { events: EVENTS, rest: "" });
});

test("wherever the stream is cut, the same events come out", () => {
  for (let at = 0; at <= STREAM.length; at++) {
    const first = takeEvents(STREAM.slice(0, at));
    const second = takeEvents(first.rest + STREAM.slice(at));
    assert.deepEqual([...first.events, ...second.events], EVENTS, `cut at ${at}`);
    assert.equal(second.rest, "");
  }
});
