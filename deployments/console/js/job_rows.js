// A job as it stands in lists: its state in words, colour and shape, its progress in audio time, what can be done.

import { jobPath, request } from "./api.js";
import { h, icon } from "./dom.js";
import { feed } from "./feed.js";
import { clock, duration, exactly, when } from "./format.js";
import { notice, once, sure } from "./notices.js";
import { t } from "./words.js";

export const LIVE = ["queued", "transcribing", "summarizing"];
export const isLive = (job) => LIVE.includes(job.state);

const ICONS = { queued: "clock", transcribing: "wave", summarizing: "minutes", succeeded: "check", failed: "failed", cancelled: "stop" };

export function stateBadge(job) {
  const words = job.cancel_requested ? t("cancelling") : t(`state_${job.state}`);
  return h(`span.state.${job.state}`, {}, icon(ICONS[job.state]), h("span", {}, words));
}

export function progressBar(job) {
  const { audio_s: total, done_s: done } = job.progress;
  if (job.state === "queued") return null;
  if (!isLive(job)) return null;
  const words = job.n_chunks === null ? t("found", { done: clock(done), total: clock(total) }) : t("audioOf", { done: clock(done), total: clock(total) });
  return h(
    "span.progress",
    {},
    h("progress", { max: Math.max(total, 0.001), value: job.state === "summarizing" ? total : done, "aria-label": t("progress") }),
    h("span", {}, words),
  );
}

export function jobRow(job, index) {
  const length = job.progress.audio_s / (job.options.channels === "split" ? 2 : 1);
  const cell = (name, ...children) => h(`span.cell.${name}`, { role: "cell" }, ...children);
  return h(
    "div.job",
    { role: "row", "aria-rowindex": index + 2, data: { id: job.id } },
    cell("what", stateBadge(job)),
    cell("name", h("a", { href: `#/jobs/${job.id}`, data: { part: "open" } }, job.filename)),
    cell("bar", progressBar(job) ?? (job.state === "failed" ? h("span.dim.cut", { title: job.detail }, job.reason) : null)),
    cell("length", !isLive(job) && length ? duration(length) : ""),
    cell("eta", job.eta_s === null ? "" : duration(job.eta_s)),
    cell("created", h("time", { datetime: job.created_at, title: exactly(job.created_at) }, when(job.created_at))),
    cell("actions", ...jobActions(job)),
  );
}

/** Buttons for what can be done to a job in its state. */
export function jobActions(job, { erased } = {}) {
  const name = job.filename;
  const button = (part, label, symbol, act) =>
    h("button.bare", { type: "button", "aria-label": label, title: label, data: { part }, onclick: once(act) }, icon(symbol));
  if (isLive(job)) return [button("cancel", t("cancelJob", { name }), "stop", () => cancelJob(job))];
  return [
    retriable(job) && button("retry", t("retryJob", { name }), "retry", () => retryJob(job)),
    !retriable(job) && job.n_failed_chunks > 0 && button("replay", t("replayJob", { name }), "retry", () => replayJob(job)),
    button("erase", t("eraseJob", { name }), "trash", () => eraseJob(job, erased)),
  ].filter(Boolean);
}

/** Whether there is something to try again from: a URL, a transcript, chunks in quarantine. */
const retriable = (job) => job.state === "failed" ? Boolean(job.source.url || job.minutes_of || job.n_failed_chunks) : job.state === "cancelled" && Boolean(job.source.url || job.minutes_of);

async function retryJob(job) {
  const answer = await request(jobPath(job.id, "retry"), { method: "POST" });
  feed.announce(await answer.json());
  notice(t("retriedJob"));
}

async function cancelJob(job) {
  const answer = await request(jobPath(job.id), { method: "DELETE" });
  feed.announce(await answer.json());
}

export async function replayJob(job) {
  const answer = await request(jobPath(job.id, "replay"), { method: "POST" });
  feed.announce(await answer.json());
  notice(t("replayed"));
}

async function eraseJob(job, erased) {
  if (!(await sure(t("eraseSure", { name: job.filename }), t("erase")))) return;
  await request(`${jobPath(job.id)}?purge=true`, { method: "DELETE" });
  feed.forget(job.id);
  notice(t("erased"));
  erased?.();
}
