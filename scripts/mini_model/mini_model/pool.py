"""Spoken sentences on disk: pairs of ``<shard>.pcm`` (int16, 16 kHz) and ``<shard>.jsonl`` (where each one is)."""

import json
from collections import defaultdict
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from mini_model.augment import Samples
from mini_model.model import SAMPLE_RATE
from scripts.speech.pinyin import HANZI
from scripts.speech.voices import VOICES

_FULL_SCALE = 32768
_ALIKE_WORDS, _ALIKE_CHARACTERS, _ALIKE_CLIPS = 2, 4, 4


@dataclass(frozen=True, slots=True)
class Clip:
    """A sentence in a shard: ``n_samples`` from ``start``, spoken by ``voice``."""

    shard: str
    start: int
    n_samples: int
    voice: str
    text: str

    @property
    def language(self) -> str:
        return VOICES[self.voice].language


class ShardWriter:
    """Appends clips to a shard; what a killed run left behind an incomplete line is cut off."""

    def __init__(self, folder: Path, shard: str) -> None:
        self.clips = read_shard(folder, shard)
        self._end = max((clip.start + clip.n_samples for clip in self.clips), default=0)
        _index(folder, shard).write_text("".join(map(_line, self.clips)), encoding="utf-8")
        _audio(folder, shard).touch()
        with _audio(folder, shard).open("r+b") as audio:
            audio.truncate(2 * self._end)
        self._shard = shard
        self._audio = _audio(folder, shard).open("ab")
        self._index = _index(folder, shard).open("a", encoding="utf-8")

    @property
    def seconds(self) -> float:
        """How much speech the shard holds."""
        return self._end / SAMPLE_RATE

    def add(self, pcm: NDArray[np.int16], voice: str, text: str) -> None:
        clip = Clip(self._shard, self._end, len(pcm), voice, text)
        self._audio.write(pcm.tobytes())
        self._audio.flush()
        self._index.write(_line(clip))
        self._index.flush()
        self._end += len(pcm)

    def close(self) -> None:
        self._audio.close()
        self._index.close()


class Pool:
    """Reads the clips of a folder whose sentences are not ``held_out``, from memory maps."""

    def __init__(self, folder: Path, held_out: Container[str]) -> None:
        self._folder, self._held_out = folder, held_out
        self._audio: dict[str, NDArray[np.int16]] = {}
        self.clips: list[Clip] = []
        self._speaking: dict[str, list[Clip]] = {}
        self._beginning: dict[str, list[Clip]] = {}
        self.refresh()

    def refresh(self) -> None:
        """See what was spoken since."""
        clips: list[Clip] = []
        for index in sorted(self._folder.glob("*.jsonl")):
            shard = read_shard(self._folder, index.stem)
            if shard:
                self._audio[index.stem] = np.memmap(_audio(self._folder, index.stem), dtype=np.int16, mode="r")
            clips += [clip for clip in shard if clip.text not in self._held_out]
        speaking, beginning = defaultdict(list), defaultdict(list)
        for clip in clips:
            speaking[clip.language].append(clip)
            beginning[_beginning(clip)].append(clip)
        self.clips, self._speaking, self._beginning = clips, dict(speaking), dict(beginning)

    @property
    def languages(self) -> list[str]:
        """The languages of the clips, in alphabetical order."""
        return sorted(self._speaking)

    def draw(self, rng: Random, language: str) -> Clip:
        return rng.choice(self._speaking[language])

    def draw_like(self, clip: Clip, rng: Random) -> Clip:
        """Draw a clip that begins as ``clip`` does, if there are a few; else any of its language."""
        alike = self._beginning[_beginning(clip)]
        return rng.choice(alike) if len(alike) >= _ALIKE_CLIPS else self.draw(rng, clip.language)

    def samples(self, clip: Clip) -> Samples:
        """Return the clip as float32 in -1…1."""
        pcm = self._audio[clip.shard][clip.start : clip.start + clip.n_samples]
        return pcm.astype(np.float32) / np.float32(_FULL_SCALE)


def read_shard(folder: Path, shard: str) -> list[Clip]:
    """Read the complete clips of a shard."""
    index, audio = _index(folder, shard), _audio(folder, shard)
    if not index.exists() or not audio.exists():
        return []
    n_samples = audio.stat().st_size // 2
    clips = []
    for line in index.read_text(encoding="utf-8").splitlines(keepends=True):
        if not line.endswith("\n"):
            break
        start, length, voice, text = json.loads(line)
        if start + length > n_samples:
            break
        clips.append(Clip(shard, start, length, voice, text))
    return clips


def _beginning(clip: Clip) -> str:
    """Return the first two words, or the first characters where there are no words."""
    if HANZI.match(clip.text):
        return clip.text[:_ALIKE_CHARACTERS]
    return " ".join(clip.text.split()[:_ALIKE_WORDS])


def _line(clip: Clip) -> str:
    return json.dumps([clip.start, clip.n_samples, clip.voice, clip.text]) + "\n"


def _index(folder: Path, shard: str) -> Path:
    return folder / f"{shard}.jsonl"


def _audio(folder: Path, shard: str) -> Path:
    return folder / f"{shard}.pcm"
