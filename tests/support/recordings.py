"""The sample recordings for tests: where they are, what is said in them, how a transcript compares with that."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import numpy.typing as npt
from faster_whisper.audio import decode_audio

from pipelines.core import Segment, Transcript
from scripts.speech.truth import TrueAction as TrueAction
from scripts.speech.truth import TrueSegment as TrueSegment
from scripts.speech.truth import TrueTopic as TrueTopic
from scripts.speech.truth import Truth as Truth
from scripts.speech.truth import load_truth

RECORDINGS = Path(__file__).parents[1] / "data"

Pcm = npt.NDArray[np.int16]


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """``outcome`` is "succeeds" or a `pipelines.errors.Reason`; without ``speech`` the transcript has no words."""

    outcome: str
    speech: bool
    note: str


def expectations() -> dict[str, Expectation]:
    """What must come of each file in `RECORDINGS`, by file name."""
    table = json.loads((RECORDINGS / "expectations.json").read_text(encoding="utf-8"))
    return {name: Expectation(**fields) for name, fields in table.items()}


def truth(name: str) -> Truth:
    """What is said in the recording with this file name (or stem); raises ``FileNotFoundError`` when unknown."""
    return load_truth(RECORDINGS / f"{Path(name).stem}.truth.json")


def samples_of(name: str) -> Pcm:
    """The recording with this file name, mono at 16 kHz."""
    pcm: Pcm = np.round(decode_audio(str(RECORDINGS / name)) * 32_767).astype(np.int16)
    return pcm


def normalize(text: str) -> str:
    """Lower case, hyphens as spaces, no other punctuation but the apostrophe, single spaces."""
    text = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return " ".join(re.sub(r"[^\w\s']", "", re.sub(r"[-\N{EN DASH}\N{EM DASH}]", " ", text)).split())


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Substituted, missing and extra words per word of the reference, both normalized; may exceed 1.

    Raises ``ValueError`` when the reference has no words.
    """
    words = normalize(reference)
    if not words:
        raise ValueError("the reference has no words")
    return float(jiwer.wer(words, normalize(hypothesis)))


def matched(stitched: Transcript, said: Truth) -> Iterator[tuple[Segment, float, float]]:
    """Segments whose text is exactly a true sentence, with that sentence's true start and end."""
    true = {segment.text.lower(): segment for segment in said.segments}
    for segment in stitched.segments:
        sentence = true.get(segment.text.strip().lower())
        if sentence is not None:
            yield segment, sentence.start_s, sentence.end_s
