// A dialog that asks how minutes are to be written again; nothing is transcribed again.

import { h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { optionField, optionValue, readChoices } from "../jobs/options_form.js";

/** Ask with the job's options as defaults; resolves to the body of the API's request, or null. */
export async function askMinutesOverrides(options) {
  const choices = await readChoices();
  const schemas = Object.fromEntries(Object.entries(choices.options).filter(([, schema]) => schema.concern === "minutes"));
  schemas.minutes = { ...schemas.minutes, enum: schemas.minutes.enum.filter((name) => name !== "none") };
  const labels = { minutes: t("writer") };
  return new Promise((resolve) => {
    const form = h(
      "form.stack",
      { method: "dialog", onsubmit: (event) => (event.preventDefault(), dialog.close("yes")) },
      h("h2", { id: "minutes-title" }, t("writeAnew")),
      h("p.dim", {}, t("writeAnewWhy")),
      h("div.options", {}, Object.entries(schemas).map(([name, schema]) => optionField(name, schema, options[name] ?? "", { prefix: "minutes-option", label: labels[name] }))),
      h("div.row.end", {}, h("button", { type: "button", onclick: () => dialog.close("no") }, t("cancel")), h("button.primary", { type: "submit" }, t("writeAnew"))),
    );
    const dialog = h("dialog.wide", { "aria-labelledby": "minutes-title", onclose: () => (dialog.remove(), resolve(dialog.returnValue === "yes" ? readOverrides(form, schemas) : null)) }, form);
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Read the form; an empty choice is left out (the job's option holds), an empty text empties it. */
function readOverrides(form, schemas) {
  const values = Object.entries(schemas).map(([name, schema]) => [name, optionValue(form.elements[name], schema)]);
  return Object.fromEntries(values.filter(([name, value]) => value !== "" || schemas[name].default !== null));
}
