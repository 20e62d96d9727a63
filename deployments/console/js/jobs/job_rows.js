// A job in lists: its state in text, colour and shape, its progress in audio time, its actions.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { jobPath, request, requestJson } from "../lib/api.js";
import { h, icon } from "../lib/dom.js";
import { clock, duration, fullDateTime, shortDateTime } from "../lib/format.js";
import { MESSAGES, t } from "../lib/i18n.js";
import { confirmDialog, toast } from "../lib/toasts.js";
import { feed } from "./feed.js";

const LIVE = ["queued", "transcribing", "summarizing"];
export const isLive = (job) => LIVE.includes(job.state);

const ICONS = { queued: "clock", transcribing: "wave", summarizing: "minutes", succeeded: "check", failed: "failed", cancelled: "stop" };

export function stateBadge(job) {
  const label = job.cancel_requested ? t("cancelling") : t(`state_${job.state}`);
  return h(`span.state.${job.state}`, {}, icon(ICONS[job.state]), h("span", {}, label));
}

export function progressBar(job) {
  if (job.state === "queued" || !isLive(job)) return null;
  const { audio_s: total, done_s: done } = job.progress;
  const text = t(job.n_chunks === null ? "found" : "audioOf", { done: clock(done), total: clock(total) });
  return h(
    "span.progress",
    {},
    h("progress", { max: Math.max(total, 0.001), value: job.state === "summarizing" ? total : done, "aria-label": t("progress") }),
    h("span", {}, text),
  );
}

export function jobRow(job, index) {
  const length = job.progress.audio_s;
  const cell = (name, ...children) => h(`span.cell.${name}`, { role: "cell" }, ...children);
  return h(
    "div.job",
    { role: "row", "aria-rowindex": index + 2, data: { id: job.id } },
    cell("what", stateBadge(job)),
    cell("name", h("a", { href: `#/jobs/${job.id}`, data: { part: "open" } }, job.filename)),
    cell("bar", progressBar(job) ?? outcome(job)),
    cell("length", !isLive(job) && length ? duration(length) : ""),
    cell("eta", job.eta_s === null ? "" : duration(job.eta_s)),
    cell("created", h("time", { datetime: job.created_at, title: fullDateTime(job.created_at) }, shortDateTime(job.created_at))),
    cell("actions", ...jobActions(job)),
  );
}

/** Put a note about a recording into words; one of a kind that is not known here, in English. */
export const noteText = ({ code, text, values }) => (`note_${code}` in MESSAGES ? t(`note_${code}`, values) : text);

/** Why a job failed, or the first thing to know of its recording. */
function outcome(job) {
  if (job.state === "failed") return h("span.dim.cut", { title: job.detail }, job.reason);
  const told = job.notes.map(noteText);
  return told.length ? h("span.remark.cut", { title: told.join("\n") }, icon("warning"), told[0]) : null;
}

/** List what is to be known of a job's recording. */
export function notes(job) {
  return job.notes.length ? h("ul.remarks", {}, job.notes.map((note) => h("li.remark", {}, icon("warning"), noteText(note)))) : null;
}

/** Build the list of the legal holds on a job, null where there are none: nothing of it is deleted meanwhile. */
export function holds(job) {
  const text = ({ name, reason }) => t("onHold", { why: [name, reason].filter(Boolean).join(" – ") });
  return job.holds?.length ? h("ul.remarks", {}, job.holds.map((hold) => h("li.remark", {}, icon("warning"), text(hold)))) : null;
}

/** Build the buttons of the actions that a job's state and the user's role allow; `onErased` is called after its erasure. */
export function jobActions(job, { onErased } = {}) {
  if (!account.may("jobs:write")) return [];
  const name = job.filename;
  const button = (part, label, symbol, run) =>
    actionButton("button.bare", { key: `${part}-${job.id}`, run, "aria-label": label, title: label, data: { part } }, icon(symbol));
  const buttons = {
    cancel: () => button("cancel", t("cancelJob", { name }), "stop", () => cancelJob(job)),
    retry: () => button("retry", t("retryJob", { name }), "retry", () => retryJob(job)),
    replay: () => button("replay", t("replayJob", { name }), "retry", () => replayJob(job)),
    erase: () => button("erase", t("eraseJob", { name }), "trash", () => eraseJob(job, onErased)),
  };
  return allowedActions(job).map((action) => buttons[action]());
}

/** List the actions that a job's state allows: cancel; retry (its source can be had again) or replay; erase. */
export function allowedActions(job) {
  if (isLive(job)) return job.cancel_requested ? [] : ["cancel"];
  if (isRetriable(job)) return ["retry", "erase"];
  return job.n_failed_chunks > 0 ? ["replay", "erase"] : ["erase"];
}

/** Whether the job failed or was cancelled and its URL, its transcript or its quarantined chunks can be read again. */
function isRetriable(job) {
  const hasSource = Boolean(job.source.url || job.minutes_of || job.redo_of);
  return job.state === "failed" ? hasSource || job.n_failed_chunks > 0 : job.state === "cancelled" && hasSource;
}

async function retryJob(job) {
  feed.publish(await requestJson(jobPath(job.id, "retry"), { method: "POST" }));
  toast(t("retriedJob"));
}

async function cancelJob(job) {
  feed.publish(await requestJson(`${jobPath(job.id)}?everyone=true`, { method: "DELETE" }));
}

export async function replayJob(job) {
  feed.publish(await requestJson(jobPath(job.id, "replay"), { method: "POST" }));
  toast(t("replayed"));
}

async function eraseJob(job, onErased) {
  if (!(await confirmDialog(t("eraseSure", { name: job.filename }), t("erase")))) return;
  await request(`${jobPath(job.id)}?purge=true`, { method: "DELETE" });
  feed.publishErased(job.id);
  toast(t("erased"));
  onErased?.();
}
