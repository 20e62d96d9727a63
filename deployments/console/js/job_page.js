// One job: its progress while it runs, then its transcript with player, minutes and details beside it.

import { download, get, jobPath } from "./api.js";
import { add, fill, h, icon } from "./dom.js";
import { feed } from "./feed.js";
import { clock, duration, languageName, trouble, when } from "./format.js";
import { isLive, jobActions, progressBar, stateBadge } from "./job_rows.js";
import { Corrector } from "./corrector.js";
import { DetailsView, totals } from "./details_view.js";
import { MinutesView, tabs } from "./minutes_view.js";
import { trying } from "./notices.js";
import { Player } from "./player.js";
import { TextSearch } from "./text_search.js";
import { TranscriptView } from "./transcript_view.js";
import { t } from "./words.js";

const FOLLOW_REST_MS = 8000; // who scrolls by hand is left alone for so long

export class JobPage {
  constructor(id) {
    this.id = id;
    this.job = null;
    this.transcript = null;
    this.title = t("jobs");
    this.head = h("div.jobhead");
    this.body = h("div.jobbody");
    this.element = h("div.page.job", {}, this.head, this.body);
    this.onJobs = ({ detail }) => {
      const job = detail.find((each) => each.id === this.id);
      if (job) this.#take(job);
    };
    this.onResumed = () => this.job && this.load();
    feed.addEventListener("jobs", this.onJobs);
    feed.addEventListener("resumed", this.onResumed);
    fill(this.body, h("p.say.dim", {}, t("loading")));
    this.load();
  }

  close() {
    this.closed = true;
    feed.removeEventListener("jobs", this.onJobs);
    feed.removeEventListener("resumed", this.onResumed);
    this.search?.close();
    this.player?.close();
    this.corrector?.close();
    this.minutes?.close();
  }

  async load() {
    try {
      this.#take(await get(jobPath(this.id)));
    } catch (error) {
      if (this.closed || error.status === 401) return;
      if (error.status === 404) return void fill(this.body, h("div.say", {}, h("p.big", {}, t("gone")), h("a", { href: "#/" }, t("toJobs"))));
      this.#sayTrouble(error, () => this.load());
    }
  }

