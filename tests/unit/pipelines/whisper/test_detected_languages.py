"""Asking rows for their language in windows; with a model whose encoding is the sound itself, a language a loudness."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipelines.core import SAMPLE_RATE, LanguagePassage
from pipelines.whisper.ct2_model import RowFailure
from pipelines.whisper.encoding.encoder import EncoderChoice
from pipelines.whisper.language_detection import LONGEST_S, SHORTEST_S, LanguageDetector, pauses_in
from pipelines.whisper.options import DecodeOptions, DecodeRequest

STEP = 320
LANGUAGES = ("de", "en", "zh")
LOUDNESS = {"de": 1000, "en": 3000, "zh": 9000}


@dataclass
class SoundModel:
    """Stands for `WhisperModel`: hears the language that most of an encoding is as loud as."""

    choice: EncoderChoice = field(default=EncoderChoice(encoder="ctranslate2", pooling=1))
    shapes: set[int] = field(default_factory=set)
    refuses: bool = False

    def detect_language(self, encodings: Sequence[Any]) -> list[dict[str, float] | RowFailure]:
        self.shapes |= {len(encoding) for encoding in encodings}
        if self.refuses:
            return [RowFailure("this model detects nothing") for _ in encodings]
        return [self._heard(encoding) for encoding in encodings]

    def _heard(self, encoding: npt.NDArray[np.float32]) -> dict[str, float]:
        loud = {code: float(np.isclose(encoding[:, 0], level, rtol=0.1).sum()) for code, level in LOUDNESS.items()}
        total = sum(loud.values()) or 1.0
        return {code: n / total for code, n in loud.items()}


def encode(rows: Sequence[DecodeRequest]) -> list[npt.NDArray[np.float32]]:
    """Return the loudness of each encoder step, silence to 30 s after it."""
    encodings = []
    for row in rows:
        whole = np.zeros(1500, np.float32)
        n_steps = len(row.pcm) // STEP
        whole[:n_steps] = np.abs(row.pcm[: n_steps * STEP].astype(np.float32)).reshape(-1, STEP).mean(axis=1)
        encodings.append(whole[:, None])
    return encodings


def spoken(*parts: tuple[str, float]) -> npt.NDArray[np.int16]:
    """Return sound in languages for some seconds each; "" is silence. Syllables have alternating signs."""
    pieces = []
    for language, seconds in parts:
        samples = np.full(round(seconds * SAMPLE_RATE), LOUDNESS.get(language, 0), np.int16)
        samples[::2] *= -1
        pieces.append(samples)
    return np.concatenate(pieces)


def detected(model: SoundModel, pcm: npt.NDArray[np.int16], **options: Any) -> tuple[LanguagePassage, ...]:
    row = DecodeRequest(pcm=pcm, options=DecodeOptions(**options))
    detector = LanguageDetector(model, LANGUAGES, encode, by_window=True)  # type: ignore[arg-type]  # stands for it
    (passages,) = detector.detect([row], encode([row]))
    return passages


def test_a_change_is_at_the_pause() -> None:
    """Windows end at pauses; they are of few shapes, so that a batch asks many at once."""
    model = SoundModel()
    first, second = detected(model, spoken(("en", 11), ("", 0.6), ("zh", 9)))
    assert (first.language, second.language) == ("en", "zh")
    assert first.end_s == second.start_s == pytest.approx(11.3, abs=0.4)
    assert second.end_s == pytest.approx(20.6)
    assert all(length % 50 == 0 for length in model.shapes)  # whole seconds


@pytest.mark.parametrize("seconds", [0.3, 3.0, LONGEST_S, 13.3, 29.9])
def test_one_language_is_one_passage(seconds: float) -> None:
    """However long the row is."""
    (passage,) = detected(SoundModel(), spoken(("zh", seconds)))
    assert (passage.language, passage.start_s) == ("zh", 0.0)
    assert passage.end_s == pytest.approx(seconds)
    assert passage.probability > 0.7


def test_only_allowed_languages_are_heard() -> None:
    """What is spoken besides is taken for one of them."""
    (passage,) = detected(SoundModel(), spoken(("en", 12)), languages=("de",))
    assert passage.language == "de"


def test_a_model_that_cannot_be_asked_has_no_passages() -> None:
    """The engine says that a language must be named."""
    assert detected(SoundModel(refuses=True), spoken(("en", 12))) == ()


def test_rows_of_short_windows_are_asked_whole() -> None:
    """Their change of language is not looked for."""
    row = DecodeRequest(pcm=spoken(("en", 8), ("", 0.6), ("zh", 4)))
    detector = LanguageDetector(SoundModel(), LANGUAGES, encode, by_window=False)  # type: ignore[arg-type]
    ((passage,),) = detector.detect([row], encode([row]))
    assert passage.language == "en"


def test_pauses() -> None:
    """The quietest places come first, apart from each other; sound too short to have one has none."""
    pcm = spoken(("en", 2), ("", 0.5), ("en", 2), ("", 0.3), ("de", 2))
    first, second = pauses_in(pcm, 0.5, 6.0, 2)
    assert {round(first), round(second)} == {2, 5}
    assert pauses_in(pcm, 1.0, 1.1, 3) == []
    assert SHORTEST_S < LONGEST_S
