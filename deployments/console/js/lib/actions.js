// Buttons that send requests: each action runs once at a time, also when its button is drawn again meanwhile.

import { h } from "./dom.js";
import { withErrorToast } from "./toasts.js";

const running = new Map(); // key of an action in flight → its buttons

/**
 * Build a button that calls `run`; while that is in flight, all buttons of the same `key` are disabled.
 *
 * They are marked by `aria-disabled`: a button with `disabled` would lose the keyboard's focus.
 */
export function actionButton(name, { key, run, data, ...props }, ...children) {
  const button = h(name, { type: "button", ...props, data: { ...data, action: key }, onclick: () => runOnce(key, run) }, ...children);
  const buttons = running.get(key);
  if (buttons) setBusy(buttons.add(button), true);
  return button;
}

/** Call `run` unless the action is in flight; an error becomes a toast. */
export async function runOnce(key, run) {
  if (running.has(key)) return;
  const buttons = new Set(document.querySelectorAll(`[data-action="${CSS.escape(key)}"]`));
  running.set(key, buttons);
  setBusy(buttons, true);
  try {
    await withErrorToast(run);
  } finally {
    running.delete(key);
    setBusy(buttons, false);
  }
}

function setBusy(buttons, busy) {
  for (const button of buttons) {
    for (const name of ["aria-busy", "aria-disabled"]) {
      if (busy) button.setAttribute(name, "true");
      else button.removeAttribute(name);
    }
  }
}
