"""The bundled networks on the project's own samples: speakers found, error rate, the same however sound arrives."""

import hashlib
import json
from pathlib import Path

import av
import numpy as np
import pytest

from pipelines.core import SAMPLE_RATE
from pipelines.errors import ModelUnavailable
from pipelines.models.catalogue import BUNDLED_DIR
from pipelines.speakers.attribution import split_segments
from pipelines.speakers.fbank import N_MELS, log_mel
from pipelines.speakers.frames import WINDOW_SAMPLES
from pipelines.speakers.models import WEIGHTS, BundledVoiceModels, read_weights
from pipelines.speakers.protocol import CONTEXT_FRAMES
from pipelines.speakers.stream import SpeakerStream
from pipelines.whisper.options import DecodeOptions
from scripts.in_process import Product
from scripts.voices.der import diarization_errors
from scripts.voices.words import word_errors

DATA = Path(__file__).parents[3] / "data"


@pytest.fixture(scope="module")
def models():
    return BundledVoiceModels()


def recording(name):
    """Return a sample, channels mixed, int16 ``[n_samples]``."""
    with av.open(str(DATA / name)) as container:
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE)
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def true_segments(name):
    return json.loads((DATA / name).with_suffix(".truth.json").read_text())["segments"]


@pytest.fixture(scope="module")
def meeting():
    """Return a meeting of four."""
    return recording("meeting-3min.flac")


def turns_of(models, blocks, **options):
    stream = SpeakerStream(models, **options)
    for block in blocks:
        stream.add(block)
    return stream.finish()


def wrong_share(turns, truth):
    """Return the diarization error rate."""
    said = [(part["speaker"], part["start_s"], part["end_s"]) for part in truth]
    return diarization_errors(said, [(str(turn.speaker), turn.start_s, turn.end_s) for turn in turns]).rate


def test_a_meeting_of_four(models, meeting):
    """Every speaker is found, at most 5 % of the speech is wrong, and at most 1 % of the words is another speaker's."""
    truth = true_segments("meeting-3min.flac")
    turns = turns_of(models, [meeting])
    assert len({turn.speaker for turn in turns}) == len({part["speaker"] for part in truth}) == 4
    assert wrong_share(turns, truth) <= 0.05
    options = DecodeOptions(language="en", word_timestamps=True)
    transcript = Product(BUNDLED_DIR / "mini-en").transcript(meeting[None], options)
    errors = word_errors(
        [(part["speaker"], part["start_s"], part["text"]) for part in truth],
        [
            (str(part.speaker), part.segment.start_s, part.segment.text)
            for part in split_segments(transcript.segments, turns)
        ],
        "en",
    )
    assert errors.plain < 0.02
    assert errors.by_speaker - errors.plain <= 0.01


@pytest.mark.parametrize(("name", "n_speakers"), [("call-stereo.opus", 2), ("call-8khz-ulaw.wav", 1)])
def test_calls(models, name, n_speakers):
    """Both sides of a call mixed into one, who talk over each other; one voice from a telephone."""
    turns = turns_of(models, [recording(name)])
    assert len({turn.speaker for turn in turns}) == n_speakers
    assert wrong_share(turns, true_segments(name)) <= 0.05


def test_blocks_of_any_length_and_type(models, meeting):
    """Whole, in odd blocks, and as floats: the same turns; times stay on the recording's clock over spans."""
    part = meeting[: 30 * SAMPLE_RATE]
    options = {"span_samples": 12 * SAMPLE_RATE}
    whole = turns_of(models, [part], **options)
    assert whole
    assert turns_of(models, np.split(part, [1, 7000, 7001, 300_000]), **options) == whole
    assert turns_of(models, [part.astype(np.float32) / 32768], **options) == whole
    assert whole[-1].end_s > 25


@pytest.mark.parametrize("sound", [np.zeros(0, np.int16), np.zeros(100, np.int16), np.zeros(16000, np.float32)])
def test_silence_has_no_speakers(models, sound):
    """However short it is."""
    assert turns_of(models, [sound]) == ()


def test_both_runtimes_agree(models, meeting):
    """torch and OpenVINO, which may round to bfloat16, hear the same."""
    other = BundledVoiceModels(openvino=False)
    assert other.runtime == "torch"
    windows = meeting[: 2 * WINDOW_SAMPLES].reshape(2, WINDOW_SAMPLES).astype(np.float32) / 32768
    classes = [one.segment(windows).argmax(axis=-1) for one in (models, other)]
    assert np.mean(classes[0] == classes[1]) > 0.98
    features = log_mel(windows[0])[: 4 * CONTEXT_FRAMES].reshape(4, CONTEXT_FRAMES, N_MELS)
    first, second = (one.embed(features) for one in (models, other))
    similarity = np.sum(first * second, axis=1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    assert similarity.min() > 0.99


def test_weights_are_those_that_were_made():
    """Their sums are listed, and each has its licence beside it."""
    for line in (WEIGHTS / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((WEIGHTS / name).read_bytes()).hexdigest() == digest
    assert {path.name for path in WEIGHTS.glob("LICENSE-*")} == {"LICENSE-CAMPPLUS", "LICENSE-SEGMENTATION"}


def test_damaged_weights_are_told(tmp_path):
    """A file that is no archive of arrays, or not there."""
    (tmp_path / "bad.npz").write_bytes(b"PK\x03\x04 no")
    for name in ("bad.npz", "none.npz"):
        with pytest.raises(ModelUnavailable, match=name):
            read_weights(tmp_path / name)


def test_features_are_those_of_kaldi():
    """A tone of 1 kHz is loudest in the filter around 1 kHz, and twice as loud is 2 ln 2 more."""
    tone = np.sin(2 * np.pi * 1000 * np.arange(SAMPLE_RATE) / SAMPLE_RATE).astype(np.float32)
    features = log_mel(tone)
    assert features.shape == (98, N_MELS)
    assert set(features.argmax(axis=1)) <= {27, 28}
    assert log_mel(2 * tone)[:, 28] - features[:, 28] == pytest.approx(2 * np.log(2), abs=1e-3)
