// Who uses the console: what is hidden, and that nothing is where the server did not say.

import assert from "node:assert/strict";
import { test } from "node:test";
import "../browser.mjs";
import { SOURCES } from "../modules.mjs";

const { Account } = await import(new URL("lib/account.js", SOURCES));

const reading = async (read) => {
  const account = new Account({ read });
  await account.load();
  return account;
};

test("what a role has is shown, the rest is hidden", async () => {
  const account = await reading(async () => ({ via: "session", scopes: ["jobs:read"] }));
  assert.equal(account.may("jobs:read"), true);
  assert.equal(account.may("jobs:write"), false);
  assert.equal(account.isPerson, true);
});

test("nothing is hidden before the server said who it is, or where it cannot", async () => {
  const unasked = new Account({ read: assert.fail });
  const failed = await reading(async () => Promise.reject(new Error("503")));
  for (const account of [unasked, failed]) {
    assert.equal(account.may("admin"), true);
    assert.equal(account.isPerson, false);
  }
});

test("a key is no person, and who signed out is nobody", async () => {
  const account = await reading(async () => ({ via: "credential", scopes: ["jobs:read"] }));
  assert.equal(account.isPerson, false);
  account.forget();
  assert.equal(account.may("jobs:write"), true);
});
