import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { changedValues, redoText } = await load("transcript/redo_dialog.js");

const SCHEMAS = { beam_size: { type: "integer" }, model: { type: "string" }, vocabulary: { type: "array" }, minutes_title: { type: "string", default: "" }, language: { type: "string", default: null } };

test("only what was changed is sent, numbers as numbers, an emptied text as such", () => {
  const initial = { beam_size: "5", model: "base", vocabulary: ["Ray"], minutes_title: "Board", language: "en" };
  assert.deepEqual(changedValues({ ...initial, vocabulary: ["Ray"] }, initial, SCHEMAS), {});
  assert.deepEqual(changedValues({ beam_size: "2", model: "tiny", vocabulary: ["Ray", "etcd"], minutes_title: "", language: "" }, initial, SCHEMAS), { beam_size: 2, model: "tiny", vocabulary: ["Ray", "etcd"], minutes_title: "", language: null });
});

const told = (job, more = {}) => redoText({ jobs: [{ work: null, audio_s: 0, reason: null, detail: "", ...job }], decoded: { audio_h: 0.05, wall_s: null, cost_usd: 0.02 }, n_minutes: 0, ...more });

test("what a stage takes is said in words", () => {
  assert.match(told({ work: "decode" }).text, /^3m 0s of audio · .* · \$0.02$/);
  assert.equal(told({ work: "hear", audio_s: 65 }).text, "1m 5s of audio are heard, no word is decoded");
  assert.equal(told({ work: "none" }, { n_minutes: 1 }).text, "the recording is not needed · minutes are written anew");
  assert.equal(told({ work: "none" }).refused, false);
});

test("a refusal is said in words", () => {
  assert.deepEqual(told({ reason: "audio_gone", detail: "The recording of job 1 is not kept" }), { text: "The recording was not kept: this stage needs it.", refused: true });
  assert.deepEqual(told({ reason: "too_large", detail: "Too many channels." }), { text: "Too many channels.", refused: true });
});
