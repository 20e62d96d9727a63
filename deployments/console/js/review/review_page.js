// The page of the review queue: the minutes of recordings most worth a person's ear, to hear and to mark as done.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { get, requestJson } from "../lib/api.js";
import { add, fill, h, icon } from "../lib/dom.js";
import { clock, duration, errorMessage, shortDateTime } from "../lib/format.js";
import { t, tEnum } from "../lib/i18n.js";
import { withErrorToast } from "../lib/toasts.js";
import { StretchPlayer } from "./stretch_player.js";

const PAGE_SIZE = 50;
const REASONS = ["unheard", "failed", "decision", "suspect", "number", "name", "language", "speaker"];

export class ReviewPage {
  title = t("reviewTitle");

  /** `query` is what stands in the address: parameters of the API's review queue. */
  constructor(query = "") {
    this.given = new URLSearchParams(query);
    const select = (name, label, options) =>
      h("label", {}, h("span", {}, label), h("select", { name, onchange: () => this.#ask() }, Object.entries(options).map(([value, text]) => h("option", { value, selected: (this.given.get(name) ?? "") === value }, text))));
    const reasons = { "": t("anyReason"), ...Object.fromEntries(REASONS.map((reason) => [reason, t(`reason_${reason}`)])) };
    this.form = h("form.filters", { onsubmit: (event) => event.preventDefault() }, select("reason", t("reason"), reasons), select("done", t("show"), { "": t("toHear"), true: t("heard") }));
    this.status = h("p.found", { role: "status" });
    this.items = h("ol.hits");
    this.more = h("div.say");
    this.player = new StretchPlayer();
    this.player.addEventListener("change", () => this.#markPlaying());
    const batch = this.given.get("batch");
    const scope = batch && h("p.meta", {}, h("a", { href: `#/batches/${encodeURIComponent(batch)}` }, t("ofThisBatch")), h("a", { href: "#/review" }, t("ofAll")));
    this.element = h("div.page.searchpage", {}, h("h1", { tabindex: "-1" }, t("reviewTitle")), h("p.dim", {}, t("reviewHint")), scope, this.form, this.status, this.items, this.more);
    this.#read(`/v1/review?${this.#query({ limit: PAGE_SIZE })}`);
  }

  close() {
    this.closed = true;
    this.player.close();
  }

  #query(others) {
    return new URLSearchParams({ ...Object.fromEntries(this.given), ...others });
  }

  /** Put the choice into the address, which shows it, also when it is opened again. */
  #ask() {
    const query = new URLSearchParams([...this.given].filter(([name]) => name !== "reason" && name !== "done"));
    for (const [name, value] of new FormData(this.form)) if (value) query.set(name, value);
    location.hash = query.size ? `#/review/${encodeURIComponent(query)}` : "#/review";
  }

  async #read(path) {
    fill(this.more, h("span.dim", {}, t("loading")));
    try {
      const page = await get(path);
      if (!this.closed) this.#draw(page);
    } catch (error) {
      if (this.closed || error.status === 401) return;
      fill(this.more, h("p", {}, icon("warning"), errorMessage(error)));
    }
  }

  #draw(page) {
    this.counts = { open: page.open, openS: page.open_s, done: page.done };
    this.#count();
    const first = this.items.childElementCount;
    add(this.items, page.items.map((item) => this.#row(item)));
    if (first) this.items.children[first]?.querySelector("a").focus();
    const next = page.next && page.next.slice(page.next.indexOf("?"));
    fill(this.more, next && actionButton("button", { key: "more-review", run: () => this.#read(`/v1/review${next}`) }, t("reviewNext")));
  }

  #count() {
    const { open, openS, done } = this.counts;
    this.status.textContent = `${open ? t("reviewOpen", { n: open, time: duration(openS) }) : t("reviewNone")} ${t("reviewDone", { n: done })}`;
  }

  #row(item) {
    const row = h("li.hit", { data: { id: item.id } });
    this.#fill(row, item);
    return row;
  }

  #fill(row, item) {
    const done = item.done_at !== null;
    const place = `#/jobs/${encodeURIComponent(item.job_id)}/${item.start_s}`;
    const span = `${clock(item.start_s)} – ${clock(item.end_s)}`;
    const about = `${item.filename}, ${span}`;
    row.classList.toggle("done", done);
    fill(
      row,
      h("a", { href: place }, h("span.clock", {}, span), " ", item.filename),
      h("p.meta", {}, item.reasons.map((reason) => h("span.reason", {}, tEnum("reason", reason))), done && h("span", {}, t("heardAt", { when: shortDateTime(item.done_at) }))),
      item.text && h("p.passage", { dir: "auto" }, item.text),
      item.details.length > 0 && h("p.dim.passage", { dir: "auto" }, item.details.map((detail) => tEnum("coverage", detail)).join(" · ")),
      h(
        "div.row",
        {},
        item.audio && h("button.listen", { type: "button", "aria-label": t("listenTo", { name: about }), onclick: () => this.#listen(item) }, icon("play"), t("listen")),
        account.may("jobs:write") && actionButton("button.mark", { key: `review-${item.id}`, "aria-label": t(done ? "unmarkItem" : "markItem", { name: about }), run: () => this.#mark(row, item) }, icon(done ? "undo" : "check"), t(done ? "undo" : "markDone")),
      ),
    );
    row.item = item;
  }

  #listen(item) {
    if (this.player.playing === item) this.player.stop();
    else withErrorToast(() => this.player.play(item));
  }

  #markPlaying() {
    for (const row of this.items.children) {
      const playing = row.item === this.player.playing;
      row.classList.toggle("playing", playing);
      const button = row.querySelector(".listen");
      if (button) fill(button, icon(playing ? "stop" : "play"), t("listen"));
      button?.setAttribute("aria-pressed", String(playing));
    }
  }

  /** Mark an item as done, or take the mark back; it stays where it is until the page is read again. */
  async #mark(row, item) {
    const done = item.done_at === null;
    const marked = await requestJson(`/v1/review/${encodeURIComponent(item.id)}/done`, { method: done ? "PUT" : "DELETE" });
    if (this.closed) return;
    if (this.player.playing === item) this.player.stop();
    const step = done ? -1 : 1;
    this.counts = { open: this.counts.open + step, openS: Math.max(0, this.counts.openS + step * (item.end_s - item.start_s)), done: this.counts.done - step };
    this.#count();
    const focused = row.contains(document.activeElement);
    this.#fill(row, marked);
    if (focused) row.querySelector(".mark")?.focus();
  }
}
