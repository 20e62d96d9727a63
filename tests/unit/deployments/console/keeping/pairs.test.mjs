import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { given, pairsOf } = await load("keeping/pairs.js");

test("one pair a line; values keep their spaces and commas", () => {
  assert.deepEqual(pairsOf("matter=Doe v. Acme, 2026\n\n  kind=* \r\n"), ["matter=Doe v. Acme, 2026", "kind=*"]);
});

test("empty fields are not named in a request", () => {
  assert.deepEqual(given({ batch: "", external_id: "crm-1", metadata: [] }), { external_id: "crm-1" });
});
