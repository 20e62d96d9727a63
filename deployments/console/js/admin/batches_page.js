// The page of batches: their totals and actions, and the entries of the one that is open.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { download, get, request, requestJson } from "../lib/api.js";
import { add, fill, h, icon, refill } from "../lib/dom.js";
import { clock, duration, errorMessage, number, shortDateTime } from "../lib/format.js";
import { t, tEnum } from "../lib/i18n.js";
import { confirmDialog, toast } from "../lib/toasts.js";

const POLL_MS = 3000;
const PAGE_SIZE = 100;
const STATES = ["succeeded", "summarizing", "transcribing", "queued", "pending", "uploading", "failed", "cancelled", "dropped", "gone"];
const ICONS = { probing: "clock", estimated: "clock", running: "wave", finished: "check", paused: "pause", cancelled: "stop" };

const batchPath = (id, ...rest) => ["/v1/batches", encodeURIComponent(id), ...rest].join("/");
const nameOf = (batch) => batch.name || t("batchOf", { when: shortDateTime(batch.created_at) });

export class BatchesPage {
  title = t("batchesTitle");

  /** `id` is that of the batch that is open, "" for the list. */
  constructor(id = "") {
    this.id = id;
    this.entries = null;
    this.list = h("ul.batches");
    this.status = h("div.say", { "aria-live": "polite" }, h("p.dim", {}, t("loading")));
    this.element = h("div.page.batchpage", {}, h("h1", { tabindex: "-1" }, id ? h("a", { href: "#/batches" }, t("batchesTitle")) : t("batchesTitle")), this.status, this.list);
    this.timer = setInterval(() => document.hidden || this.load(), POLL_MS);
    this.load();
  }

  close() {
    this.closed = true;
    clearInterval(this.timer);
  }

  /** Read again, once at a time. */
  load() {
    this.reading ??= this.#read().finally(() => (this.reading = null));
    return this.reading;
  }

