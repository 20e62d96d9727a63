// A dialog that asks which stage of a job is done again, with which options; it tells first what that takes.

import { jobPath, requestJson } from "../lib/api.js";
import { debounce, fill, h } from "../lib/dom.js";
import { duration, errorMessage } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { estimateText } from "../jobs/estimate.js";
import { optionField, optionValue, readChoices } from "../jobs/options_form.js";

const SETTLED_MS = 300;

/** Ask; resolves to the body of the API's request, or null. */
export async function askRedo(job) {
  const { stages, options: schemas } = await readChoices();
  const fields = h("div.options");
  const takes = h("p.dim", { "aria-live": "polite", data: { part: "takes" } });
  let initial = {};
  let asked = 0;

  const chosen = () => form.elements.stage.value;
  const values = () => Object.fromEntries(stages[chosen()].filter((name) => form.elements[name]).map((name) => [name, optionValue(form.elements[name], schemas[name])]));
  const body = () => ({ stage: chosen(), ...changedValues(values(), initial, schemas) });

  const tell = debounce(SETTLED_MS, async () => {
    const mine = ++asked;
    let told;
    try {
      told = redoText(await requestJson(jobPath(job.id, "redo"), { method: "POST", json: { ...body(), dry_run: true } }));
    } catch (error) {
      told = { text: errorMessage(error), refused: error.status >= 400 && error.status < 500 };
    }
    if (mine !== asked) return; // something else was chosen meanwhile
    fill(takes, told.text);
    submit.disabled = told.refused;
  });
  const choose = () => {
    fill(takes);
    submit.disabled = true; // until it is told what it takes
    fill(fields, stages[chosen()].filter((name) => schemas[name]).map((name) => optionField(name, schemas[name], job.options[name] ?? "", { prefix: "redo-option" })));
    initial = values();
    tell();
  };

  const names = Object.keys(stages);
  const choice = (name) =>
    h("div.field.check", {}, h("input", { type: "radio", name: "stage", value: name, id: `redo-${name}`, checked: name === names[0], "aria-describedby": `redo-why-${name}`, onchange: choose }), h("div", {}, h("label", { for: `redo-${name}` }, t(`stage_${name}`)), h("small.dim", { id: `redo-why-${name}` }, t(`stage_${name}_why`))));
  const submit = h("button.primary", { type: "submit" }, t("doAgain"));
  const form = h(
    "form.stack",
    { method: "dialog", oninput: (event) => event.target.name !== "stage" && tell(), onsubmit: (event) => (event.preventDefault(), dialog.close("yes")) },
    h("h2", { id: "redo-title" }, t("doAgainTitle")),
    h("p.dim", {}, t("doAgainWhy")),
    h("fieldset.stack", {}, h("legend", {}, t("stage")), names.map(choice)),
    fields,
    takes,
    h("div.row.end", {}, h("button", { type: "button", onclick: () => dialog.close("no") }, t("cancel")), submit),
  );
  const dialog = h("dialog.wide", { "aria-labelledby": "redo-title" }, form);
  document.body.append(dialog);
  dialog.showModal();
  choose();
  return new Promise((resolve) => dialog.addEventListener("close", () => (asked++, dialog.remove(), resolve(dialog.returnValue === "yes" ? body() : null))));
}

/** Return the values that differ from those that were shown first, as JSON has them: the rest stays the job's. */
export function changedValues(values, initial, schemas) {
  const changed = Object.entries(values).filter(([name, value]) => String(value) !== String(initial[name]));
  return Object.fromEntries(changed.map(([name, value]) => [name, asJson(value, schemas[name])]));
}

/** A text that is emptied is empty; a choice that is emptied is the server's. */
function asJson(value, { type, default: standard }) {
  if (value === "") return typeof standard === "string" ? "" : null;
  return ["integer", "number"].includes(type) ? Number(value) : value;
}

/** Say a dry run in words, and whether the stage is refused. */
export function redoText({ jobs: [job], decoded, n_minutes: nMinutes }) {
  if (job.reason) return { text: job.reason === "audio_gone" ? t("redoAudioGone") : job.detail, refused: true };
  const work = { decode: () => estimateText(decoded, 0), hear: () => t("redoHears", { length: duration(job.audio_s) }), none: () => t("redoNoAudio") }[job.work]();
  return { text: [work, nMinutes > 0 && t("redoMinutes")].filter(Boolean).join(" · "), refused: false };
}
