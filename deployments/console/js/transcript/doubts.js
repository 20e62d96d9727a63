// Shades the words that are more likely wrong than right, and tells how many there are; a button turns the shading off.

import { h, icon } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { preferences } from "../lib/session.js";
import { staticRange, wordsOf } from "./transcript_view.js";

export class Doubts {
  constructor(view) {
    this.view = view;
    this.button = h("button.bare.doubts", { type: "button", hidden: true, onclick: () => this.#toggle() }, icon("warning"), (this.label = h("span")));
    this.element = this.button;
    for (const name of ["built", "redrawn"]) view.addEventListener(name, () => this.draw());
    this.draw();
  }

  close() {
    CSS.highlights?.delete("doubtful");
  }

  /** Shade the words of the lines that are built. */
  draw() {
    const on = preferences.get("doubts", "on") === "on";
    const { lines, transcript } = this.view;
    const doubts = (line) => (line.doubts ??= doubtsOf(line, transcript.doubtful_below)); // lines are made anew when texts change
    const n = lines.reduce((sum, line) => sum + doubts(line).length, 0);
    this.button.hidden = !n;
    this.button.setAttribute("aria-pressed", String(on));
    this.label.textContent = t("doubtfulWords", { n });
    if (!CSS.highlights) return;
    const ranges = [];
    for (const line of on ? lines.slice(0, this.view.built) : []) {
      const node = line.segment && line.element?.querySelector(".words")?.firstChild;
      if (node?.nodeType !== Node.TEXT_NODE) continue;
      ranges.push(...doubts(line).map(({ from, to }) => staticRange(node, from, to)));
    }
    if (ranges.length) CSS.highlights.set("doubtful", new Highlight(...ranges));
    else CSS.highlights.delete("doubtful");
  }

  #toggle() {
    preferences.set("doubts", preferences.get("doubts", "on") === "on" ? "off" : "on");
    this.draw();
  }
}

/** Find the doubtful words of a line, as ranges of its text: those less probable than `below`, of a result without that none. */
export function doubtsOf(line, below) {
  if (!line.segment || below === undefined) return [];
  const { words } = line.segment;
  if (!words.some((word) => word.probability < below)) return [];
  line.text ??= line.segment.text.trim();
  return wordsOf(line).filter(({ from, to }, i) => to > from && words[i].probability < below);
}
