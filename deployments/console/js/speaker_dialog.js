// Asks who speaks: in this passage, or in all of the same speaker.

import { h } from "./dom.js";
import { t } from "./words.js";

/** Resolves to {name, everywhere}, or null where nothing changes. */
export function nameSpeaker(now, known) {
  return new Promise((resolve) => {
    const input = h("input", { type: "text", id: "speaker-name", maxlength: 100, list: "speakers-known", autocomplete: "off", value: now, autofocus: true });
    const everywhere = h("input", { type: "checkbox", id: "speaker-everywhere", checked: true });
    const done = () => {
      dialog.remove();
      const name = input.value.trim();
      const changed = dialog.returnValue === "yes" && name !== now && (name || now);
      resolve(changed ? { name, everywhere: everywhere.checked } : null);
    };
    const dialog = h(
      "dialog",
      { "aria-labelledby": "speaker-title", onclose: done },
      h(
        "form.stack",
        { method: "dialog", onsubmit: (event) => (event.preventDefault(), dialog.close("yes")) },
        h("h2", { id: "speaker-title" }, t("whoSpeaks")),
        h("div.field", {}, h("label", { for: "speaker-name" }, t("name")), input, h("datalist", { id: "speakers-known" }, known.filter(Boolean).map((value) => h("option", { value })))),
        h("div.field.check", {}, everywhere, h("label", { for: "speaker-everywhere" }, now ? t("allOf", { name: now }) : t("allUnnamed"))),
        h("div.row.end", {}, h("button", { type: "button", onclick: () => dialog.close("no") }, t("cancel")), h("button.primary", { type: "submit" }, t("rename"))),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
    input.select();
  });
}
