// What the chosen recordings would take: their lengths as the browser reads them, and the server's estimate.

import { requestJson } from "../lib/api.js";
import { debounce, fill, h } from "../lib/dom.js";
import { duration, number } from "../lib/format.js";
import { t } from "../lib/i18n.js";

const PATIENCE_MS = 10_000; // a recording that the browser cannot read may never say so
const SETTLED_MS = 300;
const lengths = new WeakMap(); // by file: seconds, or null where the browser cannot tell

/** Read how long a recording is, in seconds; null where the browser cannot tell. */
export async function audioSeconds(file) {
  if (!lengths.has(file)) lengths.set(file, measure(file));
  return lengths.get(file);
}

function measure(file) {
  return new Promise((resolve) => {
    const url = URL.createObjectURL(file);
    const audio = new Audio();
    const end = (seconds) => {
      clearTimeout(patience);
      audio.removeAttribute("src");
      URL.revokeObjectURL(url);
      resolve(Number.isFinite(seconds) && seconds > 0 ? seconds : null);
    };
    const patience = setTimeout(() => end(null), PATIENCE_MS);
    audio.onloadedmetadata = () => end(audio.duration);
    audio.onerror = () => end(null);
    audio.preload = "metadata";
    audio.src = url;
  });
}

/** Say an estimate in words; `nUnknown` recordings are not in it. */
export function estimateText({ audio_h: hours, wall_s: wallS, cost_usd: cost }, nUnknown) {
  const parts = [t("estimateLength", { length: duration(hours * 3600) })];
  parts.push(wallS === null ? t("estimateNoSpeed") : t("estimateDone", { wait: duration(wallS) }));
  if (cost !== null) parts.push(`$${number(cost, 2)}`);
  if (nUnknown) parts.push(t("estimateUnknown", { n: nUnknown }));
  return parts.join(" · ");
}

/** A line that tells what recordings would take; `show(files, options)` asks anew, the last one asked for wins. */
export class EstimateLine {
  constructor() {
    this.element = h("p.dim.estimate", { "aria-live": "polite" });
    this.asked = 0;
    this.show = debounce(SETTLED_MS, (files, options) => this.#show(files, options));
  }

  async #show(files, options) {
    const mine = ++this.asked;
    const seconds = await Promise.all(files.map(audioSeconds));
    const known = seconds.filter((each) => each !== null);
    let text = "";
    if (known.length) {
      try {
        const json = { audio_s: known, options };
        text = estimateText(await requestJson("/v1/estimate", { method: "POST", json }), seconds.length - known.length);
      } catch {
        text = ""; // an estimate is a courtesy: what is wrong with the options their own fields say
      }
    }
    if (mine === this.asked) fill(this.element, text);
  }
}
