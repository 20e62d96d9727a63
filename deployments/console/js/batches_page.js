// Batches: thousands of recordings submitted as one, their totals, what can be done to them, and one of them in detail.

import { download, get, request } from "./api.js";
import { add, fill, h, icon } from "./dom.js";
import { clock, duration, number, trouble, when } from "./format.js";
import { notice, once, sure } from "./notices.js";
import { named, t } from "./words.js";

const EVERY_MS = 3000;
const PAGE = 100;
const ORDER = ["succeeded", "summarizing", "transcribing", "queued", "pending", "uploading", "failed", "cancelled", "dropped", "gone"];
const ICONS = { probing: "clock", estimated: "clock", running: "wave", finished: "check", paused: "pause", cancelled: "stop" };

const batchPath = (id, ...rest) => ["/v1/batches", encodeURIComponent(id), ...rest].join("/");
const nameOf = (batch) => batch.name || t("batchOf", { when: when(batch.created_at) });

export class BatchesPage {
  title = t("batchesTitle");

  /** `id` names the batch that is open, "" none. */
  constructor(id = "") {
    this.id = id;
    this.entries = null;
    this.list = h("ul.batches");
    this.say = h("div.say", { "aria-live": "polite" }, h("p.dim", {}, t("loading")));
    this.element = h("div.page.batchpage", {}, h("h1", { tabindex: "-1" }, id ? h("a", { href: "#/batches" }, t("batchesTitle")) : t("batchesTitle")), this.say, this.list);
    this.timer = setInterval(() => document.hidden || this.load(), EVERY_MS);
    this.load();
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
  }

  /** Reads what is shown anew, one reading at a time. */
  load() {
    this.reading ??= this.#read().finally(() => (this.reading = null));
    return this.reading;
  }

  /** Reads again what a reading that was under way may not have seen. */
  async #reload() {
    await this.reading;
    await this.load();
  }

  async #read() {
    try {
      const batches = this.id ? [await get(batchPath(this.id))] : (await get("/v1/batches?limit=100")).batches;
      if (!this.closed) this.#draw(batches);
      if (this.id && !this.entries && !this.closed) await this.#more();
    } catch (error) {
      if (!this.closed && error.status !== 401) fill(this.say, h("p", {}, icon("warning"), trouble(error)));
    }
  }

  #draw(batches) {
    const shown = JSON.stringify(batches);
    if (shown === this.shown) return; // what holds the focus stays
    this.shown = shown;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    fill(this.say, !batches.length && [h("p.big", {}, t("noBatches")), h("p.dim", {}, t("noBatchesHint"))]);
    const rest = this.list.querySelector(".entries");
    fill(this.list, batches.map((batch) => this.#card(batch)));
    if (rest) this.list.firstChild.append(rest);
    if (focused) this.list.querySelector(`[data-part="${focused}"]`)?.focus();
  }

  #card(batch) {
    const state = batch.finished && batch.state === "running" ? "finished" : batch.state;
    const name = nameOf(batch);
    const facts = [t("recordings", { n: batch.n_entries }), batch.name && when(batch.created_at), batch.eta_s !== null && `${t("eta")}: ${duration(batch.eta_s)}`];
    return h(
      "li.batch",
      { data: { id: batch.id } },
      h("div.row.between", {}, h("h2", {}, this.id ? name : h("a", { href: `#/batches/${batch.id}`, data: { part: `open-${batch.id}` } }, name)), h(`span.state.${state === "finished" ? "succeeded" : state}`, {}, icon(ICONS[state]), h("span", {}, t(`batch_${state}`)))),
      h("p.meta", {}, facts.filter(Boolean).map((fact) => h("span", {}, fact))),
      batch.audio_s > 0 && h("span.progress", {}, h("progress", { max: batch.audio_s, value: batch.done_s, "aria-label": t("progress") }), h("span", {}, t("audioOf", { done: clock(batch.done_s), total: clock(batch.audio_s) }))),
      h("ul.counts", {}, ORDER.filter((what) => batch.counts[what]).map((what) => h(`li.${what}`, {}, h("span.n", {}, number(batch.counts[what], 0)), " ", h("span.dim", {}, countName(what))))),
      batch.estimate && h("p.dim", {}, t("estimateOf", { hours: number(batch.estimate.audio_h, 2), n: batch.estimate.n_unreadable })),
      h("div.row", {}, this.#actions(batch, name)),
    );
  }

  #actions(batch, name) {
    const move = (what) => async () => {
      if (what === "cancel" && !(await sure(t("cancelBatchSure", { name }), t("cancelBatch")))) return;
      await request(batchPath(batch.id, what), { method: "POST" });
      await this.#reload();
    };
    const retry = async () => {
      const { n_retried: n } = await (await request(batchPath(batch.id, "retry"), { method: "POST" })).json();
      notice(t("retried", { n }));
      await this.reading;
      this.entries = null;
      await this.load();
    };
    const manifest = () => download(batchPath(batch.id, "manifest"), `${batch.name || batch.id}.jsonl`);
    const button = (part, label, symbol, act) => h("button", { type: "button", data: { part: `${part}-${batch.id}` }, "aria-label": `${label}: ${name}`, onclick: once(act) }, icon(symbol), label);
    const ended = batch.finished || batch.state === "cancelled";
    return [
      batch.state === "running" && !ended && button("pause", t("pauseBatch"), "pause", move("pause")),
      batch.state === "paused" && button("resume", t("resumeBatch"), "play", move("resume")),
      batch.state === "estimated" && button("resume", t("startBatch"), "play", move("resume")),
      !ended && button("cancel", t("cancelBatch"), "stop", move("cancel")),
      batch.state !== "cancelled" && ((batch.counts.failed ?? 0) + (batch.counts.cancelled ?? 0) + (batch.counts.dropped ?? 0) > 0) && button("retry", t("retryFailed"), "retry", retry),
      button("manifest", t("manifest"), "download", manifest),
    ];
  }

  /** The recordings of the batch that is open, a page at a time. */
  async #more() {
    const page = await get(batchPath(this.id, `entries?limit=${PAGE}&after=${this.entries?.next ?? -1}`));
    if (this.closed) return;
    this.entries = { rows: [...(this.entries?.rows ?? []), ...page.entries], next: page.next_after };
    this.list.querySelector(".entries")?.remove();
    const row = (entry) =>
      h(
        "tr",
        {},
        h("td.n", {}, String(entry.seq)),
        h("td", {}, entry.job_id ? h("a", { href: `#/jobs/${entry.job_id}` }, entry.filename) : entry.filename, entry.custom_id && h("span.dim", {}, ` ${entry.custom_id}`)),
        h("td", {}, countName(entry.state)),
        h("td.dim", {}, entry.reason ?? "", " ", entry.detail),
      );
    const head = [h("th.n", { scope: "col" }, "#"), ...[t("name"), t("state"), t("reason")].map((label) => h("th", { scope: "col" }, label))];
    const table = h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, this.entries.rows.map(row)));
    const section = h("section.entries", { "aria-label": t("entries") }, h("div.tablewrap", { tabindex: "0", role: "region", "aria-label": t("entries") }, table));
    if (this.entries.next !== null) add(section, h("button", { type: "button", onclick: once(() => this.#more()) }, t("moreEntries")));
    this.list.firstChild?.append(section);
  }
}

/** Entries are counted by their own state, or by that of their job. */
function countName(what) {
  const own = named("entry", what);
  return own === what ? named("state", what) : own;
}
