import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { findMatches } = await load("transcript/text_search.js");

const line = (text) => ({ segment: { text } });
const found = (lines, text) => findMatches(lines, text).map(({ line: { segment }, from, to }) => segment.text.trim().slice(from, to));

test("every match is found without regard to case, with its place", () => {
  const lines = [line(" The release, the RELEASE. "), { segment: null }, line("Nothing."), line("release")];
  assert.deepEqual(found(lines, "Release"), ["release", "RELEASE", "release"]);
  assert.deepEqual(findMatches(lines, "the").map(({ from, to }) => [from, to]), [[0, 3], [13, 16]]);
});

test("matches do not overlap; no text finds nothing", () => {
  assert.equal(findMatches([line("aaaa")], "aa").length, 2);
  assert.deepEqual(findMatches([line("aaaa")], ""), []);
});

test("Chinese is found", () => {
  assert.deepEqual(found([line("我们决定下周一发布新版本。")], "发布"), ["发布"]);
});

test("a character whose lower case is longer moves no place, and the rest of its line is folded", () => {
  const lines = [line("İstanbul Release")];
  assert.deepEqual(findMatches(lines, "release").map(({ from, to }) => [from, to]), [[9, 16]]);
  assert.deepEqual(found(lines, "İSTANBUL"), ["İstanbul"]);
});
