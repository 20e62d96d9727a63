// Search in a transcript: every match marked, one of them the current one.

import { add, h, icon, whenQuiet } from "./dom.js";
import { staticRange } from "./transcript_view.js";
import { t } from "./words.js";

const MOST_MARKED = 2000;

export class TextSearch {
  constructor(view) {
    this.view = view;
    this.matches = []; // {line, from, to}
    this.at = -1;
    this.input = h("input", {
      type: "search",
      placeholder: t("searchTranscript"),
      "aria-label": t("searchTranscript"),
      oninput: whenQuiet(80, () => this.run()),
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

  /** Looks for what stands in the field. */
  run({ reveal = true } = {}) {
    const wanted = fold(this.input.value.trim());
    this.matches = wanted ? [...this.#find(wanted)] : [];
    this.at = this.matches.length ? 0 : -1;
    this.#mark();
    if (reveal) this.#show();
  }

  step(by) {
    if (!this.matches.length) return;
    this.at = (this.at + by + this.matches.length) % this.matches.length;
    this.#show();
  }

  *#find(wanted) {
    for (const line of this.view.lines) {
      if (!line.segment) continue;
      const text = (line.folded ??= fold(line.text ?? line.segment.text.trim()));
      for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
        yield { line, from: at, to: at + wanted.length };
      }
    }
  }

  #mark() {
    this.steps.hidden = this.matches.length < 2;
    if (!CSS.highlights) return;
    const ranges = this.matches.slice(0, MOST_MARKED).map(rangeOf).filter(Boolean);
    if (ranges.length) CSS.highlights.set("found", new Highlight(...ranges));
    else CSS.highlights.delete("found");
    CSS.highlights.delete("current");
  }

  #show() {
    const match = this.matches[this.at];
    const nothing = this.input.value.trim() ? t("noMatch") : "";
    this.status.textContent = match ? t("matchOf", { n: this.at + 1, total: this.matches.length }) : nothing;
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

/** Without case, in as many characters as before, so that places stay places. */
function fold(text) {
  const lower = text.toLowerCase();
  return lower.length === text.length ? lower : text;
}
