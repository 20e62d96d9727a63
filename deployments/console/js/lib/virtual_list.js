// A virtual list: only the visible rows have elements, so that ten thousand jobs cost as much as thirty.

import { throttleToFrame, h } from "./dom.js";

const OVERSCAN = 8; // rows drawn beyond either edge, so that a fast scroll shows no blank

/** Compute which rows to draw, [first, last): those in view (all in px) and `OVERSCAN` on either side. */
export function visibleRange({ scrollTop, clientHeight, bodyTop, rowHeight, nItems }) {
  const first = Math.max(0, Math.floor((scrollTop - bodyTop) / rowHeight) - OVERSCAN);
  const last = Math.min(nItems, Math.ceil((scrollTop - bodyTop + clientHeight) / rowHeight) + OVERSCAN);
  return [first, last];
}

/** Compute the scroll position (px) that brings a row into view with the least movement. */
export function scrollTopShowing(index, { scrollTop, clientHeight, bodyTop, rowHeight }) {
  const top = index * rowHeight;
  const hidden = top + bodyTop + rowHeight - clientHeight; // the least position at which its lower edge is in view
  return top < scrollTop ? top : Math.max(scrollTop, hidden);
}

export class VirtualList {
  /** `scroller` is the scrolling element; `make(item, index)` builds a row; `nearEnd()` is called when the last rows come near. */
  constructor(scroller, { rowHeight, make, nearEnd }) {
    this.scroller = scroller;
    this.rowHeight = rowHeight;
    this.make = make;
    this.nearEnd = nearEnd;
    this.items = [];
    this.rows = new Map(); // index → element
    this.body = h("div.rows", { role: "rowgroup" });
    scroller.append(this.body);
    this.draw = throttleToFrame(() => this.#draw());
    scroller.addEventListener("scroll", this.draw, { passive: true });
    this.observer = new ResizeObserver(this.draw);
    this.observer.observe(scroller);
  }

  close() {
    this.observer.disconnect();
  }

  /** Show other items at the same scroll position. */
  show(items) {
    this.items = items;
    this.#dropRows();
    this.draw();
  }

  /** Draw a row anew whose item changed; the focus stays on the same part, or goes to the row's link. */
  refresh(index) {
    const old = this.rows.get(index);
    if (!old) return;
    const focused = old.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    const row = this.#place(index);
    old.replaceWith(row);
    if (focused) (row.querySelector(`[data-part="${focused}"]`) ?? row.querySelector("a"))?.focus({ preventScroll: true });
  }

  resize(rowHeight) {
    this.rowHeight = rowHeight;
    this.show(this.items);
  }

  /** Bring a row into view and focus the element in it that matches a selector. */
  focus(index, selector) {
    this.scroller.scrollTop = scrollTopShowing(index, this.#geometry());
    this.#draw();
    this.rows.get(index)?.querySelector(selector)?.focus({ preventScroll: true });
  }

  #geometry() {
    const { scrollTop, clientHeight } = this.scroller;
    return { scrollTop, clientHeight, bodyTop: this.body.offsetTop, rowHeight: this.rowHeight, nItems: this.items.length };
  }

  #dropRows() {
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    this.refocus = focused ? { id: focused.closest("[data-id]")?.dataset.id, part: focused.dataset.part } : null;
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
    const [first, last] = visibleRange(this.#geometry());
    this.body.style.height = `${this.items.length * this.rowHeight}px`;
    for (const [index, row] of this.rows) {
      // a row with the focus stays, else the focus would go to the page
      if ((index < first || index >= last) && !row.contains(document.activeElement)) {
        row.remove();
        this.rows.delete(index);
      }
    }
    for (let index = first; index < last; index++) {
      if (this.rows.has(index)) continue;
      const row = this.#place(index);
      this.body.insertBefore(row, this.#rowAfter(index, last)); // assistive technology reads in the order of elements
    }
    if (this.refocus?.id) {
      const row = this.body.querySelector(`[data-id="${CSS.escape(this.refocus.id)}"]`);
      row?.querySelector(`[data-part="${this.refocus.part}"]`)?.focus({ preventScroll: true });
      this.refocus = null;
    }
    if (last >= this.items.length - OVERSCAN) this.nearEnd?.();
  }

  /** The next row that has an element, or null. */
  #rowAfter(index, last) {
    for (let other = index + 1; other <= last; other++) {
      const row = this.rows.get(other);
      if (row) return row;
    }
    return null;
  }
}
