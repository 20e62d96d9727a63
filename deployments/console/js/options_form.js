// The options of recordings that are about to be sent, and whether what was filled in can be.

import { get } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { languageName } from "./format.js";
import { submission } from "./drafts.js";
import { tastes } from "./session.js";
import { named, t } from "./words.js";

const REMEMBERED = ["model", "language", "channels", "minutes", "minutes_language", "minutes_template", "priority", "word_timestamps", "keep_audio"];
const LISTS = { speakers: 16, vocabulary: 200 }; // how many the API takes
const MAX_TERM = 100;
const LABELS = {
  model: "model",
  language: "language",
  channels: "channels",
  speakers: "speakers",
  vocabulary: "vocabulary",
  minutes: "minutes",
  minutes_language: "minutesLanguage",
  minutes_template: "template",
  priority: "priority",
};

let asked = null; // once a page load

/** What this server offers. */
export function choices() {
  asked ??= get("/v1/choices").catch((error) => {
    asked = null;
    throw error;
  });
  return asked;
}

/** Names between commas, western or Chinese, or on lines of their own. */
export const terms = (text) => text.split(/[,，、\n]/).map((term) => term.trim()).filter(Boolean);

export function optionsForm(can) {
  const remembered = submission.values ?? JSON.parse(tastes.get("options", "{}"));
  const field = (name, input, hint) => {
    input.id = `option-${name}`;
    input.name = name;
    const note = hint && h("small.dim", { id: `hint-${name}` }, hint);
    const fault = h("small.fault", { id: `fault-${name}`, role: "alert" });
    input.setAttribute("aria-describedby", [note?.id, fault.id].filter(Boolean).join(" "));
    return h("div.field", {}, h("label", { for: input.id }, t(LABELS[name])), input, note, fault);
  };
  const select = (name, pairs, standard) => {
    const chosen = pairs.some(([value]) => value === remembered[name]) ? remembered[name] : standard;
    return field(name, h("select", {}, pairs.map(([value, label]) => h("option", { value, selected: value === chosen }, label))));
  };
  const check = (name, label, hint, standard = true) => {
    const id = `option-${name}`;
    const box = h("input", { type: "checkbox", id, name, checked: remembered[name] ?? standard });
    return h("div.field.check", {}, box, h("div", {}, h("label", { for: id }, label), hint && h("small.dim", {}, hint)));
  };
  const text = (name, hint) => field(name, h("input", { type: "text", maxlength: 4000, autocomplete: "off", value: submission.values?.[name] ?? "" }), hint);
  const languages = can.languages.map((code) => [code, languageName(code)]).sort(([, a], [, b]) => a.localeCompare(b));
  const keep = () => (submission.values = read(element));
  const element = h(
    "form.options",
    { onsubmit: (event) => event.preventDefault(), oninput: keep },
    select("model", can.models.map((name) => [name, name]), can.default_model),
    select("language", [["", t("detected")], ...languages], ""),
    select("channels", ["mix", "split"].map((name) => [name, t(`channels_${name}`)]), "mix"),
    text("speakers", t("speakersHint")),
    text("vocabulary", t("vocabularyHint")),
    select("priority", [["-10", t("priority_low")], ["0", t("priority_normal")], ["10", t("priority_high")]], "0"),
    select("minutes", can.minutes.map((name) => [name, named("minutes", name)]), "auto"),
    select("minutes_language", [["", t("asTranscript")], ...languages], ""),
    select("minutes_template", [["", t("usualTemplate")], ...can.minutes_templates.map((name) => [name, name])], ""),
    check("word_timestamps", t("wordTimes")),
    can.keeps_audio && check("keep_audio", t("keepAudio"), t("keepAudioHint")),
  );
  return { element, values: () => valuesOf(element) };
}

function read(form) {
  return Object.fromEntries([...form.elements].filter((input) => input.name).map((input) => [input.name, input.type === "checkbox" ? input.checked : input.value.trim()]));
}

/** The options as the API takes them, null where something cannot be sent: what stands on its default is left out. */
function valuesOf(form) {
  const given = read(form);
  let fault = null;
  const complain = (name, words) => {
    fill(form.querySelector(`#fault-${name}`), words && [icon("warning"), words]);
    form.elements[name].setAttribute("aria-invalid", String(Boolean(words)));
    if (words) fault ??= form.elements[name];
  };
  const values = {};
  for (const [name, value] of Object.entries(given)) {
    if (!(name in LISTS) && value !== "") values[name] = String(value);
  }
  for (const [name, most] of Object.entries(LISTS)) {
    values[name] = terms(given[name]);
    const long = values[name].find((term) => term.length > MAX_TERM);
    complain(name, values[name].length > most ? t("tooMany", { n: most }) : long && t("termTooLong", { term: `${long.slice(0, 20)}…` }));
  }
  if (!fault && values.speakers.length > 1 && given.channels !== "split") complain("speakers", t("speakersNeedSplit"));
  if (fault) return void fault.focus();
  tastes.set("options", JSON.stringify(Object.fromEntries(REMEMBERED.filter((name) => name in given).map((name) => [name, given[name]]))));
  if (values.minutes === "none") {
    delete values.minutes_language;
    delete values.minutes_template;
  }
  return values;
}
