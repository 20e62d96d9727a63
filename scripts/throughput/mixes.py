"""Recordings with known words: sentences of the sample meetings in a new order, as calls, meetings or one long file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Literal

import av
import numpy as np
import numpy.typing as npt

from pipelines.audio.decode import decode_audio
from pipelines.core import SAMPLE_RATE
from scripts.speech.truth import load_truth

Mix = Literal["calls", "meetings", "long", "single", "calls-10", "calls-35", "meetings-10", "hours-10"]
Pcm = npt.NDArray[np.int16]

SHAPES: dict[Mix, tuple[int, float, float]] = {
    # Files, seconds from, to.
    "calls": (200, 10.0, 60.0),
    "meetings": (20, 300.0, 900.0),
    "long": (1, 10_800.0, 10_800.0),
    "single": (20, 9.0, 9.0),  # one after another: what a recording waits for when nothing else is to do
    "calls-10": (8, 8.0, 8.0),  # the last sentence ends later
    "calls-35": (8, 33.0, 33.0),
    "meetings-10": (2, 598.0, 598.0),
    "hours-10": (1, 36_000.0, 36_000.0),
}
LANGUAGE = "en"
_SOURCES = ("meeting-12min.mp3", "meeting-3min.flac")
_PAUSES_S = (0.2, 1.2)
_MARGIN_S = 0.1
_BIT_RATE = 64_000


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A file of a mix and what is said in it."""

    path: str
    duration_s: float
    text: str


@dataclass(frozen=True, kw_only=True)
class _Sentence:
    pcm: Pcm
    text: str


def make_mix(mix: Mix, folder: Path, samples: Path, scale: float = 1.0, seed: int = 1) -> list[Recording]:
    """Write a mix's MP3 files to ``folder``, or find them there. ``scale`` is the share of files (of length: long)."""
    n_files, shortest_s, longest_s = SHAPES[mix]
    if n_files > 1:
        n_files = max(1, round(n_files * scale))
    else:
        shortest_s, longest_s = shortest_s * scale, longest_s * scale
    home = folder / f"{mix}-{n_files}-{longest_s:.0f}-{seed}"
    index = home / "index.json"
    if index.exists():
        return [Recording(**fields) for fields in json.loads(index.read_text())]
    home.mkdir(parents=True, exist_ok=True)
    rng = Random(f"{mix}/{seed}")
    sentences = _sentences(samples)
    recordings = [
        _write(home / f"{mix}-{number:03d}.mp3", sentences, rng.uniform(shortest_s, longest_s), rng)
        for number in range(n_files)
    ]
    index.write_text(json.dumps([asdict(recording) for recording in recordings]))
    return recordings


def _sentences(samples: Path) -> list[_Sentence]:
    """Cut out the sentences of single voices in the sample meetings, with a small margin around them."""
    found = []
    for name in _SOURCES:
        pcm = np.concatenate(list(decode_audio(samples / name, max_duration_s=3600)), axis=1)[0]
        for segment in load_truth(samples / f"{Path(name).stem}.truth.json").segments:
            start = max(0, round((segment.start_s - _MARGIN_S) * SAMPLE_RATE))
            end = round((segment.end_s + _MARGIN_S) * SAMPLE_RATE)
            found.append(_Sentence(pcm=pcm[start:end], text=segment.text))
    return found


def _write(path: Path, sentences: list[_Sentence], seconds: float, rng: Random) -> Recording:
    """Write sentences and pauses up to the length, block by block."""
    words, written = [], 0
    with av.open(str(path), "w", format="mp3") as out:
        stream = out.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="mono")
        stream.bit_rate = _BIT_RATE
        while written < seconds * SAMPLE_RATE or not words:
            sentence = rng.choice(sentences)
            pause = np.zeros(round(rng.uniform(*_PAUSES_S) * SAMPLE_RATE), np.int16)
            block = np.concatenate([pause, sentence.pcm])
            words.append(sentence.text)
            frame = av.AudioFrame.from_ndarray(block[None], format="s16p", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, written
            out.mux(stream.encode(frame))
            written += len(block)
        out.mux(stream.encode(None))
    return Recording(path=str(path), duration_s=written / SAMPLE_RATE, text=" ".join(words))
