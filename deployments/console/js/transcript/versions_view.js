// The versions of a recording's results: the job that transcribed it, and those that did a stage again.

import { actionButton } from "../lib/actions.js";
import { account } from "../lib/account.js";
import { get, jobPath, requestJson } from "../lib/api.js";
import { h, refill } from "../lib/dom.js";
import { shortDateTime } from "../lib/format.js";
import { t, tEnum } from "../lib/i18n.js";
import { toast } from "../lib/toasts.js";
import { feed } from "../jobs/feed.js";
import { askRedo } from "./redo_dialog.js";

export class VersionsView {
  constructor(job) {
    this.job = job;
    this.versions = [];
    this.element = h("section.versions", { hidden: true });
    this.onJobs = ({ detail }) => this.#merge(detail);
    feed.addEventListener("jobs", this.onJobs);
    this.#load();
  }

  close() {
    feed.removeEventListener("jobs", this.onJobs);
  }

  async #load() {
    try {
      this.versions = (await get(jobPath(this.job.id, "redo"))).versions;
    } catch {
      this.versions = []; // the page tells what is wrong with the job itself
    }
    this.#draw();
  }

  #draw() {
    const mayRedo = this.job.state === "succeeded" && account.may("jobs:write");
    this.element.hidden = this.versions.length < 2 && !mayRedo;
    refill(
      this.element,
      h("h3", {}, t("versions")),
      this.versions.length > 1 && h("ol.history", {}, this.versions.map((version) => this.#row(version))),
      mayRedo && actionButton("button", { key: `redo-${this.job.id}`, run: () => this.#redo(), data: { part: "redo" } }, t("doAgainAsk")),
    );
  }

  #row(version) {
    const what = version.stage ? t("stageAgain", { stage: t(`stage_${version.stage}`) }) : t("transcribedFirst");
    const text = `${what}, ${version.options.model}`;
    const here = version.id === this.job.id;
    const link = here ? h("strong", { "aria-current": "page" }, text) : h("a", { href: `#/jobs/${version.id}` }, text);
    return h("li", {}, h("time", { datetime: version.created_at }, shortDateTime(version.created_at)), " ", link, version.state !== "succeeded" && h("span.dim", {}, ` ${tEnum("state", version.state)}`));
  }

  async #redo() {
    const body = await askRedo(this.job);
    if (!body) return;
    const headers = { "idempotency-key": crypto.randomUUID() };
    const job = await requestJson(jobPath(this.job.id, "redo"), { method: "POST", json: body, headers });
    this.versions.push(job);
    this.#draw();
    feed.publish(job);
    toast(t("redoQueued"));
  }

  #merge(jobs) {
    const known = new Map(jobs.map((job) => [job.id, job]));
    if (!this.versions.some((version) => known.has(version.id))) return;
    this.versions = this.versions.map((version) => known.get(version.id) ?? version);
    this.#draw();
  }
}
