import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { differences } = await load("transcript/differences.js");

const changed = (words) => words.filter((word) => !word.same).map(({ word }) => word);

function assertChanged(before, after, removed, added) {
  const { old, now } = differences(before, after);
  assert.deepEqual([changed(old), changed(now)], [removed, added]);
  for (const [text, words] of [[before, old], [after, now]]) {
    for (const { word, from, to } of words) assert.equal(text.slice(from, to), word);
  }
}

test("equal texts have none", () => assertChanged("Good morning, all.", "Good  morning, all.", [], []));
test("a replaced word", () => assertChanged("We ship on Friday.", "We ship on Monday.", ["Friday."], ["Monday."]));
test("an added and a removed word", () => assertChanged("so we did ship", "we did not ship", ["so"], ["not"]));
test("nothing before, nothing after", () => {
  assertChanged("", "all new", [], ["all", "new"]);
  assertChanged("all gone", "", ["all", "gone"], []);
});
test("a Chinese character is a word", () => assertChanged("我们下周一发布", "我们下周二发布 v2", ["一"], ["二", "v2"]));
test("very long texts differ as a whole", () => {
  const { old, now } = differences("word ".repeat(401), "word");
  assert.equal(changed(old).length + changed(now).length, 402);
});

test("the words that stayed are the same on both sides, in order", () => {
  const words = ["a", "b", "c"];
  const text = (n) => Array.from({ length: 6 }, (_, i) => words[Math.floor(n / 3 ** i) % 3]).join(" ");
  for (let n = 0; n < 3 ** 6; n += 5) {
    const { old, now } = differences(text(n), text(3 ** 6 - 1 - n));
    const kept = (side) => side.filter((word) => word.same).map(({ word }) => word);
    assert.deepEqual(kept(old), kept(now));
  }
});
