// The details of a job: coverage, source, options and model, history, and the deletion of its audio alone.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { jobPath, request } from "../lib/api.js";
import { fill, h } from "../lib/dom.js";
import { clock, duration, fullDateTime, languageName, percent, size } from "../lib/format.js";
import { t, tEnum } from "../lib/i18n.js";
import { confirmDialog, toast } from "../lib/toasts.js";
import { isLive } from "../jobs/job_rows.js";

const HEALTHS = ["transcribed", "silence", "suspect", "failed"];

/** Shows a job's details; dispatches "audiodeleted". */
export class DetailsView extends EventTarget {
  constructor() {
    super();
    this.element = h("div.details");
  }

  /** `transcript` is null where there is none; `hasAudio` says whether there is audio to delete. */
  show(job, transcript, hasAudio) {
    const key = `delete-audio-${job.id}`;
    fill(
      this.element,
      transcript && h("section", {}, h("h3", {}, t("coverage")), coverageTable(transcript)),
      h("section", {}, h("h3", {}, t("details")), facts(job, transcript)),
      job.events && h("section", {}, h("h3", {}, t("history")), history(job.events)),
      account.may("admin") && h("div.row", {}, recordLink("audit", "object", job, t("keeping_audit")), recordLink("holds", "job", job, t("placeHold"))),
      hasAudio && !isLive(job) && account.may("jobs:write") && actionButton("button", { key, run: () => this.#deleteAudio(job) }, t("deleteAudio")),
    );
  }

  async #deleteAudio(job) {
    if (!(await confirmDialog(t("deleteAudioSure"), t("erase")))) return;
    await request(jobPath(job.id, "audio"), { method: "DELETE" });
    toast(t("audioDeleted"));
    this.dispatchEvent(new Event("audiodeleted"));
  }
}

/** Link to what is on record of a job: a section of the page of records, with a filter. */
const recordLink = (section, filter, job, label) => h("a", { href: `#/keeping/${section}/${encodeURIComponent(new URLSearchParams({ [filter]: job.id }))}` }, label);

/** Sum the seconds of every health, over all channels. */
export function totals(transcript) {
  const sums = Object.fromEntries(HEALTHS.map((health) => [health, 0]));
  for (const { start_s: start, end_s: end, health } of transcript.coverage) sums[health] += end - start;
  return sums;
}

function coverageTable(transcript) {
  const sums = totals(transcript);
  const all = Object.values(sums).reduce((sum, value) => sum + value, 0) || 1;
  const rows = HEALTHS.filter((health) => sums[health] > 0 || health === "transcribed").map((health) =>
    h("div", {}, h("dt", {}, h(`span.swatch.${health}`), t(`health_${health}`)), h("dd", {}, `${clock(sums[health])} · ${percent(sums[health] / all)}`)),
  );
  return h("dl.facts", {}, rows);
}

function facts(job, transcript) {
  const row = (name, value) => value && h("div", {}, h("dt", {}, name), h("dd", {}, value));
  const { options, source } = job;
  const { model } = transcript ?? {};
  return h(
    "dl.facts",
    {},
    row(t("jobId"), h("code", {}, job.id)),
    job.replay_of && row(t("replayOf"), h("a", { href: `#/jobs/${job.replay_of}` }, job.replay_of)),
    row(t("submitted"), fullDateTime(job.created_at)),
    source.url && row(t("source"), source.url),
    source.n_bytes > 0 && row(t("size"), size(source.n_bytes)),
    source.sha256 && row(t("checksum"), h("code", {}, `${source.sha256.slice(0, 16)}…`)),
    transcript && row(t("length"), duration(transcript.duration_s)),
    row(t("model"), model ? `${model.name}${model.compute_type ? ` (${model.compute_type})` : ""}` : options.model),
    model?.device && row(t("component_device"), model.device),
    ...(transcript?.languages ?? []).map((vote) => row(t("language"), t("detectedAs", { language: languageName(vote.language), time: duration(vote.seconds), share: percent(vote.probability) }))),
    row(t("channels"), t(`channels_${options.channels}`)),
    job.tracks.length > 1 && row(t("tracks"), h("ul.tracks", {}, job.tracks.map((track) => h("li", {}, trackText(track))))),
    row(t("minutes"), tEnum("minutes", options.minutes)),
    job.n_chunks !== null && row(t("chunks"), `${job.n_chunks}${job.n_failed_chunks ? ` · ${t("chunksFailed", { n: job.n_failed_chunks })}` : ""}`),
    job.detail && row("", job.detail),
  );
}

/** Describe a sound track: its number, names, codec, length, and what became of it. */
function trackText({ number, title, language, codec, duration_s: seconds, state }) {
  return `${number}: ${[title, language, codec, seconds && duration(seconds), t(`trackState_${state}`)].filter(Boolean).join(", ")}`;
}

function history(events) {
  const row = (event) => h("li", {}, h("time", { datetime: event.at }, fullDateTime(event.at)), " ", h("span", {}, tEnum("state", event.name)), event.detail && h("span.dim", {}, ` ${event.detail}`));
  return h("ol.history", {}, events.map(row));
}
