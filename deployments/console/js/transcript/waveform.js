// Draws a recording: its peaks over time, and below them the health of every second by the coverage ledger.

import { throttleToFrame, h } from "../lib/dom.js";

const STRIP_PX = 5;
const BAR_PX = 3;
const HEALTHS = ["silence", "transcribed", "suspect", "failed"]; // in drawing order

export class Waveform {
  constructor(durationS, coverage) {
    this.durationS = durationS;
    this.coverage = [...coverage].sort((a, b) => HEALTHS.indexOf(a.health) - HEALTHS.indexOf(b.health));
    this.channels = [];
    this.peaksPerS = 10;
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.head = h("div.playhead");
    this.element = h("div.wave", {}, this.canvas, this.head);
    this.draw = throttleToFrame(() => this.#draw());
    this.observer = new ResizeObserver(this.draw);
    this.observer.observe(this.element);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", this.draw);
    this.themes = new MutationObserver(this.draw);
    this.themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  close() {
    this.observer.disconnect();
    this.themes.disconnect();
    this.dark.removeEventListener("change", this.draw);
  }

  /** Show the peaks as the API gives them: Base64 of a byte per value, `per_s` values a second, by channel. */
  show(peaks) {
    this.peaksPerS = peaks.per_s;
    this.channels = peaks.channels.map((channel) => Uint8Array.from(atob(channel), (char) => char.charCodeAt(0)));
    this.draw();
  }

  move(seconds) {
    const share = this.durationS ? Math.min(1, seconds / this.durationS) : 0;
    this.head.style.transform = `translateX(${share * this.element.clientWidth}px)`;
  }

  secondsAt(clientX) {
    const box = this.element.getBoundingClientRect();
    return (Math.min(Math.max(clientX - box.left, 0), box.width) / box.width) * this.durationS;
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !this.durationS) return;
    const scale = devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    const colour = (name) => {
      this.canvas.style.color = `var(--${name})`;
      return getComputedStyle(this.canvas).color;
    };
    const room = (height - STRIP_PX - 3) / Math.max(1, this.channels.length);
    this.channels.forEach((peaks, index) => {
      context.fillStyle = colour(this.channels.length > 1 ? `speaker-${index % 8}` : "wave");
      this.#drawChannel(context, peaks, index * room, room, width);
    });
    for (const { start_s: start, end_s: end, health } of this.coverage) {
      context.fillStyle = colour(`health-${health}`);
      const from = (start / this.durationS) * width;
      context.fillRect(from, height - STRIP_PX, Math.max(1, ((end - start) / this.durationS) * width), STRIP_PX);
    }
  }

  #drawChannel(context, peaks, top, room, width) {
    const n = Math.floor(width / BAR_PX);
    const perBar = (this.durationS * this.peaksPerS) / n;
    for (let bar = 0; bar < n; bar++) {
      let loudest = 0;
      const end = Math.min(peaks.length, Math.max((bar + 1) * perBar, bar * perBar + 1));
      for (let i = Math.floor(bar * perBar); i < end; i++) loudest = Math.max(loudest, peaks[i]);
      const barHeight = Math.max(1, Math.sqrt(loudest / 255) * (room - 2)); // the root makes quiet speech visible
      context.fillRect(bar * BAR_PX, top + (room - barHeight) / 2, BAR_PX - 1, barHeight);
    }
  }
}
