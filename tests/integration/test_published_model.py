"""A published Whisper model: OpenAI's tiny.en, as it lies on the package index in CTranslate2's format.

Our own model is trained to fit this program; this one is what others use.
"""

import statistics
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel

from pipelines.audio.pcm import Pcm
from pipelines.core import SAMPLE_RATE, Transcript
from pipelines.models.catalogue import is_english_only
from pipelines.whisper.engine import WhisperEngine
from pipelines.whisper.options import DecodeOptions, DecodeRequest
from scripts.in_process import product_transcript
from tests.support.real_weights import needs_weights, weights_folder
from tests.support.recordings import matched, samples_of, truth, word_error_rate

MODEL = "tiny.en"
NAME = "meeting-12min.mp3"
ONE_POINT = 0.01

pytestmark = needs_weights(MODEL)


@pytest.fixture(scope="module")
def folder() -> Path:
    return weights_folder(MODEL)


@pytest.fixture(scope="module")
def engine(folder: Path) -> WhisperEngine:
    return WhisperEngine.load(folder)


@pytest.fixture(scope="module")
def pcm() -> Pcm:
    """The recording as int16 ``[1, n_samples]``."""
    return samples_of(NAME)[None]


@pytest.fixture(scope="module")
def transcript(folder: Path, pcm: Pcm) -> Transcript:
    return product_transcript(folder, pcm, DecodeOptions(language="en", word_timestamps=True))


def test_it_is_known_to_speak_english_alone(folder: Path, engine: WhisperEngine) -> None:
    """Its vocabulary says so, although its tokenizer has a token for every language."""
    assert is_english_only(folder)
    assert engine.languages == ("en",)
    (heard,) = engine.transcribe([DecodeRequest(pcm=np.ones(SAMPLE_RATE, np.int16))])
    assert (heard.language, heard.passages) == ("en", ())


def test_as_good_as_sequential(folder: Path, pcm: Pcm, transcript: Transcript) -> None:
    """In chunks and batches it writes what faster-whisper writes window by window, within a point of errors."""
    whole = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2)
    segments, _ = whole.transcribe(
        pcm[0].astype(np.float32) / 32768, language="en", beam_size=1, condition_on_previous_text=False
    )
    sequential = word_error_rate(truth(NAME).text, " ".join(segment.text for segment in segments))
    ours = word_error_rate(truth(NAME).text, transcript.text)
    print(f"WER {ours:.3f}, sequential {sequential:.3f}")
    assert ours <= sequential + ONE_POINT


def test_words_are_where_they_are_said(transcript: Transcript) -> None:
    """Of sentences that were heard exactly, the first word begins and the last one ends within 0.3 s of the truth."""
    pairs = list(matched(transcript, truth(NAME)))
    assert len(pairs) >= 10
    assert statistics.median(abs(segment.words[0].start_s - start) for segment, start, _ in pairs) <= 0.3
    assert statistics.median(abs(segment.words[-1].end_s - end) for segment, _, end in pairs) <= 0.3


def test_a_language_it_does_not_speak_is_refused(engine: WhisperEngine, pcm: Pcm) -> None:
    """Nothing is made up: the row fails and says why."""
    (result,) = engine.transcribe([DecodeRequest(pcm=pcm[0, : 5 * SAMPLE_RATE], options=DecodeOptions(language="zh"))])
    assert "does not speak 'zh'" in result.error
    assert not result.segments
