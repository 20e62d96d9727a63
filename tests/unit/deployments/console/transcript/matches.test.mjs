import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { asHeard } = await load("transcript/matches.js");

test("what was heard takes the term's place again, and no other's", () => {
  assert.equal(asHeard("Smith and Smith.", { at: 10, term: "Smith", heard: "Smyth" }), "Smith and Smyth.");
});

test("places are counted in characters, also behind those beyond the Basic Multilingual Plane", () => {
  assert.equal(asHeard("𠮷 𠮷张伟?", { at: 3, term: "张伟", heard: "脏伟" }), "𠮷 𠮷脏伟?");
});
