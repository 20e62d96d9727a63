// What is known about a job: where it came from, how it was decoded, what of it is covered, what happened when.

import { jobPath, request } from "./api.js";
import { fill, h } from "./dom.js";
import { clock, duration, exactly, languageName, percent, size } from "./format.js";
import { isLive } from "./job_rows.js";
import { notice, sure, trying } from "./notices.js";
import { named, t } from "./words.js";

const HEALTHS = ["transcribed", "silence", "suspect", "failed"];

export class DetailsView {
  constructor() {
    this.element = h("div.details");
  }

  show(job, transcript) {
    fill(
      this.element,
      transcript && h("section", {}, h("h3", {}, t("coverage")), coverageTable(transcript)),
      h("section", {}, h("h3", {}, t("details")), facts(job, transcript)),
      job.events && h("section", {}, h("h3", {}, t("history")), history(job.events)),
      job.options.keep_audio && !isLive(job) && h("button", { type: "button", onclick: () => trying(() => deleteAudio(job)) }, t("deleteAudio")),
    );
  }
}

/** Seconds of every health, over all channels. */
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
    row(t("submitted"), exactly(job.created_at)),
    source.url && row(t("source"), source.url),
    source.n_bytes > 0 && row(t("size"), size(source.n_bytes)),
    source.sha256 && row(t("checksum"), h("code", {}, `${source.sha256.slice(0, 16)}…`)),
    transcript && row(t("length"), duration(transcript.duration_s)),
    row(t("model"), model ? `${model.name}${model.compute_type ? ` (${model.compute_type})` : ""}` : options.model),
    model?.device && row(t("component_device"), model.device),
    ...(transcript?.languages ?? []).map((vote) => row(t("language"), t("detectedAs", { language: languageName(vote.language), share: percent(vote.probability) }))),
    row(t("channels"), t(`channels_${options.channels}`)),
    row(t("minutes"), named("minutes", options.minutes)),
    job.n_chunks !== null && row(t("chunks"), `${job.n_chunks}${job.n_failed_chunks ? ` · ${t("chunksFailed", { n: job.n_failed_chunks })}` : ""}`),
    job.detail && row("", job.detail),
  );
}

function history(events) {
  const row = (event) => h("li", {}, h("time", { datetime: event.at }, exactly(event.at)), " ", h("span", {}, named("state", event.name)), event.detail && h("span.dim", {}, ` ${event.detail}`));
  return h("ol.history", {}, events.map(row));
}

async function deleteAudio(job) {
  if (!(await sure(t("deleteAudioSure"), t("erase")))) return;
  await request(jobPath(job.id, "audio"), { method: "DELETE" });
  notice(t("audioDeleted"));
}
