import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { lineAt, linesOf, wordsOf } = await load("transcript/transcript_view.js");

const segment = (id, start_s, end_s, channel = 0) => ({ id, start_s, end_s, channel });
const SEGMENTS = [segment(1, 1, 4), segment(2, 2, 9, 1), segment(3, 20, 25)];
const COVERAGE = [
  { health: "transcribed", start_s: 1, end_s: 4 },
  { health: "failed", start_s: 10, end_s: 15, note: "CUDA error" },
];
const LINES = linesOf(SEGMENTS, COVERAGE);

test("lines are the segments and what failed, in order of time", () => {
  assert.deepEqual(LINES.map((line) => line.segment?.id ?? line.note), [1, 2, "CUDA error", 3]);
});

test("the line at a time is the one being spoken, else the last before, else the first", () => {
  const at = (seconds) => lineAt(LINES, seconds).segment?.id ?? "gap";
  assert.deepEqual([0, 1.5, 3, 5, 9.5, 12, 21, 99].map(at), [1, 1, 2, 2, 2, "gap", 3, 3]);
  assert.equal(lineAt([], 3), undefined);
});

test("words lie where they stand in the text, repeated ones one after the other", () => {
  const text = "No, no: no more.";
  const words = ["No,", " no:", " no", " more."].map((word, i) => ({ text: word, start_s: i, end_s: i + 1 }));
  const places = wordsOf({ text, segment: { words } });
  assert.deepEqual(places.map(({ from, to }) => text.slice(from, to)), ["No,", "no:", "no", "more."]);
  assert.deepEqual([places[2].from, places[2].start_s], [8, 2]);
});

test("a word that a correction has removed takes no place, the others keep theirs", () => {
  const words = ["the", " old", " words"].map((word, i) => ({ text: word, start_s: i, end_s: i + 1 }));
  const places = wordsOf({ text: "the words", segment: { words } });
  assert.deepEqual(places.map(({ from, to }) => [from, to]), [[0, 3], [3, 3], [4, 9]]);
});
