// Plays the kept copy of a recording. Without one the bar still shows the recording's coverage and moves in the text.

import { get, jobPath, request } from "./api.js";
import { add, fill, h, icon } from "./dom.js";
import { clock } from "./format.js";
import { trouble } from "./format.js";
import { notice } from "./notices.js";
import { tastes } from "./session.js";
import { t } from "./words.js";
import { Waveform } from "./waveform.js";

const SPEEDS = [0.75, 1, 1.25, 1.5, 2];
const STEP_S = 10;

export class Player extends EventTarget {
  constructor(job, transcript) {
    super();
    this.job = job;
    this.durationS = transcript.duration_s;
    this.positionS = 0;
    this.audio = null;
    this.available = null; // unknown until the waveform was asked for
    this.wave = new Waveform(this.durationS, transcript.coverage);
    this.#build();
    this.asked = this.#ask();
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

  /** Goes to a place and plays from there, as far as there is audio. */
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
    await this.asked;
    if (!this.available) return;
    const audio = (this.audio ??= await this.#load());
    if (!audio || this.closed) return;
    audio.currentTime = this.positionS;
    await audio.play().catch((error) => error.name !== "AbortError" && notice(t("audioFailed", { why: error.message }), "error"));
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
    const speed = tastes.get("speed", "1");
    this.speed = h(
      "select",
      { "aria-label": t("speed"), onchange: () => this.#setSpeed() },
      SPEEDS.map((value) => h("option", { value, selected: String(value) === speed }, `${value}×`)),
    );
    this.say = h("span.say", { "aria-live": "polite" });
    this.buttons = h("div.buttons", {}, this.button, button(t("backTen"), `−${STEP_S}`, () => this.seek(this.positionS - STEP_S)), button(t("aheadTen"), `+${STEP_S}`, () => this.seek(this.positionS + STEP_S)));
    this.element = add(h("section.player", { "aria-label": t("player") }), this.buttons, this.time, this.slider, this.speed, this.say);
    this.buttons.hidden = this.speed.hidden = true; // until there is something to play
    this.onKeys = (event) => this.#keys(event);
    addEventListener("keydown", this.onKeys);
  }

  async #ask() {
    try {
      this.wave.take(await get(jobPath(this.job.id, "audio", "peaks")));
      this.available = true;
      this.buttons.hidden = this.speed.hidden = false;
    } catch (error) {
      this.available = false;
      this.element.classList.add("silent");
      if (error.status !== 401) fill(this.say, error.status === 404 ? t("noAudio") : trouble(error));
    }
  }

  async #load() {
    if (this.loading) return null;
    this.loading = true;
    this.say.textContent = t("fetchingAudio");
    try {
      // The whole copy, because an <audio> element cannot send the key; an hour is some 10 MB.
      const answer = await request(jobPath(this.job.id, "audio"));
      const audio = new Audio(URL.createObjectURL(await answer.blob()));
      await new Promise((ready, failed) => {
        audio.addEventListener("loadedmetadata", ready, { once: true });
        audio.addEventListener("error", () => failed(new Error(audio.error?.message || "?")), { once: true });
      });
      for (const name of ["play", "pause", "ended"]) audio.addEventListener(name, () => this.#changed());
      audio.addEventListener("seeked", () => this.#moved());
      this.say.textContent = "";
      this.audio = audio;
      this.#setSpeed();
      return audio;
    } catch (error) {
      this.say.textContent = "";
      if (error.status !== 401) notice(t("audioFailed", { why: error.message }), "error");
      return null;
    } finally {
      this.loading = false;
    }
  }

  #setSpeed() {
    tastes.set("speed", this.speed.value);
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

  #moved(why = "time") {
    this.wave.move(this.positionS);
    const words = clock(this.positionS);
    if (words !== this.shown) {
      this.shown = words;
      this.time.textContent = `${words} / ${clock(this.durationS)}`;
      this.slider.setAttribute("aria-valuenow", Math.round(this.positionS));
      this.slider.setAttribute("aria-valuetext", words);
    }
    this.dispatchEvent(new CustomEvent(why, { detail: this.positionS }));
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

  /** Space plays and pauses wherever it means nothing else. */
  #keys(event) {
    if (event.key !== " " || event.target.closest("input, textarea, select, button, a, summary, dialog, [role=tab]")) return;
    event.preventDefault();
    this.toggle();
  }
}
