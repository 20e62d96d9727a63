import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { load, SOURCES } from "../modules.mjs";

const { MESSAGES, setLanguage, t, tEnum } = await load("lib/i18n.js");

const placeholders = (message) => [...new Set(message.match(/\{\w+\}/g) ?? [])].sort();

function sources(folder = SOURCES) {
  return readdirSync(folder).flatMap((name) => {
    const path = new URL(name, folder);
    if (statSync(path).isDirectory()) return sources(new URL(`${name}/`, folder));
    return name.endsWith(".js") && name !== "i18n.js" ? [readFileSync(path, "utf8")] : [];
  });
}

test("each key has a message in each language, with the same placeholders", () => {
  for (const [key, messages] of Object.entries(MESSAGES)) {
    assert.equal(messages.length, 2, key);
    const [english, chinese] = messages;
    assert.ok(english.trim() && chinese.trim(), key);
    assert.deepEqual(placeholders(chinese), placeholders(english), key);
    assert.ok(english.split("|").length <= 2, key);
  }
});

test("each key that the code names exists", () => {
  for (const source of sources()) {
    for (const [, key] of source.matchAll(/\bt\("(\w+)"/g)) assert.ok(key in MESSAGES, key);
  }
});

test("each key is used: by name, as a value of an enumeration, as an option of a job, or as a note", () => {
  const options = readFileSync(new URL("../../../pipelines/jobs/options.py", SOURCES), "utf8");
  const code = sources().join("\n");
  const prefixes = [...code.matchAll(/\bt\(`(\w+)_\$\{|\btEnum\("(\w+)"/g)].map(([, template, name]) => template ?? name);
  const names = [...options.split("class JobOptions")[1].matchAll(/^    (\w+): /gm)].map(([, name]) => name);
  const isOption = (key) => names.some((name) => key === name || key.startsWith(`${name}_`));
  const codes = readFileSync(new URL("../../../pipelines/notes.py", SOURCES), "utf8");
  const isNote = (key) => key.startsWith("note_") && codes.includes(` = "${key.slice("note_".length)}"`);
  const isUsed = (key) => isNote(key) || code.includes(`"${key}"`) || isOption(key) || prefixes.some((prefix) => key.startsWith(`${prefix}_`));
  assert.deepEqual(Object.keys(MESSAGES).filter((key) => !isUsed(key)), []);
});

test("placeholders are filled, n selects singular or plural", () => {
  setLanguage("en");
  assert.equal(t("staged", { n: 1 }), "1 recording to send");
  assert.equal(t("staged", { n: 2 }), "2 recordings to send");
  assert.equal(t("sending", { n: 1, total: 3 }), "Sending 1 of 3");
  setLanguage("zh");
  assert.equal(t("staged", { n: 1 }), "待提交 1 个录音");
  assert.equal(document.documentElement.lang, "zh-CN");
  setLanguage("en");
});

test("an unknown key throws, an unknown value of an enumeration stays", () => {
  assert.throws(() => t("noSuchKey"), /noSuchKey/);
  assert.equal(tEnum("state", "queued"), "Waiting");
  assert.equal(tEnum("state", "of_a_later_version"), "of_a_later_version");
});
