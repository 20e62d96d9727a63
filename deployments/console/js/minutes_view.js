// Minutes with their evidence one click from the audio, and a mark that says whether code found it in the transcript.

import { get, jobPath, request } from "./api.js";
import { add, fill, h, icon } from "./dom.js";
import { feed } from "./feed.js";
import { clock, when } from "./format.js";
import { isLive } from "./job_rows.js";
import { minutesWishes } from "./minutes_form.js";
import { notice, once, trying } from "./notices.js";
import { t } from "./words.js";

export class MinutesView extends EventTarget {
  constructor(job) {
    super();
    this.job = job;
    this.versions = []; // jobs whose minutes these are: the one that transcribed, then those that wrote anew
    this.shown = job; // the one whose minutes are shown
    this.wanted = job; // the one whose minutes are on their way
    this.body = h("div.minutes");
    this.tools = h("div.row.minutestools");
    this.element = h("div.minutes", {}, this.tools, this.body);
    this.onJobs = ({ detail }) => this.#changed(detail);
    feed.addEventListener("jobs", this.onJobs);
  }

  close() {
    feed.removeEventListener("jobs", this.onJobs);
  }

  /** Reads the versions and shows the minutes of one of them. */
  async load(job) {
    if (this.wanted.id === job.id) this.wanted = job;
    const answer = isLive(job) ? null : await trying(() => get(jobPath(job.id, "minutes")));
    if (answer) this.versions = answer.versions;
    await this.#choose(this.wanted);
  }

