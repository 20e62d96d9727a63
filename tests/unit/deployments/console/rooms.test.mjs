// The folders of the console import one way: lib ← search; lib ← review; lib ← keeping; lib ← jobs ← transcript, admin; all of them ← app.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { SOURCES } from "./modules.mjs";

const MAY_IMPORT = { lib: ["lib"], search: ["lib"], review: ["lib", "review"], keeping: ["lib", "keeping"], jobs: ["lib", "jobs"], transcript: ["lib", "jobs", "transcript"], admin: ["lib", "jobs", "admin"] };

for (const [room, allowed] of Object.entries(MAY_IMPORT)) {
  test(`${room} imports ${allowed.join(", ")} only`, () => {
    const folder = new URL(`${room}/`, SOURCES);
    for (const file of readdirSync(folder)) {
      const imports = [...readFileSync(new URL(file, folder), "utf8").matchAll(/from "([^"]+)"/g)];
      for (const [, path] of imports) {
        const target = new URL(path, new URL(file, folder)).href.slice(SOURCES.href.length).split("/")[0];
        assert.ok(allowed.includes(target), `${room}/${file} imports ${path}`);
      }
    }
  });
}