  #sayTrouble(error, again) {
    fill(this.body, h("div.say", {}, h("p", {}, icon("warning"), trouble(error)), h("button", { type: "button", onclick: again }, t("again"))));
  }

  #take(job) {
    if (this.closed) return;
    const before = this.job;
    this.job = { events: before?.events, ...job };
    this.title = job.filename;
    document.title = `${job.filename} – MeetMemo`;
    this.#drawHead();
    const ready = job.results["transcript.json"] !== undefined;
    if (ready && !this.transcript) this.#showResults();
    else if (ready && before && Object.keys(before.results).length !== Object.keys(job.results).length) this.#showMinutes();
    else if (!ready) this.#drawLive();
    if (before && isLive(before) && !isLive(job)) get(jobPath(this.id)).then((full) => this.#takeHistory(full), () => {});
  }

  #takeHistory(full) {
    this.job.events = full.events;
    if (this.transcript) this.details.show(this.job, this.transcript);
    else this.#drawLive();
  }

  #drawHead() {
    const { job } = this;
    const shown = JSON.stringify([job.version, job.state, job.cancel_requested, job.progress, job.results, Boolean(this.transcript)]);
    if (shown === this.shown) return;
    const open = this.head.querySelector("[popover]:popover-open");
    if (open) return open.addEventListener("toggle", () => this.#drawHead(), { once: true }); // an open menu stays open
    this.shown = shown;
    const meta = [when(job.created_at), this.transcript && duration(this.transcript.duration_s), this.transcript && languageName(this.transcript.language), this.transcript?.model.name ?? job.options.model];
    const focused = this.head.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    fill(
      this.head,
      h("a.back", { href: "#/", "aria-label": t("toJobs"), title: t("toJobs") }, icon("back")),
      h("div.titles", {}, h("h1", { tabindex: "-1" }, job.filename), h("p.meta", {}, stateBadge(job), meta.filter(Boolean).map((word) => h("span", {}, word)), this.#troubles())),
      h("div.actions", {}, this.#isDownloadable() && this.#downloads(), jobActions(job, { erased: () => (location.hash = "#/") })),
    );
    if (focused) this.head.querySelector(`[data-part="${focused}"]`)?.focus();
  }

  /** How much is suspect or missing, each a way to the first such place. */
  #troubles() {
    if (!this.transcript) return null;
    const sums = totals(this.transcript);
    return ["suspect", "failed"].map((health) => {
      if (!sums[health]) return null;
      const first = this.transcript.coverage.find((part) => part.health === health);
      const go = () => {
        this.player.seek(first.start_s);
        this.view.reveal(this.view.lineAt(first.start_s), { always: true });
      };
      return h(`button.trouble.${health}`, { type: "button", onclick: go }, icon(health === "failed" ? "failed" : "warning"), `${t(`health_${health}`)} ${clock(sums[health])}`);
    });
  }

  /** Minutes are downloaded as they are shown: where there is a transcript, only once both are on the page. */
  #isDownloadable() {
    const names = Object.keys(this.job.results);
    return names.length > 0 && (!names.includes("transcript.json") || Boolean(this.minutes));
  }

  #downloads() {
    const names = Object.keys(this.job.results);
    const list = h("ul.menu", {}, names.map((name) => h("li", {}, h("button", { type: "button", onclick: () => this.#download(name) }, icon("download"), name))));
    return menu(t("downloads"), "download", list);
  }

  #download(name) {
    const stem = this.job.filename.replace(/\.[^.]*$/, "");
    const version = this.corrector?.version ? `?version=${this.corrector.version}` : "";
    const id = name.startsWith("minutes.") && this.minutes ? this.minutes.shown.id : this.id;
    return trying(() => download(`${jobPath(id, "results", name)}${version}`, `${stem}.${name}`));
  }

  #drawLive() {
    const { job } = this;
    const failed = job.state === "failed";
    const words = { queued: t("waitingForTurn"), failed: "", cancelled: t("noTranscript") }[job.state] ?? t("liveHint");
    fill(
      this.body,
      h(
        "div.live",
        { "aria-live": "polite" },
        failed && [h("h2", {}, t("whyFailed")), h("p", {}, h("code", {}, job.reason), " ", job.detail)],
        progressBar(job),
        job.eta_s !== null && isLive(job) && h("p.dim", {}, `${t("eta")}: ${duration(job.eta_s)}`),
        words && h("p.dim", {}, words),
      ),
      job.events && historyOf(job),
    );
  }

  async #showResults() {
    if (this.reading) return; // changes of the job come while the transcript does
    this.reading = true;
    let found;
    try {
      found = await this.#readTranscript();
    } catch (error) {
      if (!this.closed && error.status !== 401) this.#sayTrouble(error, () => this.#showResults());
      return;
    } finally {
      this.reading = false;
    }
    if (this.closed) return;
    const [versions, transcript] = found;
    this.transcript = transcript;
    this.view = new TranscriptView(transcript);
    this.corrector = versions && new Corrector(this.job, versions, transcript, this.view);
    this.search = new TextSearch(this.view);
    this.player = new Player(this.job, this.transcript);
    this.minutes = new MinutesView(this.job);
    this.details = new DetailsView();
    this.details.show(this.job, this.transcript);
    this.#wire();
    this.#layOut();
    this.#drawHead();
    this.#showMinutes();
  }

  /** Its versions (null where it cannot be corrected) and the newest one. */
  async #readTranscript() {
    const stored = () => get(jobPath(this.id, "results", "transcript.json"));
    const versions = await get(jobPath(this.id, "corrections"));
    try {
      return [versions, versions.newest ? await get(jobPath(this.id, "transcript")) : await stored()];
    } catch (error) {
      if (error.reason !== "illegal_transition") throw error;
      return [null, await stored()]; // the transcript behind its documents is gone
    }
  }

  #layOut() {
    const empty = !this.transcript.segments.length;
    const scroller = h("div.scroller", {}, empty && h("p.say.dim", {}, t("noSpeech")), this.view.element);
    this.scroller = scroller;
    const text = h("div.text", {}, h("div.tools", {}, this.search.element, this.corrector?.element), this.corrector?.bar, scroller);
    const side = h("aside.side", { "aria-label": t("panels") });
    const { bar, choose } = tabs(t("panels"), {
      transcript: { label: t("transcript"), element: text },
      minutes: { label: t("minutes"), element: this.minutes.element },
      details: { label: t("details"), element: this.details.element },
    });
    this.choosePanel = choose;
    add(side, this.minutes.element, this.details.element);
    fill(this.body, h("div.columns", {}, bar, text, side), this.player.element);
    choose(NARROW.matches ? "transcript" : "minutes");
    for (const name of ["wheel", "touchmove"]) scroller.addEventListener(name, () => (this.scrolledAt = performance.now()), { passive: true });
  }

  #wire() {
    this.corrector?.addEventListener("version", () => this.#versionChosen());
    this.view.addEventListener("seek", ({ detail }) => this.player.playFrom(detail));
    this.player.addEventListener("seek", ({ detail }) => this.view.reveal(this.view.mark(detail)));
    this.player.addEventListener("time", ({ detail }) => {
      const before = this.view.now;
      const line = this.view.mark(detail);
      const resting = performance.now() - (this.scrolledAt ?? -FOLLOW_REST_MS) < FOLLOW_REST_MS;
      if (line !== before && !resting) this.view.reveal(line);
    });
    this.minutes.addEventListener("cite", ({ detail }) => {
      if (NARROW.matches) this.choosePanel("transcript");
      this.view.cite(detail.segment_ids);
      this.player.playFrom(detail.start_s);
    });
  }

  #versionChosen() {
    this.transcript = this.corrector.saved;
    this.search.run({ reveal: false });
    this.view.mark(this.player.positionS);
  }

  #showMinutes() {
    this.minutes.job = this.job;
    return this.minutes.load(this.job);
  }
}

const NARROW = matchMedia("(max-width: 60rem)");

function historyOf(job) {
  const details = new DetailsView();
  details.show(job, null);
  return details.element;
}

/** A button that opens a list: the browser's own popover, closed by Escape or a click elsewhere. */
export function menu(label, symbol, list) {
  const id = `menu-${label}`.replace(/\W/g, "_") + Math.random().toString(36).slice(2, 7);
  list.id = id;
  list.setAttribute("popover", "auto");
  list.setAttribute("aria-label", label);
  const button = h("button", { type: "button", popovertarget: id, "aria-haspopup": "true", data: { part: `menu-${symbol}` } }, icon(symbol), label, icon("down"));
  list.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    const box = button.getBoundingClientRect();
    list.style.top = `${box.bottom + 4}px`;
    list.style.left = `${Math.max(8, Math.min(box.left, innerWidth - list.offsetWidth - 8))}px`;
    list.querySelector("button")?.focus();
  });
  list.addEventListener("click", () => list.hidePopover());
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...list.querySelectorAll("button")];
    buttons[(buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length].focus();
  });
  return h("span.menuholder", {}, button, list);
}
