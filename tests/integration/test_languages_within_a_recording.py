"""Languages that change within a recording, heard by a published multilingual model: OpenAI's base."""

from itertools import pairwise

import numpy as np
import pytest

from pipelines.audio.pcm import Pcm
from pipelines.core import SAMPLE_RATE, Transcript
from pipelines.whisper.options import DecodeOptions
from scripts.in_process import Product
from tests.support.real_weights import needs_weights, weights_folder
from tests.support.recordings import samples_of

pytestmark = needs_weights("base")
PAUSE_S = 0.6
WITHIN_S = 2.0
MOSTLY = 0.9  # synthetic Chinese is hard for base, which puts a foreign syllable into it


@pytest.fixture(scope="module")
def product() -> Product:
    return Product(weights_folder("base"))


def part(name: str, start_s: float, end_s: float) -> Pcm:
    return samples_of(name)[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]


def heard(product: Product, *parts: Pcm) -> tuple[Transcript, list[float]]:
    """Transcribe parts with pauses between them; return where each begins as well, in seconds."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.int16)
    sound = [each for sample in parts for each in (sample, pause)]
    starts = np.cumsum([0, *(len(sample) + len(pause) for sample in parts)]) / SAMPLE_RATE
    pcm = np.concatenate(sound)
    return product.transcript(pcm[None, :], DecodeOptions()), starts[:-1].tolist()


def test_each_passage_is_in_its_language(product: Product) -> None:
    """English, Chinese, English, in rows that hold more than one of them: each is written in its own."""
    english, chinese = part("meeting-3min.flac", 20, 36), part("meeting-zh.flac", 20, 40)
    transcript, starts = heard(product, english, chinese, english)
    changes = [after.start_s for before, after in pairwise(transcript.segments) if before.language != after.language]
    assert [segment.language for segment in transcript.segments][:: len(transcript.segments) - 1] == ["en", "en"]
    assert len(changes) == 2
    assert max(abs(at - start) for at, start in zip(changes, starts[1:], strict=True)) <= WITHIN_S
    assert {spoken.language for spoken in transcript.languages} == {"en", "zh"}
    chinese_s = next(spoken.seconds for spoken in transcript.languages if spoken.language == "zh")
    assert chinese_s == pytest.approx(20, abs=4)
    written = [c for segment in transcript.segments if segment.language == "zh" for c in segment.text if c.isalpha()]
    assert sum("一" <= character <= "鿿" for character in written) > MOSTLY * len(written)


@pytest.mark.parametrize(("name", "language"), [("meeting-3min.flac", "en"), ("meeting-zh.flac", "zh")])
def test_one_language_never_flips(product: Product, name: str, language: str) -> None:
    """A minute of a meeting in one language is in one language, surely."""
    transcript, _ = heard(product, part(name, 0, 60))
    assert [spoken.language for spoken in transcript.languages] == [language]
    assert transcript.languages[0].probability > 0.9


def test_only_what_is_allowed_is_heard(product: Product) -> None:
    """Where German and Chinese alone are allowed, English is not English, and the doubt is told."""
    pcm = part("meeting-3min.flac", 20, 36)
    transcript = product.transcript(pcm[None, :], DecodeOptions(languages=("de", "zh")))
    assert {segment.language for segment in transcript.segments} <= {"de", "zh"}
