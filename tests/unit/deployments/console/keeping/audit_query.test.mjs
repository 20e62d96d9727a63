import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { auditQuery, knownHead } = await load("keeping/audit_query.js");
const { sectionsFor } = await load("keeping/keeping_page.js");

test("days become moments of the user's clock, and the last day is within", () => {
  const query = auditQuery(new URLSearchParams({ action: "read", actor: " ", from: "2026-10-31", to: "2026-12-31" }));
  assert.deepEqual(Object.fromEntries(query), {
    action: "read",
    after: new Date(2026, 9, 31).toISOString(),
    before: new Date(2027, 0, 1).toISOString(),
  });
});

test("what is no day is left out", () => {
  assert.equal(auditQuery(new URLSearchParams({ from: "yesterday", to: "2026-1-1" })).size, 0);
});

test("a note is a number and a digest", () => {
  const digest = "0f".repeat(32);
  assert.deepEqual(knownHead(` 120:${digest} `), { seq: "120", digest });
  for (const wrong of ["", "120", `120:${digest}0`, `-1:${digest}`, `120:${digest.toUpperCase()}`]) assert.equal(knownHead(wrong), null);
});

test("each section is for who has its scope", () => {
  const having = (...scopes) => sectionsFor({ may: (scope) => scopes.includes(scope) });
  assert.deepEqual(having("jobs:read"), ["holds", "receipts", "export"]);
  assert.deepEqual(having("jobs:read", "admin"), ["audit", "holds", "receipts", "export"]);
  assert.deepEqual(having("metrics"), []);
});
