// Asks how minutes shall be written anew; nothing is transcribed again.

import { h } from "./dom.js";
import { languageName } from "./format.js";
import { choices, terms } from "./options_form.js";
import { named, t } from "./words.js";

/** Resolves to the wishes as the API takes them, or null. */
export async function minutesWishes(options) {
  const can = await choices();
  return new Promise((resolve) => {
    const field = (name, label, input, hint) => {
      input.id = `wish-${name}`;
      input.name = name;
      if (hint) input.setAttribute("aria-describedby", `wish-hint-${name}`);
      return h("div.field", {}, h("label", { for: input.id }, label), input, hint && h("small.dim", { id: `wish-hint-${name}` }, hint));
    };
    const select = (pairs, chosen) => h("select", {}, pairs.map(([value, label]) => h("option", { value, selected: value === chosen }, label)));
    const languages = can.languages.map((code) => [code, languageName(code)]).sort(([, a], [, b]) => a.localeCompare(b));
    const writers = can.minutes.filter((name) => name !== "none");
    const text = (value, maxlength) => h("input", { type: "text", value, maxlength, autocomplete: "off" });
    const form = h(
      "form.stack",
      { method: "dialog", onsubmit: (event) => (event.preventDefault(), dialog.close("yes")) },
      h("h2", { id: "wishes-title" }, t("writeAnew")),
      h("p.dim", {}, t("writeAnewWhy")),
      h(
        "div.options",
        {},
        field("minutes", t("writer"), select(writers.map((name) => [name, named("minutes", name)]), options.minutes)),
        field("minutes_template", t("template"), select([["", t("usualTemplate")], ...can.minutes_templates.map((name) => [name, name])], options.minutes_template)),
        field("minutes_language", t("minutesLanguage"), select([["", t("asTranscript")], ...languages], options.minutes_language ?? "")),
        field("minutes_title", t("minutesTitle"), text(options.minutes_title, 200)),
        field("glossary", t("glossary"), text(options.glossary.join(", "), 4000), t("commas")),
        field("recording_date", t("recordingDate"), h("input", { type: "date", value: options.recording_date ?? "" }), t("recordingDateHint")),
      ),
      h("div.row.end", {}, h("button", { type: "button", onclick: () => dialog.close("no") }, t("cancel")), h("button.primary", { type: "submit" }, t("writeAnew"))),
    );
    const dialog = h("dialog.wide", { "aria-labelledby": "wishes-title", onclose: () => (dialog.remove(), resolve(dialog.returnValue === "yes" ? wishes(form) : null)) }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** What stands in the form; a field that is empty is the job's own choice, but for texts, which may be emptied. */
function wishes(form) {
  const { minutes, minutes_template: template, minutes_language: language, minutes_title: title, glossary, recording_date: date } = form.elements;
  const given = { minutes: minutes.value, minutes_title: title.value.trim(), glossary: terms(glossary.value), minutes_template: template.value };
  if (language.value) given.minutes_language = language.value;
  if (date.value) given.recording_date = date.value;
  return given;
}