  /** Read again after the read in progress, which may have missed a change. */
  async #reload() {
    await this.reading;
    await this.load();
  }

  async #read() {
    try {
      const batches = this.id ? [await get(batchPath(this.id))] : (await get("/v1/batches?limit=100")).batches;
      if (this.closed) return;
      this.#draw(batches);
      if (this.id && !this.entries) await this.#readEntries();
    } catch (error) {
      if (this.closed || error.status === 401) return;
      fill(this.status, h("p", {}, icon("warning"), errorMessage(error)));
      this.shown = null; // the next read clears the error, also if nothing has changed
    }
  }

  #draw(batches) {
    const shown = JSON.stringify(batches);
    if (shown === this.shown) return;
    this.shown = shown;
    fill(this.status, !batches.length && [h("p.big", {}, t("noBatches")), h("p.dim", {}, t("noBatchesHint"))]);
    const entries = this.list.querySelector(".entries");
    const cards = batches.map((batch) => this.#card(batch));
    if (entries) cards[0].append(entries);
    refill(this.list, cards);
  }

  #card(batch) {
    const state = batch.finished && batch.state === "running" ? "finished" : batch.state;
    const name = nameOf(batch);
    const facts = [t("recordings", { n: batch.n_entries }), batch.name && shortDateTime(batch.created_at), batch.eta_s !== null && `${t("eta")}: ${duration(batch.eta_s)}`];
    return h(
      "li.batch",
      { data: { id: batch.id } },
      h("div.row.between", {}, h("h2", {}, this.id ? name : h("a", { href: `#/batches/${batch.id}`, data: { part: `open-${batch.id}` } }, name)), h(`span.state.${state === "finished" ? "succeeded" : state}`, {}, icon(ICONS[state]), h("span", {}, t(`batch_${state}`)))),
      h("p.meta", {}, facts.filter(Boolean).map((fact) => h("span", {}, fact))),
      batch.audio_s > 0 && h("span.progress", {}, h("progress", { max: batch.audio_s, value: batch.done_s, "aria-label": t("progress") }), h("span", {}, t("audioOf", { done: clock(batch.done_s), total: clock(batch.audio_s) }))),
      h("ul.counts", {}, STATES.filter((each) => batch.counts[each]).map((each) => h(`li.${each}`, {}, h("span.n", {}, number(batch.counts[each], 0)), " ", h("span.dim", {}, stateName(each))))),
      batch.estimate && h("p.dim", {}, t("estimateOf", { hours: number(batch.estimate.audio_h, 2), n: batch.estimate.n_unreadable })),
      h("div.row", {}, h("a", { href: `#/review/${encodeURIComponent(`batch=${batch.id}`)}` }, t("reviewTitle")), this.#actions(batch, name)),
    );
  }

  #actions(batch, name) {
    const post = (action) => async () => {
      if (action === "cancel" && !(await confirmDialog(t("cancelBatchSure", { name }), t("cancelBatch")))) return;
      await request(batchPath(batch.id, action), { method: "POST" });
      await this.#reload();
    };
    const retry = async () => {
      const { n_retried: n } = await requestJson(batchPath(batch.id, "retry"), { method: "POST" });
      toast(t("retried", { n }));
      this.entries = null; // their states have changed
      await this.#reload();
    };
    const manifest = () => download(batchPath(batch.id, "manifest"), `${batch.name || batch.id}.jsonl`);
    const button = (part, label, symbol, run) => {
      const key = `${part}-${batch.id}`;
      return actionButton("button", { key, run, data: { part: key }, "aria-label": `${label}: ${name}` }, icon(symbol), label);
    };
    if (!account.may("jobs:write")) return [button("manifest", t("manifest"), "download", manifest)];
    const ended = batch.finished || batch.state === "cancelled";
    return [
      batch.state === "running" && !ended && button("pause", t("pauseBatch"), "pause", post("pause")),
      batch.state === "paused" && button("resume", t("resumeBatch"), "play", post("resume")),
      batch.state === "estimated" && button("resume", t("startBatch"), "play", post("resume")),
      !ended && button("cancel", t("cancelBatch"), "stop", post("cancel")),
      batch.state !== "cancelled" && ((batch.counts.failed ?? 0) + (batch.counts.cancelled ?? 0) + (batch.counts.dropped ?? 0) > 0) && button("retry", t("retryFailed"), "retry", retry),
      button("manifest", t("manifest"), "download", manifest),
    ];
  }

  /** Read the next page of entries of the batch that is open. */
  async #readEntries() {
    const before = this.entries;
    const page = await get(batchPath(this.id, `entries?limit=${PAGE_SIZE}&after=${before?.next ?? -1}`));
    if (this.closed || this.entries !== before) return; // the same page, or older states
    this.entries = { rows: [...(before?.rows ?? []), ...page.entries], next: page.next_after };
    const old = this.list.querySelector(".entries");
    const focused = old?.contains(document.activeElement);
    old?.remove();
    const row = (entry) =>
      h(
        "tr",
        {},
        h("td.n", {}, String(entry.seq)),
        h("td", {}, entry.job_id ? h("a", { href: `#/jobs/${entry.job_id}` }, entry.filename) : entry.filename, entry.custom_id && h("span.dim", {}, ` ${entry.custom_id}`)),
        h("td", {}, stateName(entry.state)),
        h("td.dim", {}, entry.reason ?? "", " ", entry.detail),
      );
    const head = [h("th.n", { scope: "col" }, "#"), ...[t("name"), t("state"), t("reason")].map((label) => h("th", { scope: "col" }, label))];
    const table = h("table", {}, h("thead", {}, h("tr", {}, head)), h("tbody", {}, this.entries.rows.map(row)));
    const section = h("section.entries", { "aria-label": t("entries") }, h("div.tablewrap", { tabindex: "0", role: "region", "aria-label": t("entries") }, table));
    if (this.entries.next !== null) add(section, actionButton("button", { key: `entries-${this.id}`, run: () => this.#readEntries(), data: { part: "entries" } }, t("moreEntries")));
    this.list.firstChild?.append(section);
    if (focused) section.querySelector("button")?.focus({ preventScroll: true });
  }
}

/** Name the state of an entry, which is its own or that of its job. */
function stateName(state) {
  const own = tEnum("entry", state);
  return own === state ? tEnum("state", state) : own;
}
