// A dialog that renames a speaker, in one segment or in all of theirs.

import { h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";

/** Ask for a name; resolves to `{ name, everywhere }`, or null where nothing changes. */
export function askSpeakerName(current, known) {
  return new Promise((resolve) => {
    const input = h("input", { type: "text", id: "speaker-name", maxlength: 100, list: "speakers-known", autocomplete: "off", value: current, autofocus: true });
    const everywhere = h("input", { type: "checkbox", id: "speaker-everywhere", checked: true });
    const close = () => {
      dialog.remove();
      const name = input.value.trim();
      const changed = dialog.returnValue === "yes" && name !== current && (name || current);
      resolve(changed ? { name, everywhere: everywhere.checked } : null);
    };
    const dialog = h(
      "dialog",
      { "aria-labelledby": "speaker-title", onclose: close },
      h(
        "form.stack",
        { method: "dialog", onsubmit: (event) => (event.preventDefault(), dialog.close("yes")) },
        h("h2", { id: "speaker-title" }, t("whoSpeaks")),
        h("div.field", {}, h("label", { for: "speaker-name" }, t("name")), input, h("datalist", { id: "speakers-known" }, known.filter(Boolean).map((value) => h("option", { value })))),
        h("div.field.check", {}, everywhere, h("label", { for: "speaker-everywhere" }, current ? t("allOf", { name: current }) : t("allUnnamed"))),
        h("div.row.end", {}, h("button", { type: "button", onclick: () => dialog.close("no") }, t("cancel")), h("button.primary", { type: "submit" }, t("rename"))),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
    input.select();
  });
}
