// Plays the playback copy of a recording. Without one the bar still shows coverage and moves in the text.

import { get, here, jobPath, request } from "../lib/api.js";
import { add, fill, h, icon } from "../lib/dom.js";
import { clock, errorMessage } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { preferences, session } from "../lib/session.js";
import { toast } from "../lib/toasts.js";
import { Waveform } from "./waveform.js";

const SPEEDS = [0.75, 1, 1.25, 1.5, 2];
const STEP_S = 10;

/** Dispatches "seek" (seconds) when the user moves, "time" (seconds) while it plays. */
export class Player extends EventTarget {
  constructor(job, transcript) {
    super();
    this.job = job;
    this.durationS = transcript.duration_s;
    this.positionS = 0;
    this.audio = null;
    this.available = false; // whether there is audio; known once the peaks were read
    this.wave = new Waveform(this.durationS, transcript.coverage);
    this.#build();
    this.peaksRead = this.#readPeaks();
  }

  close() {
    this.closed = true;
    this.audio?.pause();
    if (this.audio) URL.revokeObjectURL(this.audio.src);
    this.wave.close();
    removeEventListener("keydown", this.onKeys);
  }

  get playing() {
    return Boolean(this.audio && !this.audio.paused);
  }

  /** Go to a position and play from there, if there is audio. */
  async playFrom(seconds) {
    this.seek(seconds);
    await this.play();
  }

  seek(seconds) {
    this.positionS = Math.min(Math.max(0, seconds), this.durationS);
    if (this.audio) this.audio.currentTime = this.positionS;
    this.#moved("seek");
  }

  async play() {
    await this.peaksRead;
    if (!this.available) return;
    const audio = this.audio ?? (await this.#load());
    if (!audio || this.closed) return;
    audio.currentTime = this.positionS;
    await audio.play().catch((error) => error.name !== "AbortError" && toast(t("audioFailed", { why: error.message }), "error"));
  }

  toggle() {
    if (this.playing) this.audio.pause();
    else this.play();
  }

  #build() {
    const button = (label, symbol, act) => h("button.bare", { type: "button", "aria-label": label, title: label, onclick: act }, symbol);
    this.button = button(t("play"), icon("play"), () => this.toggle());
    this.button.classList.add("play");
    this.time = h("span.clock", {}, `${clock(0)} / ${clock(this.durationS)}`);
    this.slider = h(
      "div.slider",
      { role: "slider", tabindex: "0", "aria-label": t("position"), "aria-valuemin": 0, "aria-valuemax": Math.round(this.durationS), "aria-valuenow": 0, "aria-valuetext": clock(0) },
      this.wave.element,
    );
    this.slider.addEventListener("pointerdown", (event) => this.#drag(event));
    this.slider.addEventListener("keydown", (event) => this.#slide(event));
    const speed = preferences.get("speed", "1");
    this.speed = h(
      "select",
      { "aria-label": t("speed"), onchange: () => this.#setSpeed() },
      SPEEDS.map((value) => h("option", { value, selected: String(value) === speed }, `${value}×`)),
    );
    this.status = h("span.say", { "aria-live": "polite" });
    this.buttons = h("div.buttons", {}, this.button, button(t("backTen"), `−${STEP_S}`, () => this.seek(this.positionS - STEP_S)), button(t("aheadTen"), `+${STEP_S}`, () => this.seek(this.positionS + STEP_S)));
    this.element = add(h("section.player", { "aria-label": t("player") }), this.buttons, this.time, this.slider, this.speed, this.status);
    this.buttons.hidden = this.speed.hidden = true; // until it is known that there is audio
    this.onKeys = (event) => this.#keys(event);
    addEventListener("keydown", this.onKeys);
  }

  async #readPeaks() {
    try {
      this.wave.show(await get(jobPath(this.job.id, "audio", "peaks")));
      this.available = true;
      this.buttons.hidden = this.speed.hidden = false;
    } catch (error) {
      if (error.status !== 401) this.#disable(error.status === 404 ? t("noAudio") : errorMessage(error));
    }
  }

  /** Stop, because the audio was deleted. */
  removeAudio() {
    this.audio?.pause();
    this.audio = null;
    this.#disable(t("audioDeleted"));
  }

  #disable(why) {
    this.available = false;
    this.buttons.hidden = this.speed.hidden = true;
    this.element.classList.add("silent");
    fill(this.status, why);
  }

  async #load() {
    if (this.loading) return null;
    this.#setLoading(true);
    try {
      // An <audio> element fetches the parts that it plays, but cannot send a key: with one all is fetched, some 10 MB an hour.
      const path = jobPath(this.job.id, "audio");
      const audio = new Audio(session.key ? URL.createObjectURL(await (await request(path)).blob()) : here(path));
      await new Promise((ready, failed) => {
        audio.addEventListener("loadedmetadata", ready, { once: true });
        audio.addEventListener("error", () => failed(new Error(audio.error?.message || "?")), { once: true });
      });
      for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => this.#changed());
      audio.addEventListener("seeked", () => this.#moved());
      if (!this.available) return null; // deleted meanwhile
      this.audio = audio;
      this.#setSpeed();
      return audio;
    } catch (error) {
      if (error.status !== 401) toast(t("audioFailed", { why: error.message }), "error");
      return null;
    } finally {
      this.#setLoading(false);
    }
  }

  #setLoading(loading) {
    this.loading = loading;
    if (this.available) this.status.textContent = loading ? t("fetchingAudio") : "";
    this.button.setAttribute("aria-busy", String(loading));
    this.button.setAttribute("aria-disabled", String(loading));
  }

  #setSpeed() {
    preferences.set("speed", this.speed.value);
    if (this.audio) this.audio.playbackRate = Number(this.speed.value);
  }

  #changed() {
    const label = this.playing ? t("pause") : t("play");
    fill(this.button, icon(this.playing ? "pause" : "play"));
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    if (this.playing) this.#tick();
  }

  #tick() {
    if (!this.playing || this.closed) return;
    this.positionS = this.audio.currentTime;
    this.#moved();
    requestAnimationFrame(() => this.#tick());
  }

  #moved(event = "time") {
    this.wave.move(this.positionS);
    const text = clock(this.positionS);
    if (text !== this.shown) {
      this.shown = text;
      this.time.textContent = `${text} / ${clock(this.durationS)}`;
      this.slider.setAttribute("aria-valuenow", Math.round(this.positionS));
      this.slider.setAttribute("aria-valuetext", text);
    }
    this.dispatchEvent(new CustomEvent(event, { detail: this.positionS }));
  }

  #drag(event) {
    this.slider.setPointerCapture(event.pointerId);
    this.seek(this.wave.secondsAt(event.clientX));
    const move = (moved) => this.seek(this.wave.secondsAt(moved.clientX));
    this.slider.addEventListener("pointermove", move);
    this.slider.addEventListener("pointerup", () => this.slider.removeEventListener("pointermove", move), { once: true });
  }

  #slide(event) {
    const to = {
      ArrowRight: this.positionS + 5,
      ArrowUp: this.positionS + 5,
      ArrowLeft: this.positionS - 5,
      ArrowDown: this.positionS - 5,
      PageUp: this.positionS + 60,
      PageDown: this.positionS - 60,
      Home: 0,
      End: this.durationS,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.seek(to);
  }

  /** Play and pause by the space key, except where a control uses it. */
  #keys(event) {
    if (event.key !== " " || event.target.closest("input, textarea, select, button, a, summary, dialog, [role=tab]")) return;
    event.preventDefault();
    this.toggle();
  }
}
