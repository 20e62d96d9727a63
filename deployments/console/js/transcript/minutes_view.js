// Shows minutes: each claim with its evidence in the audio, and whether it was verified in the transcript.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { get, jobPath, request, requestJson } from "../lib/api.js";
import { add, fill, h, icon, refill } from "../lib/dom.js";
import { clock, shortDateTime } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { toast, withErrorToast } from "../lib/toasts.js";
import { feed } from "../jobs/feed.js";
import { isLive } from "../jobs/job_rows.js";
import { askMinutesOverrides } from "./minutes_form.js";

/** Dispatches "cite" with the evidence that was clicked. */
export class MinutesView extends EventTarget {
  constructor(job) {
    super();
    this.job = job;
    this.versions = []; // jobs with minutes of this transcript: the one that transcribed it, then the rewrites
    this.shown = job; // whose minutes are shown
    this.requested = job; // whose minutes are being read
    this.body = h("div.minutes");
    this.tools = h("div.row.minutestools");
    this.element = h("div.minutes", {}, this.tools, this.body);
    this.onJobs = ({ detail }) => this.#merge(detail);
    feed.addEventListener("jobs", this.onJobs);
  }

  close() {
    feed.removeEventListener("jobs", this.onJobs);
  }

  /** Read the versions and show one of them. */
  async load(job) {
    if (this.requested.id === job.id) this.requested = job;
    const found = isLive(job) ? null : await withErrorToast(() => get(jobPath(job.id, "minutes")));
    if (found) this.versions = found.versions;
    await this.#choose(this.requested);
  }

