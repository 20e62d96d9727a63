// The cluster for its operators: the same truth as /readyz and /metrics, the quarantine, what failed lately.

import { get, headers, jobPath, request } from "./api.js";
import { fill, h, icon } from "./dom.js";
import { feed } from "./feed.js";
import { clock, duration, number, trouble, when } from "./format.js";
import { replayJob } from "./job_rows.js";
import { notice, once } from "./notices.js";
import { readMetrics } from "./metrics.js";
import { named, t } from "./words.js";

const EVERY_MS = 5000;
const SLOWLY_MS = 30_000;

export class ClusterPage {
  title = t("clusterTitle");

  constructor() {
    this.parts = Object.fromEntries(["figures", "health", "models", "minutes", "drain", "quarantine", "errors", "measures"].map((name) => [name, h(`section.card.${name}`)]));
    this.element = h("div.page.cluster", {}, h("h1", { tabindex: "-1" }, t("clusterTitle")), h("div.cards", {}, Object.values(this.parts)));
    this.reading = new Set(); // names of the parts that are being read
    this.nSteered = 0; // how often draining was begun or ended here
    this.onCounts = () => this.#drawFigures();
    feed.addEventListener("counts", this.onCounts);
    this.often = setInterval(() => this.#readOften(), EVERY_MS);
    this.seldom = setInterval(() => this.#readSeldom(), SLOWLY_MS);
    for (const part of Object.values(this.parts)) fill(part, h("p.dim", {}, t("loading")));
    this.#readOften();
    this.#readSeldom();
  }

  close() {
    clearInterval(this.often);
    clearInterval(this.seldom);
    feed.removeEventListener("counts", this.onCounts);
  }

  #readOften() {
    if (document.hidden) return;
    this.#part("health", async () => this.#drawHealth(await readiness()));
    this.#part("models", async () => this.#drawModels((await get("/v1/models")).models));
    this.#part("figures", async () => {
      this.metrics = readMetrics(await (await request("/metrics")).text());
      this.#drawFigures();
      this.#drawMeasures();
    });
    this.#part("drain", () => this.#readDrain());
    this.#part("minutes", async () => this.#drawMinutes(await get("/v1/admin/minutes")));
  }

  #readSeldom() {
    if (document.hidden) return;
    this.#part("quarantine", async () => this.#drawQuarantine((await get("/v1/quarantine?limit=50")).chunks));
    this.#part("errors", async () => this.#drawErrors((await get("/v1/jobs?state=failed&limit=20")).jobs));
  }

  /** Fills a card, or says in it why it stays empty; a slow answer is waited for, not asked again. */
  async #part(name, read) {
    if (this.reading.has(name)) return;
    this.reading.add(name);
    try {
      await read();
    } catch (error) {
      if (error.status === 401) return;
      const words = error.status === 403 ? t("notAllowed") : trouble(error);
      fill(this.parts[name], h("h2", {}, t(TITLES[name])), h("p.dim", {}, words));
      if (name === "figures") fill(this.parts.measures, h("h2", {}, t("measures")), h("p.dim", {}, words));
    } finally {
      this.reading.delete(name);
    }
  }

  #drawHealth(ready) {
    const words = { ok: t("allWell"), degraded: t("degraded"), down: t("down") }[ready.status];
    const row = ([name, { status, detail }]) =>
      h("li", {}, h(`span.light.${status}`, {}, icon(status === "ok" ? "check" : "warning")), h("span.name", {}, named("component", name)), h("span.dim", {}, detail || t(`status_${status}`)));
    fill(this.parts.health, h("h2", {}, h(`span.light.${ready.status}`, {}, icon(ready.status === "ok" ? "check" : "warning")), words), h("ul.components", {}, Object.entries(ready.components).map(row)));
  }

  #drawFigures() {
    if (!this.metrics) return;
    const answers = this.metrics.value("meetmemo_coordinator_up") === 1;
    const backlog = this.metrics.value("meetmemo_backlog_audio_seconds") ?? (answers ? 0 : null); // of no jobs: no sample
    const speed = this.metrics.value("meetmemo_speed_ratio");
    const counts = feed.counts ?? {};
    const live = (counts.queued ?? 0) + (counts.transcribing ?? 0) + (counts.summarizing ?? 0);
    const clears = backlog && speed ? t("clearIn", { time: duration(backlog / speed) }) : "";
    fill(
      this.parts.figures,
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
    fill(this.parts.models, h("h2", {}, t("modelsTitle")), h("ul.components", {}, models.map(row)));
  }

  #drawMinutes({ parked, reasons }) {
    const resume = async () => {
      await request("/v1/admin/minutes/resume", { method: "POST" });
      notice(t("resumed"));
    };
    fill(
      this.parts.minutes,
      h("h2", {}, t("provider")),
      h("p", {}, parked ? t("parked", { n: parked }) : t("noneParked")),
      h("ul.reasons", {}, Object.entries(reasons).map(([why, n]) => h("li.dim", {}, `${n} × ${why}`))),
      parked > 0 && h("button", { type: "button", onclick: once(resume) }, t("resume")),
    );
  }

  async #readDrain() {
    const before = this.nSteered;
    const status = await get("/v1/admin/drain");
    if (this.nSteered === before) this.#drawDrain(status); // else it tells of the time before the button was pressed
  }

  #drawDrain({ draining, live_jobs: n }) {
    const change = async () => {
      const status = await get("/v1/admin/drain", { method: draining ? "DELETE" : "POST" });
      this.nSteered++;
      this.#drawDrain(status);
    };
    fill(
      this.parts.drain,
      h("h2", {}, t("draining")),
      h("p", {}, draining ? t("drainOn", { n }) : t("drainOff")),
      h("button", { type: "button", onclick: once(change) }, draining ? t("drainEnd") : t("drainBegin")),
    );
  }

  #drawQuarantine(chunks) {
    const row = (chunk, index) => {
      const first = chunks.findIndex((other) => other.job_id === chunk.job_id) === index;
      const time = clock(chunk.start_s);
      const replay = once(async () => (await replayJob({ id: chunk.job_id }), this.#readSeldom()));
      return h(
        "tr",
        {},
        h("td", {}, h("a", { href: `#/jobs/${chunk.job_id}` }, chunk.filename)),
        h("td", {}, `${time}–${clock(chunk.end_s)}`),
        h("td", {}, h("span", { title: chunk.attempts.join("\n") }, lastLine(chunk.error)), h("span.dim", {}, ` ${t("attempts", { n: chunk.attempts.length })}`)),
        h(
          "td.actions",
          {},
          chunk.clip && h("button.bare", { type: "button", "aria-label": t("listen", { name: chunk.filename, time }), onclick: once(() => hear(chunk)) }, icon("play")),
          first && h("button", { type: "button", "aria-label": t("replayJob", { name: chunk.filename }), onclick: replay }, t("replay")),
        ),
      );
    };
    const head = [t("name"), t("passage"), t("error"), t("actions")];
    fill(this.parts.quarantine, h("h2", {}, t("quarantine")), h("p.dim", {}, t("quarantineHint")), chunks.length ? table(t("quarantine"), head, chunks.map(row)) : h("p.empty", {}, icon("check"), t("quarantineEmpty")));
  }

  #drawErrors(jobs) {
    const row = (job) => h("tr", {}, h("td", {}, h("a", { href: `#/jobs/${job.id}` }, job.filename)), h("td", {}, h("code", {}, job.reason)), h("td", {}, job.detail), h("td", {}, when(job.updated_at)));
    const head = [t("name"), t("reason"), t("error"), t("when")];
    fill(this.parts.errors, h("h2", {}, t("recentErrors")), jobs.length ? table(t("recentErrors"), head, jobs.map(row)) : h("p.empty", {}, icon("check"), t("noErrors")));
  }

  #drawMeasures() {
    const open = this.parts.measures.querySelector("details")?.open ?? false;
    const row = ({ name, labels, value, help }) => h("tr", {}, h("td", {}, h("code", { title: help }, name), labels && h("span.dim", {}, ` ${labels}`)), h("td.n", {}, number(value, 3)));
    const list = this.metrics.samples.filter(({ name }) => !name.endsWith("_created") && !name.endsWith("_bucket"));
    fill(this.parts.measures, h("details", { open }, h("summary", {}, h("h2", {}, t("measures"))), h("p.dim", {}, t("measuresHint")), table(t("measures"), [t("metric"), t("value")], list.map(row))));
  }
}

const TITLES = { health: "clusterTitle", figures: "throughput", models: "modelsTitle", minutes: "provider", drain: "draining", quarantine: "quarantine", errors: "recentErrors", measures: "measures" };

async function readiness() {
  const answer = await fetch("/readyz", { headers: headers(), credentials: "omit" }); // 503 has a body to show
  const body = await answer.json();
  if (!body.components) throw new Error(body.detail);
  return body;
}

const figure = (label, value, hint) => h("div.figure", {}, h("h3", {}, label), h("p.value", {}, value), h("p.dim", {}, hint));

function table(label, head, rows) {
  return h("div.tablewrap", { tabindex: "0", role: "region", "aria-label": label }, h("table", {}, h("thead", {}, h("tr", {}, head.map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, rows)));
}

const lastLine = (text) => text.trim().split("\n").at(-1);

async function hear(chunk) {
  const answer = await request(jobPath(chunk.job_id, "quarantine", String(chunk.index), "clip"));
  const audio = new Audio(URL.createObjectURL(await answer.blob()));
  audio.addEventListener("ended", () => URL.revokeObjectURL(audio.src));
  await audio.play();
}
