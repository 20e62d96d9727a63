// The page of jobs: newest first, live, filtered by state and name, read a page at a time.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { get } from "../lib/api.js";
import { add, debounce, fill, h, icon, refill } from "../lib/dom.js";
import { errorMessage } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { VirtualList } from "../lib/virtual_list.js";
import { feed } from "./feed.js";
import { JobList } from "./job_list.js";
import { jobRow } from "./job_rows.js";
import { SubmitPanel } from "./submit.js";

const PAGE_SIZE = 200;
const STATES = ["queued", "transcribing", "summarizing", "succeeded", "failed", "cancelled"];
const NARROW = matchMedia("(max-width: 48rem)");
const ROW_PX = { narrow: 76, wide: 44 };

export class JobsPage {
  title = t("jobsTitle");

  constructor() {
    this.list = new JobList({ accepts: (job) => this.#accepts(job), isComplete: () => !this.next });
    this.states = new Set();
    this.text = "";
    this.next = null; // query of the next page
    this.generation = 0; // of the latest load: responses of earlier ones are dropped
    this.submit = account.may("jobs:write") ? new SubmitPanel() : null;
    this.listeners = [];
    this.element = h("div.page.jobs", {}, h("h1.visually-hidden", { tabindex: "-1" }, t("jobsTitle")));
    this.chips = h("div.chips", { role: "group", "aria-label": t("states") });
    this.search = h("input", {
      type: "search",
      placeholder: t("searchName"),
      "aria-label": t("searchName"),
      maxlength: 255,
      oninput: debounce(150, () => this.#filter()),
    });
    this.scroller = h("div.scroller", { role: "table", "aria-label": t("jobs"), tabindex: "0" }, this.#head());
    this.status = h("div.say", { "aria-live": "polite" });
    add(this.element, this.submit?.element, h("div.filters", {}, this.chips, h("div.search", {}, icon("search"), this.search)), this.scroller, this.status);
    this.rows = new VirtualList(this.scroller, { rowHeight: rowHeight(), make: jobRow, nearEnd: () => this.#loadNext() });
    this.#listen();
    this.#drawChips();
    this.#load();
  }

  close() {
    this.generation = -1;
    this.submit?.close();
    this.rows.close();
    for (const [target, name, handler] of this.listeners) target.removeEventListener(name, handler);
  }

  #listen() {
    const on = (target, name, handler) => {
      target.addEventListener(name, handler);
      this.listeners.push([target, name, handler]);
    };
    on(feed, "jobs", ({ detail }) => this.#merge(detail));
    on(feed, "counts", () => this.#drawChips());
    on(feed, "erased", ({ detail }) => this.#remove(detail));
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
    const chip = (state, label, n, pressed) =>
      h("button.chip", { type: "button", "aria-pressed": String(pressed), data: { part: `chip-${state}` }, onclick: () => this.#choose(state) }, label, n === undefined || n === null ? null : h("span.n", {}, String(n)));
    refill(
      this.chips,
      chip(null, t("all"), total, !this.states.size),
      STATES.map((state) => chip(state, t(`state_${state}`), counts?.[state], this.states.has(state))),
    );
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

  #accepts(job) {
    return (!this.states.size || this.states.has(job.state)) && job.filename.toLowerCase().includes(this.text.toLowerCase());
  }

  #query() {
    const query = new URLSearchParams({ limit: PAGE_SIZE });
    for (const state of this.states) query.append("state", state);
    if (this.text) query.set("filename", this.text);
    return `?${query}`;
  }

  async #load() {
    const generation = ++this.generation;
    try {
      if (!this.list.jobs.length) fill(this.status, h("p.dim", {}, t("loading")));
      const page = await get(`/v1/jobs${this.#query()}`);
      if (generation !== this.generation) return;
      this.list.replace(page.jobs);
      this.#setNext(page);
      this.#drawRows();
    } catch (error) {
      if (generation !== this.generation || error.status === 401) return;
      fill(this.status, h("p", {}, icon("warning"), errorMessage(error)), actionButton("button", { key: "load-jobs", run: () => this.#load() }, t("again")));
    }
  }

  async #loadNext() {
    if (!this.next || this.loadingNext) return;
    this.loadingNext = true;
    const { generation } = this;
    try {
      const page = await get(`/v1/jobs${this.next}`);
      if (generation !== this.generation) return;
      this.list.append(page.jobs);
      this.#setNext(page);
      this.#drawRows();
    } catch {
      // the next scroll tries again
    } finally {
      this.loadingNext = false;
    }
  }

  #setNext({ next }) {
    this.next = next && new URL(next, location.href).search;
  }

  #merge(changed) {
    const { inPlace, moved } = this.list.merge(changed);
    if (moved) this.#drawRows();
    else for (const index of inPlace) this.rows.refresh(index);
  }

  #remove(id) {
    const index = this.list.remove(id);
    if (index === undefined) return;
    this.#drawRows();
    const { length } = this.list.jobs;
    if (length) this.rows.focus(Math.min(index, length - 1), "a");
  }

  #drawRows() {
    const { jobs } = this.list;
    this.scroller.setAttribute("aria-rowcount", this.next ? -1 : jobs.length + 1);
    this.scroller.hidden = !jobs.length;
    this.rows.show(jobs);
    if (jobs.length) return void fill(this.status);
    if (!this.states.size && !this.text) return void fill(this.status, h("p.big", {}, t("noJobs")), h("p.dim", {}, t("noJobsHint")));
    const reset = () => {
      this.search.value = "";
      this.#choose(null);
    };
    fill(this.status, h("p.big", {}, t("noneMatch")), h("button", { type: "button", onclick: reset }, t("showAll")));
  }

  #keys(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.altKey || event.ctrlKey || event.metaKey) return;
    const { length } = this.list.jobs;
    const row = event.target.closest("[data-id]");
    const from = row ? this.list.indexOf(row.dataset.id) : step > 0 ? -1 : length;
    event.preventDefault();
    this.rows.focus(Math.min(length - 1, Math.max(0, from + step)), "a");
  }
}

const rowHeight = () => (NARROW.matches ? ROW_PX.narrow : ROW_PX.wide);
