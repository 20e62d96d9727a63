"""Hidden words cannot be heard: real Whisper weights hear a recording, it is silenced and encoded, and is heard again.

Without a cluster; `test_real_weights.py` asks a running one.
"""

import io
from pathlib import Path

import numpy as np
import pytest

from pipelines.audio.decode import decode_audio
from pipelines.audio.formats import MaskSound
from pipelines.audio.playback import PlaybackCopy, muted
from pipelines.core import Transcript
from pipelines.text.redaction import MaskKind, mask_transcript
from pipelines.transcript.masked_audio import masked_audio
from pipelines.whisper.engine import EngineOptions
from pipelines.whisper.options import DecodeOptions
from scripts.hearing.alignment import align, words_of
from scripts.in_process import Product
from tests.support.real_weights import needs_weights, weights_folder
from tests.support.recordings import truth

RECORDING = Path(__file__).parents[1] / "data" / "meeting-3min.flac"
HIDDEN: tuple[MaskKind, ...] = ("names",)
NAMES = {"alice", "david", "thomas", "victor"}
OTHERS_WRONG = 0.2
"""Words beside a name lose a part of themselves to the margins; a recognised tone is a word more."""


def heard_in(product: Product, samples: np.ndarray) -> Transcript:
    return product.transcript(samples, DecodeOptions(language="en", beam_size=1, word_timestamps=True))


@pytest.mark.parametrize("sound", ["mute", "beep"])
@pytest.mark.parametrize(
    "model",
    [
        pytest.param("tiny.en", marks=needs_weights("tiny.en")),
        pytest.param("base", marks=needs_weights("base")),
    ],
)
def test_what_is_hidden_cannot_be_heard(model: str, sound: MaskSound, tmp_path: Path) -> None:
    """None of the names that are masked is heard in the copy that is kept, and most of the other words are."""
    product = Product(weights_folder(model), EngineOptions(intra_threads=2))
    samples = np.concatenate(list(decode_audio(io.BytesIO(RECORDING.read_bytes()), max_duration_s=600)), axis=1)
    first = heard_in(product, samples)
    names = NAMES & set(words_of(" ".join(each.text for each in first.segments), "en"))
    assert len(names) >= 3
    masked = mask_transcript(first, HIDDEN)
    assert not NAMES & set(words_of(" ".join(each.text for each in masked.segments), "en"))

    with PlaybackCopy(tmp_path / "copy.webm") as copy:
        list(copy.listen(muted([samples], masked_audio(first, HIDDEN).stretches, sound)))
    encoded = io.BytesIO((tmp_path / "copy.webm").read_bytes())
    again = heard_in(product, np.concatenate(list(decode_audio(encoded, max_duration_s=600)), axis=1))
    heard = words_of(" ".join(each.text for each in again.segments), "en")
    said = words_of(truth(RECORDING.name).text, "en")
    others = align([w for w in said if w not in NAMES], [w for w in heard if w not in NAMES]).errors.rate
    print(f"{model}, {sound}: {len(names)} names, {others:.3f} of the other words wrong, left: {NAMES & set(heard)}")
    assert not NAMES & set(heard)
    assert others <= OTHERS_WRONG