  async #choose(job) {
    this.wanted = job;
    const minutes = job.results["minutes.json"] === undefined ? null : await trying(() => get(jobPath(job.id, "results", "minutes.json")));
    if (this.wanted !== job) return; // others were chosen meanwhile
    if (minutes === undefined) return this.#notRead(job);
    this.shown = job;
    this.#drawTools();
    this.show(minutes);
  }

  /** What is shown stays; where nothing is yet, there is a way to try again. */
  #notRead(job) {
    this.wanted = this.shown;
    this.#drawTools();
    if (!this.body.children.length) fill(this.body, h("button", { type: "button", onclick: () => this.#choose(job) }, t("again")));
  }

  #drawTools() {
    const written = this.versions.filter((job) => job.results["minutes.json"] !== undefined || job.id === this.shown.id);
    const label = (job) => t("minutesVersion", { when: when(job.created_at), what: [job.minutes?.model || job.minutes?.writer, job.options.minutes_template, job.options.minutes_language].filter(Boolean).join(", ") || t("minutes") });
    const picker = h("select", { "aria-label": t("minutesVersions"), data: { part: "minutes-version" } }, written.map((job) => h("option", { value: job.id, selected: job.id === this.shown.id }, label(job))));
    picker.addEventListener("change", () => this.#choose(written.find((job) => job.id === picker.value)));
    const waiting = this.versions.some(isLive);
    fill(
      this.tools,
      written.length > 1 && picker,
      waiting && h("span.dim", { role: "status" }, t("minutesQueued")),
      this.versions.length > 0 && h("button", { type: "button", data: { part: "anew" }, onclick: once(() => this.#writeAnew()) }, icon("minutes"), t("writeAnew")),
    );
    this.tools.hidden = !this.tools.children.length;
  }

  async #writeAnew() {
    const wishes = await minutesWishes(this.shown.options);
    if (!wishes) return;
    const answer = await request(jobPath(this.job.id, "minutes"), { method: "POST", json: wishes });
    const job = await answer.json();
    this.versions.push(job);
    this.#drawTools();
    feed.announce(job);
  }

  /** A version that was being written is there, or will not be. */
  #changed(jobs) {
    for (const job of jobs) {
      const at = this.versions.findIndex((each) => each.id === job.id);
      if (at < 0) continue;
      const before = this.versions[at];
      this.versions[at] = job;
      if (!isLive(before) || isLive(job)) continue;
      if (job.results["minutes.json"] !== undefined) {
        notice(t("minutesWritten"));
        this.#choose(job);
      } else {
        notice(t("minutesNotWritten", { why: job.detail || job.reason || job.state }), "error");
        this.#drawTools();
      }
    }
  }

  /** Shows minutes, or says why there are none. */
  show(minutes) {
    if (!minutes) {
      const words = isLive(this.job) ? t("minutesLater") : this.job.detail || t("noMinutes");
      return void fill(this.body, h("p.dim", {}, words));
    }
    const who = minutes.writer === "extractive" ? t("byRules") : minutes.model || minutes.writer;
    fill(
      this.body,
      h("div.row.between", {}, h("h2", {}, minutes.title || t("minutes")), h("button", { type: "button", onclick: once(() => this.#copy()) }, icon("copy"), t("copyMinutes"))),
      minutes.summary && h("p.summary", {}, minutes.summary),
      minutes.participants.length > 0 && h("p.dim", {}, `${t("participants")}: ${minutes.participants.join(", ")}`),
      this.#section(t("decisions"), minutes.decisions, (item) => [this.#claim(item, item.text)]),
      this.#section(t("actionItems"), minutes.action_items, (item) => [this.#claim(item, item.task), this.#whoAndWhen(item)]),
      this.#section(t("questions"), minutes.open_questions, (item) => [h("p", {}, item.text)]),
      this.#section(t("topics"), minutes.topics, (item) => [h("p", {}, h("strong", {}, item.title)), item.summary && h("p.dim", {}, item.summary)]),
      h("p.dim.by", {}, t("writtenBy", { who })),
    );
  }

  #section(title, items, body) {
    if (!items.length && title !== t("decisions") && title !== t("actionItems")) return null;
    const rows = items.map((item) => h("li", {}, body(item), this.#evidence(item.evidence)));
    return h("section", {}, h("h3", {}, title), items.length ? h("ul.claims", {}, rows) : h("p.dim", {}, t("nothingFound")));
  }

  #claim(item, text) {
    const [label, why, symbol] = item.verified ? [t("verified"), t("verifiedWhy"), "check"] : [t("unverified"), t("unverifiedWhy"), "warning"];
    const mark = h(`span.mark.${item.verified ? "verified" : "unverified"}`, { title: why }, icon(symbol), label);
    return h("p", {}, text, " ", mark);
  }

  #whoAndWhen(item) {
    const said = (value) => value ?? h("span.dim", {}, t("notSpoken"));
    return h("dl.facts.inline", {}, h("dt", {}, t("owner")), h("dd", {}, said(item.owner)), h("dt", {}, t("due")), h("dd", {}, said(item.due)));
  }

  #evidence(evidence) {
    if (evidence.start_s === null || evidence.start_s === undefined) return null;
    const time = clock(evidence.start_s);
    const cite = () => this.dispatchEvent(new CustomEvent("cite", { detail: evidence }));
    return h(
      "button.evidence",
      { type: "button", "aria-label": t("evidence", { time, quote: evidence.quote }), onclick: cite },
      icon("play"),
      h("span.at", {}, time),
      h("q", {}, evidence.quote),
    );
  }

  async #copy() {
    try {
      const answer = await request(jobPath(this.shown.id, "results", "minutes.md"));
      await navigator.clipboard.writeText(await answer.text());
      notice(t("copied"));
    } catch {
      notice(t("cannotCopy"), "error");
    }
  }
}

/** Two or three panels of which one is seen; arrow keys change it (WAI-ARIA's tabs). */
export function tabs(label, panels) {
  const bar = h("div.tabs", { role: "tablist", "aria-label": label });
  const choose = (name, focus) => {
    for (const tab of bar.children) {
      const on = tab.dataset.name === name;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      if (on && focus) tab.focus();
    }
    for (const [other, panel] of Object.entries(panels)) panel.element.classList.toggle("off", other !== name);
  };
  const names = Object.keys(panels);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const shown = names.filter((name) => bar.querySelector(`[data-name="${name}"]`).offsetParent);
    if (!step || !shown.length) return;
    const at = shown.indexOf(event.target.dataset.name);
    choose(shown[(at + step + shown.length) % shown.length], true);
  });
  for (const [name, { label: words, element }] of Object.entries(panels)) {
    element.id = `panel-${name}`;
    element.setAttribute("role", "tabpanel");
    element.setAttribute("aria-labelledby", `tab-${name}`);
    element.tabIndex = 0;
    add(bar, h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": element.id, data: { name }, onclick: () => choose(name) }, words));
  }
  return { bar, choose };
}
