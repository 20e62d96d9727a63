import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { parseOptions, splitTerms } = await load("jobs/options_form.js");

const list = (maxItems, maxLength) => ({ type: "array", maxItems, items: { type: "string", maxLength } });
const SCHEMAS = {
  model: { type: "string" },
  language: { type: "string", default: null },
  languages: list(undefined, undefined),
  channels: { enum: ["mix", "split"], default: "mix" },
  speakers: list(16, 100),
  vocabulary: list(200, 100),
  minutes: { enum: ["auto", "none"], default: "auto", concern: "minutes" },
  minutes_language: { type: "string", default: null, concern: "minutes" },
  minutes_template: { type: "string", default: "", concern: "minutes" },
  priority: { type: "integer", default: 0 },
  word_timestamps: { type: "boolean", default: false },
};
const values = (own = {}) => ({ model: "mini-en", language: "", languages: [], channels: "mix", speakers: [], vocabulary: [], minutes: "auto", minutes_language: "zh", minutes_template: "classic", priority: "0", word_timestamps: true, ...own });
const parse = (own) => parseOptions(values(own), SCHEMAS);

test("terms stand between commas of either script, or on lines", () => {
  assert.deepEqual(splitTerms(" Ann, Bob，张伟、李娜\n, etcd "), ["Ann", "Bob", "张伟", "李娜", "etcd"]);
  assert.deepEqual(splitTerms(" ,， "), []);
});

test("empty fields are left out, ticks are text, lists are lists", () => {
  const { options, faults } = parse({ vocabulary: ["Kubernetes", "etcd"] });
  assert.deepEqual(faults, {});
  assert.deepEqual(options, {
    model: "mini-en",
    channels: "mix",
    minutes: "auto",
    minutes_language: "zh",
    minutes_template: "classic",
    priority: "0",
    word_timestamps: "true",
    languages: [],
    speakers: [],
    vocabulary: ["Kubernetes", "etcd"],
  });
});

test("without minutes there are no options of minutes", () => {
  const { options } = parse({ minutes: "none" });
  assert.deepEqual([options.minutes, options.minutes_language, options.minutes_template], ["none", undefined, undefined]);
});

test("what the API would refuse is a fault of its field", () => {
  const names = (n) => Array.from({ length: n }, (_, i) => `name ${i}`);
  const faultsOf = (own) => parse(own).faults;
  assert.deepEqual(faultsOf({ channels: "split", speakers: names(16) }), {});
  assert.deepEqual(faultsOf({ channels: "split", speakers: names(17) }), { speakers: ["tooMany", { n: 16 }] });
  assert.deepEqual(faultsOf({ vocabulary: names(201) }), { vocabulary: ["tooMany", { n: 200 }] });
  assert.deepEqual(faultsOf({ vocabulary: ["x".repeat(101)] }), { vocabulary: ["termTooLong", { term: `${"x".repeat(20)}…`, n: 100 }] });
  assert.deepEqual(faultsOf({ speakers: ["Ann", "Bob"] }), { speakers: ["speakersNeedSplit"] });
  assert.deepEqual(faultsOf({ speakers: ["Ann"] }), {});
  assert.deepEqual(faultsOf({ language: "en", languages: ["de", "fr"] }), { languages: ["languageNotAmong"] });
  assert.deepEqual(faultsOf({ language: "en", languages: ["de", "en"] }), {});
  assert.deepEqual(faultsOf({ language: "", languages: ["de", "fr"] }), {});
  assert.deepEqual(faultsOf({ language: "en", languages: [] }), {});
  assert.deepEqual(faultsOf({ speakers: ["Ann", "Bob"], track: "all" }), {});
});
