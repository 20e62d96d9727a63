// `receipt.json` was signed by pipelines/keeping/signing.py (test_console_modules.py holds them together).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { verifyReceipt } = await load("keeping/receipt_check.js");

const receipt = () => JSON.parse(readFileSync(new URL("receipt.json", import.meta.url), "utf8"));
const outcomeOf = async (...given) => (await verifyReceipt(...given)).outcome;

test("a receipt is as it was signed, with letters that JSON in ASCII writes by number", async () => {
  const { public_key: key } = receipt().signature;
  assert.deepEqual(await verifyReceipt(receipt()), { outcome: "signed", key });
  assert.equal(await outcomeOf(receipt(), ` ${key}\n`), "trusted");
  assert.equal(await outcomeOf(receipt(), key.replace(/^./, "x")), "other");
});

test("the order of its fields does not matter, each of their values does", async () => {
  const reversed = Object.fromEntries(Object.entries(receipt()).reverse());
  assert.equal(await outcomeOf(reversed), "signed");
  assert.equal(await outcomeOf({ ...receipt(), gone: false }), "changed");
  assert.equal(await outcomeOf({ ...receipt(), blobs: [] }), "changed");
  assert.equal(await outcomeOf({ ...receipt(), more: 1 }), "changed");
});

test("what cannot be verified is said to be so", async () => {
  assert.equal(await outcomeOf({ ...receipt(), signature: null }), "unsigned");
  assert.equal(await outcomeOf({ ...receipt(), signature: { algorithm: "Ed25519", public_key: "?", value: "?" } }), "unreadable");
  assert.equal(await outcomeOf({ ...receipt(), format: "another" }), "unreadable");
  assert.equal(await outcomeOf(null), "unreadable");
  assert.equal(await outcomeOf(receipt(), "", null), "unable");
});
