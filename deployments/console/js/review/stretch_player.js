// Plays stretches of recordings, one at a time, and stops where they end.

import { here, jobPath, request } from "../lib/api.js";
import { session } from "../lib/session.js";

export class StretchPlayer extends EventTarget {
  constructor() {
    super();
    this.audio = null;
    this.source = ""; // path of what is loaded
    this.playing = null; // the item that is heard
  }

  close() {
    this.stop();
    this.#unload();
  }

  stop() {
    this.audio?.pause();
    this.#say(null);
  }

  /** Play an item of the review queue from its start to its end; rejects where its audio cannot be had. */
  async play(item) {
    this.stop();
    const path = jobPath(item.job_id, "audio");
    this.#say(item);
    try {
      if (this.source !== path) await this.#load(path, item);
      if (this.playing !== item) return; // another was chosen meanwhile
      this.untilS = item.end_s;
      this.audio.currentTime = item.start_s;
      await this.audio.play();
    } catch (error) {
      if (this.playing === item) this.#say(null);
      if (error.name !== "AbortError") throw error;
    }
  }

  async #load(path, item) {
    this.#unload();
    // An <audio> element fetches the parts that it plays, but cannot send a key: with one all is fetched.
    const audio = new Audio(session.key ? URL.createObjectURL(await (await request(path)).blob()) : here(path));
    await new Promise((ready, failed) => {
      audio.addEventListener("loadedmetadata", ready, { once: true });
      audio.addEventListener("error", () => failed(new Error(audio.error?.message || "?")), { once: true });
    });
    if (this.playing !== item) return void free(audio);
    audio.addEventListener("timeupdate", () => audio === this.audio && audio.currentTime >= this.untilS && this.stop());
    audio.addEventListener("ended", () => audio === this.audio && this.stop());
    this.audio = audio;
    this.source = path;
  }

  #unload() {
    if (this.audio) free(this.audio);
    this.audio = null;
    this.source = "";
  }

  #say(item) {
    if (this.playing === item) return;
    this.playing = item;
    this.dispatchEvent(new CustomEvent("change", { detail: item }));
  }
}

function free(audio) {
  if (audio.src.startsWith("blob:")) URL.revokeObjectURL(audio.src);
}
