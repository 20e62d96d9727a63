// The list of jobs: newest first, live, filtered by state and name, as long as it may be.

import { get } from "./api.js";
import { add, fill, h, icon, whenQuiet } from "./dom.js";
import { feed } from "./feed.js";
import { trouble } from "./format.js";
import { isLive, jobRow } from "./job_rows.js";
import { SubmitStrip } from "./submit.js";
import { t } from "./words.js";
import { VirtualRows } from "./virtual.js";

const PAGE = 200;
const STATES = ["queued", "transcribing", "summarizing", "succeeded", "failed", "cancelled"];
const NARROW = matchMedia("(max-width: 48rem)");
const ROW_PX = { narrow: 76, wide: 44 };

export class JobsPage {
  title = t("jobsTitle");

  constructor() {
    this.jobs = [];
    this.byId = new Map(); // id → index
    this.states = new Set();
    this.text = "";
    this.next = null;
    this.round = 0;
    this.submit = new SubmitStrip();
    this.listeners = [];
    this.element = h("div.page.jobs", {}, h("h1.visually-hidden", { tabindex: "-1" }, t("jobsTitle")));
    this.chips = h("div.chips", { role: "group", "aria-label": t("states") });
    this.search = h("input", {
      type: "search",
      placeholder: t("searchName"),
      "aria-label": t("searchName"),
      maxlength: 255,
      oninput: whenQuiet(150, () => this.#filter()),
    });
    this.scroller = h("div.scroller", { role: "table", "aria-label": t("jobs"), tabindex: "0" }, this.#head());
    this.say = h("div.say", { "aria-live": "polite" });
    add(this.element, this.submit.element, h("div.filters", {}, this.chips, h("div.search", {}, icon("search"), this.search)), this.scroller, this.say);
    this.rows = new VirtualRows(this.scroller, { rowHeight: rowHeight(), make: jobRow, nearEnd: () => this.#more() });
    this.#listen();
    this.#drawChips();
    this.#load();
  }

  close() {
    this.round = -1;
    this.submit.close();
    this.rows.close();
    for (const [target, name, handler] of this.listeners) target.removeEventListener(name, handler);
  }

  #listen() {
    const on = (target, name, handler) => {
      target.addEventListener(name, handler);
      this.listeners.push([target, name, handler]);
    };
    on(feed, "jobs", ({ detail }) => this.#take(detail));
    on(feed, "counts", () => this.#drawChips());
    on(feed, "forgotten", ({ detail }) => this.#drop(detail));
    on(feed, "resumed", () => this.#load());
    on(NARROW, "change", () => this.rows.resize(rowHeight()));
    this.scroller.addEventListener("keydown", (event) => this.#keys(event));
  }

  #head() {
    const cell = (name) => h(`span.cell.${name}`, { role: "columnheader" }, t({ what: "state", bar: "progress" }[name] ?? name));
    const names = ["what", "name", "bar", "length", "eta", "created", "actions"];
    return h("div.head", { role: "rowgroup" }, h("div.job", { role: "row", "aria-rowindex": 1 }, names.map(cell)));
  }

  #drawChips() {
    const counts = feed.counts;
    const total = counts && Object.values(counts).reduce((sum, n) => sum + n, 0);
    const chip = (label, n, on, act) =>
      h("button.chip", { type: "button", "aria-pressed": String(on), onclick: act }, label, n === undefined || n === null ? null : h("span.n", {}, String(n)));
    const focused = [...this.chips.children].indexOf(document.activeElement);
    fill(
      this.chips,
      chip(t("all"), total, !this.states.size, () => this.#choose(null)),
      STATES.map((state) => chip(t(`state_${state}`), counts?.[state], this.states.has(state), () => this.#choose(state))),
    );
    this.chips.children[focused]?.focus();
  }

  #choose(state) {
    if (state === null) this.states.clear();
    else if (!this.states.delete(state)) this.states.add(state);
    this.#drawChips();
    this.#filter();
  }

  #filter() {
    this.text = this.search.value.trim();
    this.scroller.scrollTop = 0;
    this.#load();
  }

  #query() {
    const query = new URLSearchParams({ limit: PAGE });
    for (const state of this.states) query.append("state", state);
    if (this.text) query.set("filename", this.text);
    return `?${query}`;
  }

  async #load() {
    const round = ++this.round;
    try {
      if (!this.jobs.length) fill(this.say, h("p.dim", {}, t("loading")));
      const page = await get(`/v1/jobs${this.#query()}`);
      if (round !== this.round) return;
      this.#replace(page.jobs, page.next);
    } catch (error) {
      if (round !== this.round || error.status === 401) return;
      fill(this.say, h("p", {}, icon("warning"), trouble(error)), h("button", { type: "button", onclick: () => this.#load() }, t("again")));
    }
  }

  #replace(jobs, next) {
    this.jobs = jobs;
    this.next = next && new URL(next, location.href).search;
    this.#index();
    this.rows.show(this.jobs);
    this.#drawEmpty();
  }

  async #more() {
    if (!this.next || this.loadingMore) return;
    this.loadingMore = true;
    const round = this.round;
    try {
      const page = await get(`/v1/jobs${this.next}`);
      if (round !== this.round) return;
      this.jobs.push(...page.jobs.filter((job) => !this.byId.has(job.id)));
      this.next = page.next && new URL(page.next, location.href).search;
      this.#index();
      this.rows.show(this.jobs);
    } catch {
      // scrolling on tries again
    } finally {
      this.loadingMore = false;
    }
  }

  #index() {
    this.byId = new Map(this.jobs.map((job, index) => [job.id, index]));
    this.scroller.setAttribute("aria-rowcount", this.next ? -1 : this.jobs.length + 1);
  }

  #wanted(job) {
    return (!this.states.size || this.states.has(job.state)) && job.filename.toLowerCase().includes(this.text.toLowerCase());
  }

  /** Jobs changed: those in view are drawn anew, others come or go. */
  #take(changed) {
    let moved = false;
    for (const job of changed) {
      const index = this.byId.get(job.id);
      if (index !== undefined && this.#wanted(job)) {
        if (this.jobs[index].version > job.version && isLive(job)) continue;
        this.jobs[index] = job;
        this.rows.refresh(index);
      } else if (index !== undefined) {
        this.jobs.splice(index, 1);
        this.#index();
        moved = true;
      } else if (this.#wanted(job)) {
        const last = this.jobs.at(-1);
        if (this.next && last && older(job, last)) continue; // comes with its page
        const at = this.jobs.findIndex((other) => older(other, job));
        this.jobs.splice(at < 0 ? this.jobs.length : at, 0, job);
        this.#index();
        moved = true;
      }
    }
    if (moved) {
      this.rows.show(this.jobs);
      this.#drawEmpty();
    }
  }

  #drop(id) {
    const index = this.byId.get(id);
    if (index === undefined) return;
    this.jobs.splice(index, 1);
    this.#index();
    this.rows.show(this.jobs);
    this.#drawEmpty();
    if (this.jobs.length) this.rows.focus(Math.min(index, this.jobs.length - 1), "a");
  }

  #drawEmpty() {
    this.scroller.hidden = !this.jobs.length;
    if (this.jobs.length) return void fill(this.say);
    if (!this.states.size && !this.text) return void fill(this.say, h("p.big", {}, t("noJobs")), h("p.dim", {}, t("noJobsHint")));
    const reset = () => {
      this.search.value = "";
      this.#choose(null);
    };
    fill(this.say, h("p.big", {}, t("noneMatch")), h("button", { type: "button", onclick: reset }, t("showAll")));
  }

  #keys(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    const row = event.target.closest("[data-id]");
    const from = row ? this.byId.get(row.dataset.id) : step > 0 ? -1 : this.jobs.length;
    const to = Math.min(this.jobs.length - 1, Math.max(0, from + step));
    event.preventDefault();
    this.rows.focus(to, "a");
  }
}

const rowHeight = () => (NARROW.matches ? ROW_PX.narrow : ROW_PX.wide);

const older = (a, b) => (a.created_at === b.created_at ? a.id < b.id : a.created_at < b.created_at);
