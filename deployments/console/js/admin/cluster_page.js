// The page of the cluster: readiness, models, metrics, draining, deferred minutes, quarantine, recent failures.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { cookies, get, here, jobPath, request, requestJson, withAuthorization } from "../lib/api.js";
import { fill, h, icon, refill } from "../lib/dom.js";
import { clock, duration, errorMessage, number, shortDateTime } from "../lib/format.js";
import { t, tEnum } from "../lib/i18n.js";
import { parseMetrics } from "../lib/metrics.js";
import { toast } from "../lib/toasts.js";
import { feed } from "../jobs/feed.js";
import { replayJob } from "../jobs/job_rows.js";

const FAST_POLL_MS = 5000;
const SLOW_POLL_MS = 30_000;
const ADMIN_CARDS = ["minutes", "drain"];
const CARDS = {
  figures: "throughput",
  health: "clusterTitle",
  models: "modelsTitle",
  minutes: "provider",
  drain: "draining",
  quarantine: "quarantine",
  errors: "recentErrors",
  measures: "measures",
}; // titles by name

export class ClusterPage {
  title = t("clusterTitle");

  constructor() {
    const names = Object.keys(CARDS).filter((name) => account.may("admin") || !ADMIN_CARDS.includes(name));
    this.cards = Object.fromEntries(names.map((name) => [name, h(`section.card.${name}`)]));
    this.element = h("div.page.cluster", {}, h("h1", { tabindex: "-1" }, t("clusterTitle")), h("div.cards", {}, Object.values(this.cards)));
    this.reading = new Set(); // names of the cards that are being read
    this.nDrainChanges = 0; // draining begun or ended here
    this.onCounts = () => this.#drawFigures();
    feed.addEventListener("counts", this.onCounts);
    this.fastPoll = setInterval(() => this.#readFast(), FAST_POLL_MS);
    this.slowPoll = setInterval(() => this.#readSlow(), SLOW_POLL_MS);
    for (const card of Object.values(this.cards)) fill(card, h("p.dim", {}, t("loading")));
    this.#readFast();
    this.#readSlow();
  }

  close() {
    clearInterval(this.fastPoll);
    clearInterval(this.slowPoll);
    feed.removeEventListener("counts", this.onCounts);
  }

  #readFast() {
    if (document.hidden) return;
    this.#readCard("health", async () => this.#drawHealth(await readiness()));
    this.#readCard("models", async () => this.#drawModels((await get("/v1/models")).models));
    this.#readCard("figures", async () => {
      this.metrics = parseMetrics(await (await request("/metrics")).text());
      this.#drawFigures();
      this.#drawMeasures();
    });
    this.#readCard("drain", () => this.#readDrain());
    this.#readCard("minutes", async () => this.#drawMinutes(await get("/v1/admin/minutes")));
  }

  #readSlow() {
    if (document.hidden) return;
    this.#readCard("quarantine", async () => this.#drawQuarantine((await get("/v1/quarantine?limit=50")).chunks));
    this.#readCard("errors", async () => this.#drawErrors((await get("/v1/jobs?state=failed&limit=20")).jobs));
  }

  /** Read and draw a card, or show in it why that failed; one read at a time. */
  async #readCard(name, read) {
    if (!this.cards[name] || this.reading.has(name)) return;
    this.reading.add(name);
    try {
      await read();
    } catch (error) {
      if (error.status === 401) return;
      const why = error.status === 403 ? t("notAllowed") : errorMessage(error);
      fill(this.cards[name], h("h2", {}, t(CARDS[name])), h("p.dim", {}, why));
      if (name === "figures") fill(this.cards.measures, h("h2", {}, t("measures")), h("p.dim", {}, why));
    } finally {
      this.reading.delete(name);
    }
  }

  #drawHealth(ready) {
    const summary = { ok: t("allWell"), degraded: t("degraded"), down: t("down") }[ready.status];
    const row = ([name, { status, detail }]) =>
      h("li", {}, h(`span.light.${status}`, {}, icon(status === "ok" ? "check" : "warning")), h("span.name", {}, tEnum("component", name)), h("span.dim", {}, detail || t(`status_${status}`)));
    fill(this.cards.health, h("h2", {}, h(`span.light.${ready.status}`, {}, icon(ready.status === "ok" ? "check" : "warning")), summary), h("ul.components", {}, Object.entries(ready.components).map(row)));
  }

  #drawFigures() {
    if (!this.metrics) return;
    const isUp = this.metrics.value("meetmemo_coordinator_up") === 1;
    const backlog = this.metrics.value("meetmemo_backlog_audio_seconds") ?? (isUp ? 0 : null); // without jobs there is no sample
    const speed = this.metrics.value("meetmemo_speed_ratio");
    const counts = feed.counts ?? {};
    const live = (counts.queued ?? 0) + (counts.transcribing ?? 0) + (counts.summarizing ?? 0);
    const clears = backlog && speed ? t("clearIn", { time: duration(backlog / speed) }) : "";
    fill(
      this.cards.figures,
      h("h2.visually-hidden", {}, t("throughput")),
      figure(t("backlog"), backlog === null ? "–" : duration(backlog), [t("backlogHint"), clears].filter(Boolean).join("; ")),
      figure(t("throughput"), speed ? `${number(speed)}×` : t("idle"), t("throughputHint")),
      figure(t("live"), String(live), t("liveHintCluster")),
    );
  }

  #drawModels(models) {
    const replicas = (model) => this.metrics?.value("meetmemo_transcriber_replicas", `model="${model.name}"`) ?? null;
    const row = (model) =>
      h("li", {}, h(`span.light.${model.ready ? "ok" : "down"}`, {}, icon(model.ready ? "check" : "warning")), h("span.name", {}, model.name, model.default && h("span.dim", {}, ` ${t("defaultModel")}`), replicas(model) !== null && h("span.dim", {}, ` ${t("replicas", { n: replicas(model) })}`)), h("span.dim", {}, model.detail || (model.ready ? t("ready") : t("notReady"))));
    fill(this.cards.models, h("h2", {}, t("modelsTitle")), h("ul.components", {}, models.map(row)));
  }

  #drawMinutes({ parked, reasons }) {
    const resume = async () => {
      await request("/v1/admin/minutes/resume", { method: "POST" });
      toast(t("resumed"));
    };
    refill(
      this.cards.minutes,
      h("h2", {}, t("provider")),
      h("p", {}, parked ? t("parked", { n: parked }) : t("noneParked")),
      h("ul.reasons", {}, Object.entries(reasons).map(([why, n]) => h("li.dim", {}, `${n} × ${why}`))),
      parked > 0 && actionButton("button", { key: "resume-minutes", run: resume, data: { part: "resume" } }, t("resume")),
    );
  }

  async #readDrain() {
    const before = this.nDrainChanges;
    const status = await get("/v1/admin/drain");
    if (this.nDrainChanges === before) this.#drawDrain(status); // else it is older than the change
  }

  #drawDrain({ draining, live_jobs: n }) {
    const change = async () => {
      const status = await requestJson("/v1/admin/drain", { method: draining ? "DELETE" : "POST" });
      this.nDrainChanges++;
      this.#drawDrain(status);
    };
    refill(
      this.cards.drain,
      h("h2", {}, t("draining")),
      h("p", {}, draining ? t("drainOn", { n }) : t("drainOff")),
      actionButton("button", { key: "drain", run: change, data: { part: "drain" } }, draining ? t("drainEnd") : t("drainBegin")),
    );
  }

  #drawQuarantine(chunks) {
    const row = (chunk, index) => {
      const first = chunks.findIndex((other) => other.job_id === chunk.job_id) === index;
      const time = clock(chunk.start_s);
      const replay = async () => (await replayJob({ id: chunk.job_id }), this.#readSlow());
      const [clipKey, replayKey] = [`clip-${chunk.job_id}-${chunk.index}`, `replay-${chunk.job_id}`];
      return h(
        "tr",
        {},
        h("td", {}, h("a", { href: `#/jobs/${chunk.job_id}` }, chunk.filename)),
        h("td", {}, `${time}–${clock(chunk.end_s)}`),
        h("td", {}, h("span", { title: chunk.attempts.join("\n") }, lastLine(chunk.error)), h("span.dim", {}, ` ${t("attempts", { n: chunk.attempts.length })}`)),
        h(
          "td.actions",
          {},
          chunk.clip && actionButton("button.bare", { key: clipKey, run: () => playClip(chunk), data: { part: clipKey }, "aria-label": t("listen", { name: chunk.filename, time }) }, icon("play")),
          first && account.may("jobs:write") && actionButton("button", { key: replayKey, run: replay, data: { part: replayKey }, "aria-label": t("replayJob", { name: chunk.filename }) }, t("replay")),
        ),
      );
    };
    const head = [t("name"), t("passage"), t("error"), t("actions")];
    refill(this.cards.quarantine, h("h2", {}, t("quarantine")), h("p.dim", {}, t("quarantineHint")), chunks.length ? table(t("quarantine"), head, chunks.map(row)) : h("p.empty", {}, icon("check"), t("quarantineEmpty")));
  }

  #drawErrors(jobs) {
    const row = (job) => h("tr", {}, h("td", {}, h("a", { href: `#/jobs/${job.id}` }, job.filename)), h("td", {}, h("code", {}, job.reason)), h("td", {}, job.detail), h("td", {}, shortDateTime(job.updated_at)));
    const head = [t("name"), t("reason"), t("error"), t("when")];
    fill(this.cards.errors, h("h2", {}, t("recentErrors")), jobs.length ? table(t("recentErrors"), head, jobs.map(row)) : h("p.empty", {}, icon("check"), t("noErrors")));
  }

  #drawMeasures() {
    const open = this.cards.measures.querySelector("details")?.open ?? false;
    const row = ({ name, labels, value, help }) => h("tr", {}, h("td", {}, h("code", { title: help }, name), labels && h("span.dim", {}, ` ${labels}`)), h("td.n", {}, number(value, 3)));
    const list = this.metrics.samples.filter(({ name }) => !name.endsWith("_created") && !name.endsWith("_bucket"));
    fill(this.cards.measures, h("details", { open }, h("summary", {}, h("h2", {}, t("measures"))), h("p.dim", {}, t("measuresHint")), table(t("measures"), [t("metric"), t("value")], list.map(row))));
  }
}

async function readiness() {
  const response = await fetch(here("/readyz"), { headers: withAuthorization(), credentials: cookies() }); // also 503 has a body to show
  const body = await response.json();
  if (!body.components) throw new Error(body.detail);
  return body;
}

const figure = (label, value, hint) => h("div.figure", {}, h("h3", {}, label), h("p.value", {}, value), h("p.dim", {}, hint));

function table(label, head, rows) {
  return h("div.tablewrap", { tabindex: "0", role: "region", "aria-label": label }, h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
}

const lastLine = (text) => text.trim().split("\n").at(-1);

async function playClip(chunk) {
  const response = await request(jobPath(chunk.job_id, "quarantine", String(chunk.index), "clip"));
  const audio = new Audio(URL.createObjectURL(await response.blob()));
  audio.addEventListener("ended", () => URL.revokeObjectURL(audio.src));
  await audio.play();
}
