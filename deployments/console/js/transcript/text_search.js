// Searches a transcript: every match is highlighted, one of them is the current one.

import { add, debounce, h, icon } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { staticRange } from "./transcript_view.js";

const MAX_HIGHLIGHTS = 2000;

export class TextSearch {
  constructor(view) {
    this.view = view;
    this.matches = []; // {line, from, to}
    this.current = -1;
    this.input = h("input", {
      type: "search",
      placeholder: t("searchTranscript"),
      "aria-label": t("searchTranscript"),
      oninput: debounce(80, () => this.run()),
      onkeydown: (event) => this.#keys(event),
    });
    this.status = h("span.matches", { "aria-live": "polite" });
    const step = (by, label, symbol) => h("button.bare", { type: "button", "aria-label": label, title: label, onclick: () => this.step(by) }, icon(symbol));
    this.steps = h("span.steps", { hidden: true }, step(-1, t("previous"), "up"), step(1, t("next"), "down"));
    view.addEventListener("redrawn", () => this.input.value.trim() && this.run({ reveal: false }));
    this.element = add(h("div.search", { role: "search" }), icon("search"), this.input, this.status, this.steps);
  }

  close() {
    CSS.highlights?.delete("found");
    CSS.highlights?.delete("current");
  }

  /** Search for the text of the field. */
  run({ reveal = true } = {}) {
    this.matches = findMatches(this.view.lines, this.input.value.trim());
    this.current = this.matches.length ? 0 : -1;
    this.#highlight();
    if (reveal) this.#show();
  }

  step(by) {
    if (!this.matches.length) return;
    this.current = (this.current + by + this.matches.length) % this.matches.length;
    this.#show();
  }

  #highlight() {
    this.steps.hidden = this.matches.length < 2;
    if (!CSS.highlights) return;
    const ranges = this.matches.slice(0, MAX_HIGHLIGHTS).map(rangeOf).filter(Boolean);
    if (ranges.length) CSS.highlights.set("found", new Highlight(...ranges));
    else CSS.highlights.delete("found");
    CSS.highlights.delete("current");
  }

  #show() {
    const match = this.matches[this.current];
    const nothing = this.input.value.trim() ? t("noMatch") : "";
    this.status.textContent = match ? t("matchOf", { n: this.current + 1, total: this.matches.length }) : nothing;
    if (!match) return;
    this.view.reveal(match.line, { always: true });
    const range = rangeOf(match);
    if (!CSS.highlights || !range) return;
    const current = new Highlight(range);
    current.priority = 1;
    CSS.highlights.set("current", current);
  }

  #keys(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape" && this.input.value) {
      event.preventDefault();
      this.input.value = "";
      this.run();
    }
  }
}

function rangeOf({ line, from, to }) {
  const node = line.element?.querySelector(".words")?.firstChild;
  return node?.nodeType === Node.TEXT_NODE ? staticRange(node, from, to) : null;
}

/** Find a text in lines without regard to case; returns `{ line, from, to }` with offsets in the line's text. */
export function findMatches(lines, text) {
  const wanted = foldCase(text);
  const matches = [];
  for (const line of wanted ? lines : []) {
    if (!line.segment) continue;
    line.folded ??= foldCase(line.segment.text.trim());
    for (let at = line.folded.indexOf(wanted); at >= 0; at = line.folded.indexOf(wanted, at + wanted.length)) {
      matches.push({ line, from: at, to: at + wanted.length });
    }
  }
  return matches;
}

/** Fold case without changing offsets: a character whose lower case is longer (İ) stays. */
function foldCase(text) {
  const lower = text.toLowerCase();
  if (lower.length === text.length) return lower;
  return Array.from(text, (char) => (char.toLowerCase().length === char.length ? char.toLowerCase() : char)).join("");
}
