// The options of the recordings being submitted: a form made of the schemas that the server gives, and its check.

import { get } from "../lib/api.js";
import { fill, h, icon } from "../lib/dom.js";
import { languageName, nameLanguages } from "../lib/format.js";
import { t, tEnum, tOr } from "../lib/i18n.js";
import { preferences } from "../lib/session.js";
import { submission } from "./submission.js";

const FIRST = ["model", "language", "channels", "speakers", "diarize", "vocabulary", "priority", "priority_class", "minutes", "minutes_language", "minutes_template", "word_timestamps", "keep_audio"]; // the others are folded away
const DEFAULTS = { word_timestamps: true, keep_audio: true }; // the console's own, where they differ from the API's
const OF_SOURCES = ["source_patience_s"]; // options of recordings that are fetched: the console sends files
const PRESETS = { priority: [-10, 0, 10], track: ["all", 1, 2, 3, 4, 5, 6], diarize: ["off", "auto", 2, 3, 4, 5, 6, 7, 8] };
const MAX_TEXT_LENGTH = 4000;

let pendingChoices = null; // read once per page load

/** Read what a job may choose on this server. */
export function readChoices() {
  pendingChoices ??= get("/v1/choices").then(
    (choices) => (nameLanguages(choices.language_names), choices),
    (error) => {
      pendingChoices = null;
      throw error;
    },
  );
  return pendingChoices;
}

/** Split a list of terms at commas, western or Chinese, and line ends. */
export const splitTerms = (text) => text.split(/[,，、\n]/).map((term) => term.trim()).filter(Boolean);

/** Return pairs of value and label; "" stands for a default that is none of them; null where anything may be written. */
function choicesOf(name, schema) {
  const offered = schema.items?.enum ?? schema.enum ?? schema.examples ?? PRESETS[name] ?? (schema.type === "boolean" && schema.default === null ? [true, false] : null);
  if (!offered) return null;
  const isLanguage = /languages?$/.test(name);
  const pairs = offered.map((choice) => [String(choice), isLanguage ? languageName(choice) : tEnum(name, String(choice))]);
  if (isLanguage) pairs.sort(([, a], [, b]) => a.localeCompare(b));
  return schema.type === "array" || offered.includes(schema.default) ? pairs : [["", tOr(`${name}_`, "")], ...pairs];
}

const isNumber = (name, schema) => !choicesOf(name, schema) && ["integer", "number"].includes(schema.type);

function inputFor(name, schema, value) {
  const pairs = choicesOf(name, schema);
  if (pairs) {
    const chosen = [value].flat().map(String);
    return h("select", { multiple: schema.type === "array" }, pairs.map(([choice, label]) => h("option", { value: choice, selected: chosen.includes(choice) }, label)));
  }
  if (schema.type === "boolean") return h("input", { type: "checkbox", checked: value });
  const type = { date: "date", "date-time": "datetime-local", integer: "number", number: "number" }[schema.format ?? schema.type] ?? "text";
  const bounds = { min: schema.minimum, max: schema.maximum, step: schema.type === "number" && "any", placeholder: type === "number" && schema.default };
  return h("input", { type, ...bounds, maxlength: type === "text" && Math.min(schema.maxLength ?? MAX_TEXT_LENGTH, MAX_TEXT_LENGTH), autocomplete: "off", value: [value].flat().join(", ") });
}

/** Build a labelled input for an option, by its JSON schema. */
export function optionField(name, schema, value, { prefix = "option", label = tOr(name, name.replaceAll("_", " ")) } = {}) {
  const input = inputFor(name, schema, value);
  input.id = `${prefix}-${name}`;
  input.name = name;
  const text = tOr(`${name}_hint`, tOr(name, null) ? null : schema.description);
  const hint = text && h("small.dim", { id: `${prefix}-hint-${name}` }, text);
  const fault = h("small.fault", { id: `${prefix}-fault-${name}`, role: "alert" });
  input.setAttribute("aria-describedby", [hint?.id, fault.id].filter(Boolean).join(" "));
  const title = h("label", { for: input.id }, label);
  return input.type === "checkbox" ? h("div.field.check", {}, input, h("div", {}, title, hint, fault)) : h("div.field", {}, title, input, hint, fault);
}

