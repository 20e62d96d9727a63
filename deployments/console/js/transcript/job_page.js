// The page of a job: its progress while it runs, then its transcript with player, minutes and details.

import { actionButton } from "../lib/actions.js";
import { download, get, jobPath } from "../lib/api.js";
import { add, fill, h, icon, refill } from "../lib/dom.js";
import { clock, duration, errorMessage, languageName, shortDateTime } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { feed } from "../jobs/feed.js";
import { holds, isLive, jobActions, notes, progressBar, stateBadge } from "../jobs/job_rows.js";
import { readChoices } from "../jobs/options_form.js";
import { Corrector } from "./corrector.js";
import { DetailsView, totals } from "./details_view.js";
import { Doubts } from "./doubts.js";
import { Masks } from "./masks.js";
import { MinutesView, tabs } from "./minutes_view.js";
import { Player } from "./player.js";
import { TextSearch } from "./text_search.js";
import { TranscriptView } from "./transcript_view.js";
import { VersionsView } from "./versions_view.js";

const FOLLOW_PAUSE_MS = 8000; // after a scroll by hand the playhead is not followed for so long
const NARROW = matchMedia("(max-width: 60rem)");

export class JobPage {
  /** `startS` is the second to show first. */
  constructor(id, startS = 0) {
    this.id = id;
    this.startS = startS;
    this.job = null;
    this.transcript = null;
    this.hasAudio = false; // whether there is audio to delete
    this.details = new DetailsView();
    this.title = t("jobs");
    this.head = h("div.jobhead");
    this.body = h("div.jobbody");
    this.element = h("div.page.job", {}, this.head, this.body);
    this.onJobs = ({ detail }) => {
      const job = detail.find((each) => each.id === this.id);
      if (job) this.#receive(job);
    };
    this.onResumed = () => this.job && this.load();
    feed.addEventListener("jobs", this.onJobs);
    feed.addEventListener("resumed", this.onResumed);
    this.details.addEventListener("audiodeleted", () => this.#audioDeleted());
    fill(this.body, h("p.say.dim", {}, t("loading")));
    this.load();
  }

  close() {
    this.closed = true;
    feed.removeEventListener("jobs", this.onJobs);
    feed.removeEventListener("resumed", this.onResumed);
    this.search?.close();
    this.doubts?.close();
    this.masks?.close();
    this.player?.close();
    this.corrector?.close();
    this.minutes?.close();
    this.versions?.close();
  }

  async load() {
    try {
      const [job] = await Promise.all([get(jobPath(this.id)), readChoices().catch(() => null)]); // names of languages
      this.#receive(job);
    } catch (error) {
      if (this.closed || error.status === 401) return;
      if (error.status === 404) return void fill(this.body, h("div.say", {}, h("p.big", {}, t("gone")), h("a", { href: "#/" }, t("toJobs"))));
      this.#showError(error, () => this.load());
    }
  }

  #showError(error, again) {
    fill(this.body, h("div.say", {}, h("p", {}, icon("warning"), errorMessage(error)), actionButton("button", { key: `read-${this.id}`, run: again }, t("again"))));
  }

  #receive(job) {
    if (this.closed) return;
    const before = this.job;
    this.job = { events: before?.events, holds: before?.holds, ...job };
    this.title = job.filename;
    document.title = `${job.filename} – MeetMemo`;
    this.#drawHead();
    const ready = job.results["transcript.json"] !== undefined;
    if (ready && !this.transcript) this.#showResults();
    else if (ready && before && Object.keys(before.results).length !== Object.keys(job.results).length) this.#showMinutes();
    else if (!ready) this.#drawLive();
    if (before && isLive(before) && !isLive(job)) get(jobPath(this.id)).then((full) => this.#receiveEvents(full), () => {});
  }

