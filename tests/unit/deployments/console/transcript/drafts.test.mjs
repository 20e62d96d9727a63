import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { Draft, draftFor } = await load("transcript/drafts.js");

const first = { id: 1, text: "Hello.", speaker: "Alice" };
const second = { id: 2, text: "Hi.", speaker: "Bob" };

test("corrections apply to their segments and are what the API takes", () => {
  const draft = new Draft();
  draft.change([[first, { text: "Good day." }]]);
  draft.change([[first, { speaker: "Ann" }], [second, { speaker: "Ann" }]]);
  assert.deepEqual(draft.apply(first), { id: 1, text: "Good day.", speaker: "Ann" });
  assert.deepEqual(draft.apply({ ...second, start_s: 3 }), { id: 2, text: "Hi.", speaker: "Ann", start_s: 3 });
  assert.deepEqual(draft.segments(), [{ id: 1, text: "Good day.", speaker: "Ann" }, { id: 2, speaker: "Ann" }]);
});

test("a change back to the saved text is none", () => {
  const draft = new Draft();
  draft.change([[first, { text: "Good day.", speaker: "Ann" }]]);
  draft.change([[first, { text: "Hello." }]]);
  assert.deepEqual(draft.segments(), [{ id: 1, speaker: "Ann" }]);
  draft.change([[first, { speaker: "Alice" }]]);
  assert.deepEqual([draft.size, draft.segments()], [0, []]);
});

test("undo takes back one step, whatever number of segments it changed", () => {
  const draft = new Draft();
  draft.change([[first, { text: "Good day." }]]);
  draft.change([[first, { speaker: "Ann" }], [second, { speaker: "Ann" }]]);
  draft.undo();
  assert.deepEqual(draft.segments(), [{ id: 1, text: "Good day." }]);
  draft.undo();
  assert.deepEqual([draft.size, draft.undoable], [0, false]);
  draft.undo();
});

test("every change is told; clearing forgets the steps as well", () => {
  const draft = new Draft();
  let nChanges = 0;
  draft.addEventListener("change", () => nChanges++);
  draft.change([[first, { text: "Good day." }]]);
  draft.clear();
  assert.deepEqual([nChanges, draft.size, draft.undoable], [2, 0, false]);
});

test("a job has one draft; the tab is not closed over an unsaved one", () => {
  assert.equal(draftFor("a"), draftFor("a"));
  const closes = () => dispatchEvent(new Event("beforeunload", { cancelable: true }));
  assert.equal(closes(), true);
  draftFor("b").change([[first, { text: "Good day." }]]);
  assert.equal(closes(), false);
  draftFor("b").clear();
  assert.equal(closes(), true);
});