/** Read an input as the API takes it; "" and empty lists are the default. */
export function optionValue(input, schema) {
  if (input.multiple) return [...input.selectedOptions].map((option) => option.value);
  if (input.type === "checkbox") return input.checked;
  if (schema.type === "array") return splitTerms(input.value);
  return input.type === "datetime-local" && input.value ? new Date(input.value).toISOString() : input.value.trim();
}

/** Build the form: `{ element, read }`; `read()` returns the API's options, or null after showing what is wrong. */
export function optionsForm({ options }, onChange = () => {}) {
  const schemas = Object.fromEntries(Object.entries(options).filter(([name]) => !OF_SOURCES.includes(name)));
  const remembered = submission.values ?? JSON.parse(preferences.get("options", "{}"));
  const names = Object.keys(schemas);
  const folded = names.filter((name) => !FIRST.includes(name));
  const standard = (name) => DEFAULTS[name] ?? (isNumber(name, schemas[name]) ? "" : schemas[name].default ?? "");
  const value = (name) => {
    const pairs = choicesOf(name, schemas[name]);
    const isGone = pairs && ![remembered[name]].flat().every((choice) => pairs.some(([offered]) => offered === String(choice)));
    return isGone ? standard(name) : remembered[name] ?? standard(name);
  };
  const field = (name) => optionField(name, schemas[name], value(name));
  const element = h(
    "form.options",
    { onsubmit: (event) => event.preventDefault(), oninput: () => ((submission.values = readInputs(element)), onChange()) },
    FIRST.filter((name) => names.includes(name)).map(field),
    h("details.more", { open: folded.some((name) => String(value(name)) !== String(standard(name))) }, h("summary", {}, t("moreOptions")), h("div.options", {}, folded.map(field))),
  );
  return { element, read: () => readOptions(element, schemas) };
}

/** Read the inputs as they are shown, to show them again. */
function readInputs(form) {
  const shown = (input) => (input.multiple ? optionValue(input, {}) : input.type === "checkbox" ? input.checked : input.value.trim());
  return Object.fromEntries([...form.elements].filter((input) => input.name).map((input) => [input.name, shown(input)]));
}

function readOptions(form, schemas) {
  const values = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, optionValue(form.elements[name], schema)]));
  const { options, faults } = parseOptions(values, schemas);
  let first = null;
  for (const name of Object.keys(schemas)) {
    const input = form.elements[name];
    const message = faults[name] ? t(...faults[name]) : input.validationMessage;
    fill(form.querySelector(`#option-fault-${name}`), message ? [icon("warning"), message] : null);
    input.setAttribute("aria-invalid", String(Boolean(message)));
    if (message) first ??= input;
  }
  if (first) {
    first.closest("details")?.setAttribute("open", "");
    return void first.focus();
  }
  const choosable = [...form.elements].filter((input) => input.name && (input.type === "checkbox" || input.type.startsWith("select")));
  const shown = readInputs(form);
  preferences.set("options", JSON.stringify(Object.fromEntries(choosable.map(({ name }) => [name, shown[name]]))));
  return options;
}

/** Turn values of the form into the API's options; `faults` are arguments of `t` by option. Empty texts are left out. */
export function parseOptions(values, schemas) {
  const options = {};
  const faults = {};
  for (const [name, schema] of Object.entries(schemas)) {
    const value = values[name];
    if (value !== "") options[name] = Array.isArray(value) ? value : String(value);
    const fault = faultOfList(value, schema);
    if (fault) faults[name] = fault;
  }
  if (!faults.speakers && values.speakers?.length > 1 && values.channels !== "split" && values.track !== "all") faults.speakers = ["speakersNeedSplit"];
  const onlyChannelIsNamed = values.speakers?.length && values.channels !== "split" && values.track !== "all";
  if (onlyChannelIsNamed && values.diarize && values.diarize !== "off") faults.speakers ??= ["namesOrVoices"];
  if (values.language && values.languages?.length && !values.languages.includes(values.language)) faults.languages ??= ["languageNotAmong"];
  if (options.minutes === "none") {
    for (const name of Object.keys(options)) if (name !== "minutes" && schemas[name].concern === "minutes") delete options[name];
  }
  return { options, faults };
}

function faultOfList(value, schema) {
  if (!Array.isArray(value)) return null;
  if (value.length > schema.maxItems) return ["tooMany", { n: schema.maxItems }];
  const long = value.find((term) => term.length > (schema.items.maxLength ?? Infinity));
  return long ? ["termTooLong", { term: `${long.slice(0, 20)}…`, n: schema.items.maxLength }] : null;
}