  #receiveEvents(full) {
    this.job.events = full.events;
    this.job.holds = full.holds;
    if (this.transcript) this.#drawDetails();
    else this.#drawLive();
  }

  #drawDetails() {
    this.details.show(this.job, this.transcript, this.hasAudio);
  }

  #audioDeleted() {
    this.hasAudio = false;
    this.player?.removeAudio();
    this.#drawDetails();
  }

  #drawHead() {
    const { job } = this;
    const shown = JSON.stringify([job.version, job.holds, job.state, job.cancel_requested, job.progress, job.results, Boolean(this.transcript)]);
    if (shown === this.shown) return;
    const open = this.head.querySelector("[popover]:popover-open");
    if (open) return open.addEventListener("toggle", () => this.#drawHead(), { once: true }); // an open menu stays open
    this.shown = shown;
    const meta = [shortDateTime(job.created_at), this.transcript && duration(this.transcript.duration_s), this.transcript && languageName(this.transcript.language), this.transcript?.model.name ?? job.options.model];
    refill(
      this.head,
      h("a.back", { href: "#/", "aria-label": t("toJobs"), title: t("toJobs") }, icon("back")),
      h("div.titles", {}, h("h1", { tabindex: "-1" }, job.filename), h("p.meta", {}, stateBadge(job), meta.filter(Boolean).map((text) => h("span", {}, text)), this.#defects()), notes(job), holds(job)),
      h("div.actions", {}, this.#isDownloadable() && this.#downloads(), jobActions(job, { onErased: () => (location.hash = "#/") })),
    );
  }

  /** Build buttons that tell how much is suspect or failed and go to the first such interval. */
  #defects() {
    if (!this.transcript) return null;
    const sums = totals(this.transcript);
    return ["suspect", "failed"].map((health) => {
      if (!sums[health]) return null;
      const first = this.transcript.coverage.find((part) => part.health === health);
      const go = () => {
        this.player.seek(first.start_s);
        this.view.reveal(this.view.lineAt(first.start_s), { always: true });
      };
      return h(`button.defect.${health}`, { type: "button", onclick: go }, icon(health === "failed" ? "failed" : "warning"), `${t(`health_${health}`)} ${clock(sums[health])}`);
    });
  }

  /** Whether downloads work: those of minutes need to know whose minutes are shown, once there is a transcript. */
  #isDownloadable() {
    const names = Object.keys(this.job.results);
    return names.length > 0 && (!names.includes("transcript.json") || Boolean(this.minutes));
  }

  #downloads() {
    const names = Object.keys(this.job.results);
    const entries = names.map((name) => [name, name, () => this.#download(name)]);
    for (const { language, results } of this.job.translations) {
      for (const name of Object.keys(results).filter((each) => each.startsWith("transcript."))) {
        const run = () => this.#downloadTranslation(name, language);
        entries.push([`${name}-${language}`, `${name} – ${languageName(language)}`, run]);
      }
    }
    const list = h("ul.menu", {}, entries.map(([key, label, run]) => h("li", {}, actionButton("button", { key: `download-${this.id}-${key}`, run }, icon("download"), label))));
    return menu(t("downloads"), "download", list);
  }

  #download(name) {
    const stem = this.job.filename.replace(/\.[^.]*$/, "");
    const version = this.corrector?.version ? `?version=${this.corrector.version}` : "";
    const id = name.startsWith("minutes.") && this.minutes ? this.minutes.shown.id : this.id;
    return download(`${jobPath(id, "results", name)}${version}`, `${stem}.${name}`);
  }

  #downloadTranslation(name, language) {
    const stem = this.job.filename.replace(/\.[^.]*$/, "");
    const query = new URLSearchParams({ translation: language });
    return download(`${jobPath(this.id, "results", name)}?${query}`, `${stem}.${name.replace(/(?=\.[^.]*$)/, `.${language}`)}`);
  }

  #drawLive() {
    const { job } = this;
    const failed = job.state === "failed";
    const hint = { queued: t("waitingForTurn"), failed: "", cancelled: t("noTranscript") }[job.state] ?? t("liveHint");
    fill(
      this.body,
      h(
        "div.live",
        { "aria-live": "polite" },
        failed && [h("h2", {}, t("whyFailed")), h("p", {}, h("code", {}, job.reason), " ", job.detail)],
        progressBar(job),
        job.eta_s !== null && isLive(job) && h("p.dim", {}, `${t("eta")}: ${duration(job.eta_s)}`),
        hint && h("p.dim", {}, hint),
      ),
      job.events && this.details.element,
    );
    this.hasAudio = job.options.keep_audio;
    if (job.events) this.#drawDetails();
  }

  async #showResults() {
    if (this.reading) return; // the job changed while the transcript is being read
    this.reading = true;
    let found;
    try {
      found = await this.#readTranscript();
    } catch (error) {
      if (!this.closed && error.status !== 401) this.#showError(error, () => this.#showResults());
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
    this.doubts = new Doubts(this.view);
    if (this.job.options?.mask?.length) this.masks = new Masks(this.view);
    this.player = new Player(this.job, this.transcript);
    this.minutes = new MinutesView(this.job);
    this.versions = new VersionsView(this.job);
    this.hasAudio = false;
    this.player.peaksRead.then(() => {
      this.hasAudio = this.player.available;
      this.#drawDetails();
    });
    this.#drawDetails();
    this.#connect();
    this.#layOut();
    this.#drawHead();
    this.#showMinutes();
    if (this.startS) this.#showPlace();
  }

  /** Go to the second in the address, such as that of a hit of the search, and mark what is said there. */
  #showPlace() {
    if (NARROW.matches) this.choosePanel("transcript");
    this.player.seek(this.startS);
    this.view.reveal(this.view.lineAt(this.startS), { always: true });
  }

  /** Read its versions (null where it cannot be corrected) and the newest one. */
  async #readTranscript() {
    const stored = () => get(jobPath(this.id, "results", "transcript.json"));
    const versions = await get(jobPath(this.id, "corrections"));
    try {
      return [versions, versions.newest ? await get(jobPath(this.id, "transcript")) : await stored()];
    } catch (error) {
      if (error.reason !== "illegal_transition") throw error;
      return [null, await stored()]; // only its documents are left
    }
  }

  #layOut() {
    const empty = !this.transcript.segments.length;
    const scroller = h("div.scroller", {}, empty && h("p.say.dim", {}, t("note_no_speech")), this.view.element);
    this.scroller = scroller;
    const text = h("div.text", {}, h("div.tools", {}, this.search.element, this.doubts.element, this.corrector?.element), this.corrector?.bar, scroller);
    const side = h("aside.side", { "aria-label": t("panels") });
    const details = h("div.stack", {}, this.versions.element, this.details.element);
    const { bar, choose } = tabs(t("panels"), {
      transcript: { label: t("transcript"), element: text },
      minutes: { label: t("minutes"), element: this.minutes.element },
      details: { label: t("details"), element: details },
    });
    this.choosePanel = choose;
    add(side, this.minutes.element, details);
    fill(this.body, h("div.columns", {}, bar, text, side), this.player.element);
    choose(NARROW.matches ? "transcript" : "minutes");
    for (const name of ["wheel", "touchmove"]) scroller.addEventListener(name, () => (this.scrolledAt = performance.now()), { passive: true });
  }

  #connect() {
    this.corrector?.addEventListener("version", () => this.#versionChosen());
    this.view.addEventListener("seek", ({ detail }) => this.player.playFrom(detail));
    this.player.addEventListener("seek", ({ detail }) => this.view.reveal(this.view.mark(detail)));
    this.player.addEventListener("time", ({ detail }) => {
      const before = this.view.now;
      const line = this.view.mark(detail);
      const paused = performance.now() - (this.scrolledAt ?? -FOLLOW_PAUSE_MS) < FOLLOW_PAUSE_MS;
      if (line !== before && !paused) this.view.reveal(line);
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

/** Build a button that opens a list in a popover, closed by Escape or a click elsewhere. */
function menu(label, symbol, list) {
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
