import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { allowedActions, noteText } = await load("jobs/job_rows.js");
const { setLanguage } = await load("lib/i18n.js");

const job = (state, fields = {}) => ({ state, cancel_requested: false, source: { url: null }, minutes_of: null, n_failed_chunks: 0, ...fields });
const pulled = { source: { url: "https://recordings.example/1.wav" } };

for (const [what, given, actions] of [
  ["a live job", job("transcribing"), ["cancel"]],
  ["one that is being cancelled", job("transcribing", { cancel_requested: true }), []],
  ["a finished job", job("succeeded"), ["erase"]],
  ["a finished job with chunks in quarantine", job("succeeded", { n_failed_chunks: 2 }), ["replay", "erase"]],
  ["a failed upload", job("failed"), ["erase"]],
  ["a failed job of a URL", job("failed", pulled), ["retry", "erase"]],
  ["failed minutes of a transcript", job("failed", { minutes_of: "a" }), ["retry", "erase"]],
  ["a stage that failed to be done again", job("failed", { redo_of: "a" }), ["retry", "erase"]],
  ["a failed job with chunks in quarantine", job("failed", { n_failed_chunks: 1 }), ["retry", "erase"]],
  ["a cancelled job of a URL", job("cancelled", pulled), ["retry", "erase"]],
  ["a cancelled upload with chunks in quarantine", job("cancelled", { n_failed_chunks: 1 }), ["replay", "erase"]],
]) {
  test(`the actions of ${what}`, () => assert.deepEqual(allowedActions(given), actions));
}

test("notes are told in the console's language, those it does not know in English", () => {
  const known = { code: "no_speech", text: "in English", values: {} };
  const unknown = { code: "from_a_later_release", text: "in English", values: {} };
  setLanguage("zh");
  assert.deepEqual([known, unknown].map(noteText), ["录音中未识别到语音。", "in English"]);
  setLanguage("en");
  assert.equal(noteText(known), "No speech was recognised in this recording.");
});
