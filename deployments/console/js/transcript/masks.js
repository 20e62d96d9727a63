// Sets apart what stands in place of hidden words: [name], [phone] and the like are not what was said.

import { staticRange } from "./transcript_view.js";

const WRITTEN = /\[[a-z]+\]/g;

export class Masks {
  constructor(view) {
    this.view = view;
    for (const name of ["built", "redrawn"]) view.addEventListener(name, () => this.draw());
    this.draw();
  }

  close() {
    CSS.highlights?.delete("masked");
  }

  /** Set the masks of the lines that are built apart. */
  draw() {
    if (!CSS.highlights) return;
    const ranges = [];
    for (const line of this.view.lines.slice(0, this.view.built)) {
      const node = line.segment && line.element?.querySelector(".words")?.firstChild;
      if (node?.nodeType !== Node.TEXT_NODE) continue;
      for (const found of node.data.matchAll(WRITTEN)) ranges.push(staticRange(node, found.index, found.index + found[0].length));
    }
    if (ranges.length) CSS.highlights.set("masked", new Highlight(...ranges));
    else CSS.highlights.delete("masked");
  }
}
