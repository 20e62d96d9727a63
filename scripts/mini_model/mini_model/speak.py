"""Says the corpus with all voices at varying tempo and pitch, into shards of a pool."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from mini_model.corpus import Kind
from mini_model.pool import ShardWriter
from scripts.speech.voices import VOICES, SpeechError, speak, voices_of

_USUAL_PITCH = 0.4
_SLOWEST, _FASTEST = 0.8, 1.25


@dataclass(frozen=True, kw_only=True)
class Speeches:
    """The amount of speech to synthesise.

    ``hours`` are per shard; ``open_share`` of the sentences are about anything, the rest of meetings; every one of
    ``languages`` as often.
    """

    folder: Path
    languages: tuple[str, ...]
    shards: int
    hours: float
    open_share: float
    seed: int


Texts = Mapping[tuple[Kind, str], Sequence[str]]
"""Sentences by kind and language."""


def speak_corpus(texts: Texts, speeches: Speeches, processes: int) -> None:
    """Fill the shards; those that a killed run began are completed."""
    speeches.folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(processes) as workers:
        fill = partial(_fill_shard, texts, speeches)
        for shard, n_clips in workers.map(fill, range(speeches.shards)):
            print(f"{shard}: {n_clips} sentences", flush=True)


def _fill_shard(texts: Texts, speeches: Speeches, number: int) -> tuple[str, int]:
    name = f"seed{speeches.seed}-{number}"
    writer = ShardWriter(speeches.folder, name)
    # Seeded by what is there already, so that a completed shard does not repeat itself.
    rng = Random(f"{name}-{len(writer.clips)}")
    n_clips = len(writer.clips)
    try:
        while writer.seconds < speeches.hours * 3600:
            language = rng.choice(speeches.languages)
            text = rng.choice(texts["open" if rng.random() < speeches.open_share else "meeting", language])
            voice = draw_voice(rng, language)
            pitch = 1.0 if rng.random() < _USUAL_PITCH else rng.uniform(_SLOWEST, _FASTEST)
            try:
                writer.add(speak(text, voice, rate=rng.uniform(_SLOWEST, _FASTEST), pitch=pitch), voice, text)
            except SpeechError as error:
                print(f"{name}: {error}", flush=True)
                continue
            n_clips += 1
    finally:
        writer.close()
    return name, n_clips


def draw_voice(rng: Random, language: str) -> str:
    """Draw a voice: every program that speaks the language equally often.

    espeak-ng has more voices, but flite's are harder to recognise.
    """
    voices = voices_of(language)
    engine = rng.choice(sorted({VOICES[name].engine for name in voices}))
    return rng.choice([name for name in voices if VOICES[name].engine == engine])