  async #choose(job) {
    this.requested = job;
    const minutes = job.results["minutes.json"] === undefined ? null : await withErrorToast(() => get(jobPath(job.id, "results", "minutes.json")));
    if (this.requested !== job) return; // others were chosen meanwhile
    if (minutes === undefined) return this.#showFailure(job);
    this.shown = job;
    this.#drawTools();
    this.show(minutes);
  }

  /** Keep what is shown; where there is nothing yet, offer to try again. */
  #showFailure(job) {
    this.requested = this.shown;
    this.#drawTools();
    if (!this.body.children.length) fill(this.body, actionButton("button", { key: `read-minutes-${job.id}`, run: () => this.#choose(job) }, t("again")));
  }

  #drawTools() {
    const written = this.versions.filter((job) => job.results["minutes.json"] !== undefined || job.id === this.shown.id);
    const label = (job) => t("minutesVersion", { when: shortDateTime(job.created_at), what: [job.minutes?.model || job.minutes?.writer, job.options.minutes_template, job.options.minutes_language].filter(Boolean).join(", ") || t("minutes") });
    const picker = h("select", { "aria-label": t("minutesVersions"), data: { part: "minutes-version" } }, written.map((job) => h("option", { value: job.id, selected: job.id === this.shown.id }, label(job))));
    picker.addEventListener("change", () => this.#choose(written.find((job) => job.id === picker.value)));
    const waiting = this.versions.some(isLive);
    refill(
      this.tools,
      written.length > 1 && picker,
      waiting && h("span.dim", { role: "status" }, t("minutesQueued")),
      this.versions.length > 0 && account.may("jobs:write") && actionButton("button", { key: `rewrite-${this.job.id}`, run: () => this.#rewrite(), data: { part: "anew" } }, icon("minutes"), t("writeAnew")),
    );
    this.tools.hidden = !this.tools.children.length;
  }

  async #rewrite() {
    const overrides = await askMinutesOverrides(this.shown.options);
    if (!overrides) return;
    const job = await requestJson(jobPath(this.job.id, "minutes"), { method: "POST", json: overrides });
    this.versions.push(job);
    this.#drawTools();
    feed.publish(job);
  }

  /** Merge changed jobs; a version that has been written is shown. */
  #merge(jobs) {
    for (const job of jobs) {
      const at = this.versions.findIndex((each) => each.id === job.id);
      if (at < 0) continue;
      const before = this.versions[at];
      this.versions[at] = job;
      if (!isLive(before) || isLive(job)) continue;
      if (job.results["minutes.json"] !== undefined) {
        toast(t("minutesWritten"));
        this.#choose(job);
      } else {
        toast(t("minutesNotWritten", { why: job.detail || job.reason || job.state }), "error");
        this.#drawTools();
      }
    }
  }

  /** Show minutes, or why there are none. */
  show(minutes) {
    if (!minutes) {
      const why = isLive(this.job) ? t("minutesLater") : this.job.detail || t("noMinutes");
      return void fill(this.body, h("p.dim", {}, why));
    }
    if (minutes.writer === "none") return void fill(this.body, h("p.dim", {}, t("note_no_speech")));
    const who = minutes.writer === "extractive" ? t("byRules") : minutes.model || minutes.writer;
    fill(
      this.body,
      h("div.row.between", {}, h("h2", {}, minutes.title || t("minutes")), actionButton("button", { key: `copy-${this.job.id}`, run: () => this.#copy() }, icon("copy"), t("copyMinutes"))),
      minutes.summary && h("p.summary", {}, minutes.summary),
      minutes.participants.length > 0 && h("p.dim", {}, `${t("participants")}: ${minutes.participants.join(", ")}`),
      minutes.decisions_recognised === false && h("p.dim", {}, t("noCues")),
      this.#section(minutes, t("decisions"), minutes.decisions, (item) => [this.#claim(item, item.text), (item.owner || item.due) && this.#ownerAndDue(item)]),
      this.#section(minutes, t("actionItems"), minutes.action_items, (item) => [this.#claim(item, item.task), this.#ownerAndDue(item)]),
      this.#section(minutes, t("questions"), minutes.open_questions, (item) => [this.#claim(item, item.text)]),
      this.#section(minutes, t("topics"), minutes.topics, (item) => [this.#doubtful(item, h("strong", {}, item.title)), item.summary && h("p.dim", {}, item.summary)]),
      h("p.dim.by", {}, t("writtenBy", { who })),
    );
  }

  #section(minutes, title, items, body) {
    const always = minutes.decisions_recognised !== false && [t("decisions"), t("actionItems")].includes(title);
    if (!items.length && !always) return null;
    const rows = items.map((item) => h("li", {}, body(item), this.#evidence(item.evidence)));
    return h("section", {}, h("h3", {}, title), items.length ? h("ul.claims", {}, rows) : h("p.dim", {}, t("nothingFound")));
  }

  /** Mark a topic that is not verified; minutes of earlier releases do not say. */
  #doubtful(item, text) {
    return item.verified === false ? this.#claim(item, text) : h("p", {}, text);
  }

  #claim(item, text) {
    const verified = item.verified !== false;
    const [label, why, symbol] = verified ? [t("verified"), t("verifiedWhy"), "check"] : [t("unverified"), t("unverifiedWhy"), "warning"];
    const mark = h(`span.mark.${verified ? "verified" : "unverified"}`, { title: why }, icon(symbol), label);
    return h("p", {}, text, " ", mark);
  }

  #ownerAndDue(item) {
    const orUnspoken = (value) => value ?? h("span.dim", {}, t("notSpoken"));
    return h("dl.facts.inline", {}, h("dt", {}, t("owner")), h("dd", {}, orUnspoken(item.owner)), h("dt", {}, t("due")), h("dd", {}, orUnspoken(item.due)));
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
      const response = await request(jobPath(this.shown.id, "results", "minutes.md"));
      await navigator.clipboard.writeText(await response.text());
      toast(t("copied"));
    } catch {
      toast(t("cannotCopy"), "error");
    }
  }
}

/** Build tabs over panels of which one is visible; arrow keys change it (the tabs pattern of WAI-ARIA). */
export function tabs(label, panels) {
  const bar = h("div.tabs", { role: "tablist", "aria-label": label });
  const choose = (name, focus) => {
    for (const tab of bar.children) {
      const selected = tab.dataset.name === name;
      tab.setAttribute("aria-selected", String(selected));
      tab.tabIndex = selected ? 0 : -1;
      if (selected && focus) tab.focus();
    }
    for (const [other, panel] of Object.entries(panels)) panel.element.classList.toggle("off", other !== name);
  };
  const names = Object.keys(panels);
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const visible = names.filter((name) => bar.querySelector(`[data-name="${name}"]`).offsetParent);
    if (!step || !visible.length) return;
    const at = visible.indexOf(event.target.dataset.name);
    choose(visible[(at + step + visible.length) % visible.length], true);
  });
  for (const [name, { label: tabLabel, element }] of Object.entries(panels)) {
    element.id = `panel-${name}`;
    element.setAttribute("role", "tabpanel");
    element.setAttribute("aria-labelledby", `tab-${name}`);
    element.tabIndex = 0;
    add(bar, h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": element.id, data: { name }, onclick: () => choose(name) }, tabLabel));
  }
  return { bar, choose };
}
