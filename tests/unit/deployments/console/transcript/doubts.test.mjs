import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { doubtsOf } = await load("transcript/doubts.js");

const line = (text, ...words) => ({
  segment: { text, words: words.map(([word, probability], i) => ({ text: word, probability, start_s: i, end_s: i + 1 })) },
});
const shaded = (each, below) => doubtsOf(each, below).map(({ from, to }) => each.segment.text.slice(from, to));

test("words under the threshold are shaded where they stand, others are not", () => {
  const said = line("Call Smyth, call Smith.", ["Call", 0.9], [" Smyth,", 0.3], [" call", 0.5], [" Smith.", 0.49]);
  assert.deepEqual(shaded(said, 0.5), ["Smyth,", "Smith."]);
});

test("a word that a correction took out is not shaded", () => {
  const said = line("Call Smith.", ["Call", 0.9], [" Smyth,", 0.3], [" Smith.", 0.2]);
  assert.deepEqual(shaded(said, 0.5), ["Smith."]);
});

test("nothing is shaded in a gap, without words, or in a result without a threshold", () => {
  assert.deepEqual(doubtsOf({ segment: null }, 0.5), []);
  assert.deepEqual(shaded(line("Hello."), 0.5), []);
  assert.deepEqual(shaded(line("Hello.", ["Hello.", 0.1]), undefined), []);
});
