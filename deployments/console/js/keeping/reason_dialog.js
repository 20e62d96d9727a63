// A dialog that asks for the reason of something that stays on record.

import { h } from "../lib/dom.js";
import { t } from "../lib/i18n.js";

/** Ask; resolves to the reason, or null where it was cancelled. */
export function askReason(title, hint, yes) {
  return new Promise((resolve) => {
    const reason = h("input", { type: "text", id: "reason-text", maxlength: 500, required: true, autofocus: true, autocomplete: "off" });
    const close = () => (dialog.remove(), resolve(dialog.returnValue === "yes" ? reason.value.trim() : null));
    const dialog = h(
      "dialog",
      { "aria-labelledby": "reason-title", onclose: close },
      h(
        "form.stack",
        { method: "dialog", onsubmit: (event) => (event.preventDefault(), reason.value.trim() && dialog.close("yes")) },
        h("h2", { id: "reason-title" }, title),
        h("p.dim", {}, hint),
        h("div.field", {}, h("label", { for: "reason-text" }, t("holdReason")), reason),
        h("div.row.end", {}, h("button", { type: "button", onclick: () => dialog.close("no") }, t("cancel")), h("button.primary", { type: "submit" }, yes)),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
