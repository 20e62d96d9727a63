import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const format = await load("lib/format.js");
const { setLanguage } = await load("lib/i18n.js");

test("a position has hours only when it needs them", () => {
  assert.equal(format.clock(0), "0:00");
  assert.equal(format.clock(65.9), "1:05");
  assert.equal(format.clock(3599.99), "59:59");
  assert.equal(format.clock(3723), "1:02:03");
  assert.equal(format.clock(-1), "0:00");
});

test("a duration has its two largest units", () => {
  assert.equal(format.duration(59), "59s");
  assert.equal(format.duration(59.6), "1m 0s");
  assert.equal(format.duration(3725), "1h 2m");
});

test("sizes are decimal, with a digit from megabytes on", () => {
  assert.equal(format.size(0), "0 byte");
  assert.equal(format.size(999), "999 byte");
  assert.equal(format.size(1500), "2 kB");
  assert.equal(format.size(1_550_000), "1.6 MB");
  assert.equal(format.size(5e13), "50,000 GB");
});

test("a timestamp of today shows the time only", () => {
  const now = new Date();
  assert.match(format.shortDateTime(now.toISOString()), /^\d\d:\d\d$/);
  assert.match(format.shortDateTime("2001-02-03T04:05:06Z"), /2001/);
});

test("languages have names, codes that are none stay", () => {
  assert.equal(format.languageName("de"), "German");
  assert.equal(format.languageName(""), "");
  assert.equal(format.languageName("not a code"), "not a code");
  setLanguage("zh");
  assert.equal(format.languageName("de"), "德语");
  setLanguage("en");
});

test("names of languages that the server gives go first: browsers leave out rare ones", () => {
  format.nameLanguages({ ba: { en: "Bashkir", zh: "巴什基尔语" } });
  assert.equal(format.languageName("ba"), "Bashkir");
  assert.equal(format.languageName("de"), "German");
  setLanguage("zh");
  assert.equal(format.languageName("ba"), "巴什基尔语");
  setLanguage("en");
  format.nameLanguages(undefined);
});

test("an unreachable server has a message in the chosen language, other errors their own", () => {
  assert.equal(format.errorMessage({ reason: "unreachable", message: "Failed to fetch" }), "The server does not answer.");
  assert.equal(format.errorMessage({ reason: "ledger_unavailable", message: "The ledger is away." }), "The ledger is away.");
});
