import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { checkFile } = await load("jobs/submission.js");

const CHOICES = { max_upload_bytes: 2_000_000 };
const file = (own = {}) => ({ name: "talk.mp3", size: 1000, type: "audio/mpeg", lastModified: 1, ...own });

test("recordings of known and unknown types are good", () => {
  for (const type of ["audio/mpeg", "video/mp4", "application/ogg", ""]) assert.equal(checkFile(file({ type }), CHOICES, []), null);
});

test("empty, too large, no recording, chosen twice", () => {
  assert.deepEqual(checkFile(file({ size: 0 }), CHOICES, []), ["empty"]);
  assert.deepEqual(checkFile(file({ size: 2_000_001 }), CHOICES, []), ["tooLarge", { size: "2 MB" }]);
  for (const type of ["text/plain", "image/png", "application/pdf", "application/vnd.ms-excel"]) {
    assert.deepEqual(checkFile(file({ type }), CHOICES, []), ["notAudio", { kind: type }]);
  }
  assert.deepEqual(checkFile(file(), CHOICES, [file()]), ["twice"]);
  assert.equal(checkFile(file(), CHOICES, [file({ lastModified: 2 })]), null);
});
