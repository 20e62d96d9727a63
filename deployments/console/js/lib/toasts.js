// Short messages at the edge of the page, and confirmation dialogs.

import { h, icon } from "./dom.js";
import { errorMessage } from "./format.js";
import { t } from "./i18n.js";

const TOAST_MS = 6000;

/** Show a message; an error stays until it is closed. */
export function toast(text, kind = "info") {
  const box = h(`div.toast.${kind}`, {}, icon(kind === "error" ? "warning" : "check"), h("span", {}, text));
  box.append(h("button.bare", { type: "button", "aria-label": t("close"), onclick: () => box.remove() }, icon("close")));
  document.getElementById("toasts").append(box);
  if (kind !== "error") setTimeout(() => box.remove(), TOAST_MS);
}

/** Run an action and return its value; an error becomes a toast and undefined. */
export async function withErrorToast(action) {
  try {
    return await action();
  } catch (error) {
    if (error.status !== 401) toast(errorMessage(error), "error");
    return undefined;
  }
}

/** Ask a question; resolves to whether it was confirmed. */
export function confirmDialog(question, yes, no = t("keep")) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog.question",
      { "aria-labelledby": "question", onclose: () => (dialog.remove(), resolve(dialog.returnValue === "yes")) },
      h("p", { id: "question" }, question),
      h(
        "div.row.end",
        {},
        h("button", { type: "button", autofocus: true, onclick: () => dialog.close("no") }, no),
        h("button.danger", { type: "button", onclick: () => dialog.close("yes") }, yes),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
