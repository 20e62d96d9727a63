"""Where the Segmenter cuts speech that never pauses: between words, or inside of one. No model listens."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from pipelines.audio.segmentation import SegmentationOptions, split_audio
from pipelines.core import SAMPLE_RATE
from scripts.accuracy.always_speech import AlwaysSpeech
from scripts.accuracy.record import Measurement
from scripts.accuracy.timed_voices import TimedRecording, recording
from scripts.documentation.tables import table
from scripts.hearing.cli import Ask
from scripts.hearing.corpus import TimedText

WINDOWS_S = (3.0, 12.0)
"""Windows are as short as that, so that few searches meet a pause between sentences."""
INSIDE_S = 0.03
"""A cut within a word that is nearer than this to its beginning or end does no harm."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A place where rows part, and the word it lies in, "" when it lies in none."""

    at_s: float
    window_s: float
    word: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``measure-accuracy cuts``."""
    add = parser.add_argument
    add("--cuts", type=int, default=1000, help="to look at (%(default)s)")
    add("--recordings", type=int, default=6, help="of synthetic voices whose every word is timed (%(default)s)")
    add("--sentences", type=int, default=12, help="in each of them (%(default)s)")
    add("--seed", type=int, default=1, help="of what is drawn (%(default)s)")


def measure(options: argparse.Namespace, model: Path, ask_for: Ask) -> Iterator[Measurement]:
    """Yield once; ``model`` is not used."""
    rng = Random(options.seed)
    spoken = [recording(options.sentences, rng) for _ in range(options.recordings)]
    cuts: list[Cut] = []
    while len(cuts) < options.cuts:
        cuts += cuts_of(rng.choice(spoken), rng.uniform(*WINDOWS_S))
    cuts = cuts[: options.cuts]
    inside = sum(bool(cut.word) for cut in cuts)
    spoken_s = sum(word.end_s - word.start_s for one in spoken for word in one.words)
    share = spoken_s / sum(len(one.pcm) / SAMPLE_RATE for one in spoken)
    row = (str(len(cuts)), str(inside), f"{100 * inside / len(cuts):.1f} %", f"{100 * share:.0f} %")
    text = table(("cuts by the Segmenter", "inside a word", "share", "words' share of the sound"), [row])
    yield Measurement(text=text, details=[asdict(cut) for cut in cuts])


def cuts_of(spoken: TimedRecording, window_s: float) -> list[Cut]:
    """Cut a recording as speech without a pause."""
    drafts = split_audio(iter([spoken.pcm[None]]), SegmentationOptions(window_s=window_s), speech_model=AlwaysSpeech)
    places_s = [chunk.start / SAMPLE_RATE for draft in drafts for chunk in draft.chunks][1:]
    return [Cut(at_s=at_s, window_s=window_s, word=word_at(at_s, spoken.words)) for at_s in places_s]


def word_at(at_s: float, words: Sequence[TimedText]) -> str:
    """Return the word that a cut parts, "" when there is none."""
    return next((w.text for w in words if w.start_s + INSIDE_S < at_s < w.end_s - INSIDE_S), "")
