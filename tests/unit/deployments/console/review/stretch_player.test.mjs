import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "../modules.mjs";

const { StretchPlayer } = await load("review/stretch_player.js");

/** An `<audio>` element that is ready at once and plays when it is told. */
class FakeAudio extends EventTarget {
  static made = [];

  constructor(src) {
    super();
    this.src = src;
    this.paused = true;
    FakeAudio.made.push(this);
    queueMicrotask(() => this.dispatchEvent(new Event("loadedmetadata")));
  }

  async play() {
    this.paused = false;
  }

  pause() {
    this.paused = true;
  }

  at(seconds) {
    this.currentTime = seconds;
    this.dispatchEvent(new Event("timeupdate"));
  }
}

globalThis.Audio = FakeAudio;
const item = (job_id, start_s, end_s) => ({ job_id, start_s, end_s });

test("a stretch is played from its start and stops at its end; its recording is loaded once", async () => {
  FakeAudio.made = [];
  const player = new StretchPlayer();
  const [one, other] = [item("j1", 10, 20), item("j1", 40, 50)];
  await player.play(one);
  const [audio] = FakeAudio.made;
  assert.match(audio.src, /\/v1\/jobs\/j1\/audio$/);
  assert.deepEqual([audio.currentTime, audio.paused, player.playing], [10, false, one]);
  audio.at(19.9);
  assert.equal(player.playing, one);
  audio.at(20);
  assert.deepEqual([audio.paused, player.playing], [true, null]);
  await player.play(other);
  assert.deepEqual([FakeAudio.made.length, audio.currentTime, player.playing], [1, 40, other]);
});

test("another stretch takes the place of one that is still being loaded", async () => {
  FakeAudio.made = [];
  const player = new StretchPlayer();
  const [one, other] = [item("j1", 10, 20), item("j2", 40, 50)];
  await Promise.all([player.play(one), player.play(other)]);
  const playing = FakeAudio.made.filter((audio) => !audio.paused);
  assert.equal(player.playing, other);
  assert.deepEqual(playing.map((audio) => [audio.src.includes("j2"), audio.currentTime]), [[true, 40]]);
});
