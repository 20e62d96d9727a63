// A list of which only the visible rows exist: ten thousand jobs cost what thirty do.

import { everyFrame, h } from "./dom.js";

const AHEAD = 8; // rows kept on either side, so that a fast scroll finds them there

export class VirtualRows {
  /** `scroller` scrolls; `make(item, index)` gives a row; `nearEnd()` is called when the last rows come into view. */
  constructor(scroller, { rowHeight, make, nearEnd }) {
    this.scroller = scroller;
    this.rowHeight = rowHeight;
    this.make = make;
    this.nearEnd = nearEnd;
    this.items = [];
    this.rows = new Map(); // index → element
    this.body = h("div.rows", { role: "rowgroup" });
    scroller.append(this.body);
    this.draw = everyFrame(() => this.#draw());
    scroller.addEventListener("scroll", this.draw, { passive: true });
    this.observer = new ResizeObserver(this.draw);
    this.observer.observe(scroller);
  }

  close() {
    this.observer.disconnect();
  }

  /** Shows other items, keeping the place. */
  show(items) {
    this.items = items;
    this.#forgetRows();
    this.draw();
  }

  /** One item changed in place. */
  refresh(index) {
    const old = this.rows.get(index);
    if (!old) return;
    const focused = old.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    const row = this.#place(index);
    old.replaceWith(row);
    if (focused) row.querySelector(`[data-part="${focused}"]`)?.focus({ preventScroll: true });
  }

  resize(rowHeight) {
    this.rowHeight = rowHeight;
    this.show(this.items);
  }

  /** Brings a row into view and gives it the focus. */
  focus(index, selector) {
    const top = index * this.rowHeight;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight) this.scroller.scrollTop = top + this.rowHeight - clientHeight;
    this.#draw();
    this.rows.get(index)?.querySelector(selector)?.focus({ preventScroll: true });
  }

  #forgetRows() {
    const holds = this.body.contains(document.activeElement) ? document.activeElement : null;
    this.refocus = holds ? { id: holds.closest("[data-id]")?.dataset.id, part: holds.dataset.part } : null;
    for (const row of this.rows.values()) row.remove();
    this.rows.clear();
  }

  #place(index) {
    const row = this.make(this.items[index], index);
    row.style.transform = `translateY(${index * this.rowHeight}px)`;
    row.style.height = `${this.rowHeight}px`;
    this.rows.set(index, row);
    return row;
  }

  #draw() {
    const { scrollTop, clientHeight } = this.scroller;
    const offset = this.body.offsetTop;
    const first = Math.max(0, Math.floor((scrollTop - offset) / this.rowHeight) - AHEAD);
    const last = Math.min(this.items.length, Math.ceil((scrollTop - offset + clientHeight) / this.rowHeight) + AHEAD);
    this.body.style.height = `${this.items.length * this.rowHeight}px`;
    for (const [index, row] of this.rows) {
      // a row that holds the focus stays, so that the keyboard does not lose its place
      if ((index < first || index >= last) && !row.contains(document.activeElement)) {
        row.remove();
        this.rows.delete(index);
      }
    }
    for (let index = first; index < last; index++) {
      if (this.rows.has(index)) continue;
      const row = this.#place(index);
      const before = this.#rowAfter(index, last);
      this.body.insertBefore(row, before);
    }
    if (this.refocus?.id) {
      const row = this.body.querySelector(`[data-id="${CSS.escape(this.refocus.id)}"]`);
      row?.querySelector(`[data-part="${this.refocus.part}"]`)?.focus({ preventScroll: true });
      this.refocus = null;
    }
    if (last >= this.items.length - AHEAD) this.nearEnd?.();
  }

  /** Reading order is that of the elements: the next row that is there, if any. */
  #rowAfter(index, last) {
    for (let other = index + 1; other <= last; other++) {
      const row = this.rows.get(other);
      if (row) return row;
    }
    return null;
  }
}
