// Short messages at the edge of the page, and questions before something cannot be undone.

import { h, icon } from "./dom.js";
import { t } from "./words.js";
import { trouble } from "./format.js";

const STAY_MS = 6000;

export function notice(text, kind = "info") {
  const box = h(`div.notice.${kind}`, {}, icon(kind === "error" ? "warning" : "check"), h("span", {}, text));
  box.append(h("button.bare", { type: "button", "aria-label": t("close"), onclick: () => box.remove() }, icon("close")));
  document.getElementById("notices").append(box);
  if (kind !== "error") setTimeout(() => box.remove(), STAY_MS);
  return box;
}

/** Runs what a button does; a trouble becomes a notice. */
export async function trying(action) {
  try {
    return await action();
  } catch (error) {
    if (error.status !== 401) notice(trouble(error), "error");
    return undefined;
  }
}

/** What a button does, one click at a time: until it is done, the button is busy and further clicks count for nothing. */
export function once(action) {
  let busy = false;
  return async ({ currentTarget: button }) => {
    if (busy) return;
    busy = true;
    button.setAttribute("aria-busy", "true");
    await trying(action);
    button.removeAttribute("aria-busy");
    busy = false;
  };
}

/** Asks before something is done; resolves to whether it shall be. */
export function sure(question, yes, no = t("keep")) {
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
