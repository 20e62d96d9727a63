"""Voice activity: the streamed model, and the state machine from probabilities to speech."""

import importlib.util
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faster_whisper.vad import get_speech_timestamps, get_vad_model
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.decode import decode_audio
from pipelines.audio.silero import CONTEXT_SAMPLES, SileroVad
from pipelines.audio.vad import Speech, SpeechDetector, VoiceActivity
from pipelines.audio.vad_options import FRAME_SAMPLES, VadOptions
from pipelines.core import SAMPLE_RATE
from pipelines.errors import ModelUnavailable, OptionError
from tests.support.recordings import RECORDINGS, expectations, truth

OPTIONS = VadOptions(threshold=0.5, threshold_off=0.35)
QUIET = [name for name, e in expectations().items() if e.outcome == "succeeds" and not e.speech]
PAD = round(OPTIONS.pad_s * SAMPLE_RATE)


def probabilities(layout: list[tuple[int, float]]) -> np.ndarray:
    """Frames of one probability after another: ``(n_frames, probability)``."""
    return np.concatenate([np.full(n, p, np.float32) for n, p in layout])


def detect(values: np.ndarray, options: VadOptions = OPTIONS) -> list[Speech]:
    detector = SpeechDetector(options)
    return [*detector.push(values), *detector.finish(len(values) * FRAME_SAMPLES)]


@pytest.fixture(scope="module")
def voice() -> np.ndarray:
    """The first half minute of a meeting."""
    blocks = decode_audio(RECORDINGS / "meeting-3min.flac", block_s=30.0, max_duration_s=300.0)
    return next(blocks)[0]


@pytest.fixture(scope="module")
def whole(voice: np.ndarray) -> np.ndarray:
    n_frames = len(voice) // FRAME_SAMPLES
    return SileroVad()(voice[: n_frames * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES))


@pytest.mark.parametrize("name", ["call-8khz-ulaw.wav", "meeting-3min.flac"])
def test_no_sentence_is_missed(name: str) -> None:
    """With the defaults every sentence lies in speech nearly whole, also in the narrow band of a telephone."""
    pcm = np.concatenate(list(decode_audio(RECORDINGS / name, max_duration_s=300.0)), axis=1)[0]
    covered = np.zeros(len(pcm), bool)
    for speech in _speech_of(pcm, VadOptions()):
        covered[speech.start : speech.end] = True
    for segment in truth(name).segments:
        held = covered[round(segment.start_s * SAMPLE_RATE) : round(segment.end_s * SAMPLE_RATE)]
        assert held.mean() > 0.98, segment.text


@pytest.mark.parametrize("name", QUIET)
def test_samples_without_speech_have_none(name: str) -> None:
    """Silence, a fan, music on hold and a click are not taken for speech."""
    pcm = np.concatenate(list(decode_audio(RECORDINGS / name, max_duration_s=300.0)), axis=1)[0]
    assert _speech_of(pcm, VadOptions()) == []


def test_speech_is_found_where_somebody_speaks(voice: np.ndarray) -> None:
    """What is said in the meeting is covered by speech, nearly all of it, and the pauses between sentences are not."""
    covered = np.zeros(len(voice), bool)
    for speech in _speech_of(voice):
        covered[speech.start : speech.end] = True
    spoken = np.zeros(len(voice), bool)
    for segment in truth("meeting-3min").segments:
        spoken[round(segment.start_s * SAMPLE_RATE) : round(segment.end_s * SAMPLE_RATE)] = True
    assert covered[spoken].mean() > 0.98
    assert covered[~spoken].mean() < 0.9


@given(sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=30))
@settings(max_examples=5, deadline=None)
def test_block_cuts_change_no_probability(voice: np.ndarray, whole: np.ndarray, sizes: list[int]) -> None:
    """Blocks of any size, even below a frame, give the probabilities of the whole, and the same speech."""
    activity, got, speech = VoiceActivity(OPTIONS), [], []
    at = 0
    for size in [*sizes, len(voice)]:
        speech += activity.push(voice[at : at + size])
        got.append(activity.probabilities)
        at += size
    np.testing.assert_allclose(np.concatenate(got), whole, atol=1e-4)
    speech += activity.finish()
    assert speech == _speech_of(voice)


def _speech_of(pcm: np.ndarray, options: VadOptions = OPTIONS) -> list[Speech]:
    activity = VoiceActivity(options)
    return [*activity.push(pcm), *activity.finish()]


def test_the_last_samples_may_say_so(voice: np.ndarray) -> None:
    """A stream that ends with its last samples gives the same speech, and frames, as one that is ended afterwards."""
    for n_samples in (0, 100, len(voice) // FRAME_SAMPLES * FRAME_SAMPLES, len(voice) - 7):
        activity = VoiceActivity(OPTIONS)
        assert activity.push(voice[:n_samples], last=True) == _speech_of(voice[:n_samples])
        assert len(activity.probabilities) == -(-n_samples // FRAME_SAMPLES)
        assert activity.position == n_samples


def test_agrees_with_faster_whisper(voice: np.ndarray) -> None:
    """Speech is found where faster-whisper's own whole-file detection finds it with the same options."""
    theirs = get_speech_timestamps(
        voice.astype(np.float32) / 32768,
        threshold=OPTIONS.threshold,
        neg_threshold=OPTIONS.threshold_off,
        min_silence_duration_ms=68,  # theirs is counted from the start of a frame, ours to its end
        speech_pad_ms=250,
    )
    ours = _speech_of(voice, replace(OPTIONS, min_speech_s=0.0))
    assert len(ours) == len(theirs) > 2
    for mine, other in zip(ours, theirs, strict=True):
        assert abs(mine.start - other["start"]) <= FRAME_SAMPLES
        assert abs(mine.end - other["end"]) <= FRAME_SAMPLES


def test_silence_and_hum_are_no_speech() -> None:
    """Digital silence and mains hum give nothing, and nothing is left open."""
    t = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    for pcm in (np.zeros(5 * SAMPLE_RATE, np.int16), (3000 * np.sin(2 * np.pi * 50 * t)).astype(np.int16)):
        activity = VoiceActivity()
        assert activity.push(pcm) == []
        assert activity.open_start is None
        assert activity.finish() == []


def test_recordings_shorter_than_a_frame_are_judged() -> None:
    """A recording of a few samples, or none, ends without error and without speech."""
    for n_samples in (0, 1, FRAME_SAMPLES - 1, FRAME_SAMPLES):
        activity = VoiceActivity()
        assert activity.push(np.zeros(n_samples, np.int16)) == []
        assert activity.finish() == []
        assert activity.position == n_samples


def test_padding_reaches_into_long_silence_and_meets_in_a_short_one() -> None:
    """Two pads fit into a long silence; a shorter one is shared, so that no pause below two pads is lost."""
    far = detect(probabilities([(40, 0.0), (20, 0.9), (40, 0.0), (20, 0.9), (40, 0.0)]))
    assert [(s.start, s.end) for s in far] == [
        (40 * FRAME_SAMPLES - PAD, 60 * FRAME_SAMPLES + PAD),
        (100 * FRAME_SAMPLES - PAD, 120 * FRAME_SAMPLES + PAD),
    ]
    assert [s.pause for s in far] == [2 * PAD, 2 * PAD]
    near = detect(probabilities([(40, 0.0), (20, 0.9), (10, 0.0), (20, 0.9), (40, 0.0)]))
    assert near[0].end == near[1].start == 65 * FRAME_SAMPLES
    assert near[0].pause == 10 * FRAME_SAMPLES


def test_hysteresis_keeps_hesitant_speech_together() -> None:
    """Between the two thresholds speech neither begins nor ends, and a dip shorter than a silence ends nothing."""
    assert detect(probabilities([(50, 0.45)])) == []
    assert len(detect(probabilities([(20, 0.0), (10, 0.9), (30, 0.45), (10, 0.9), (40, 0.0)]))) == 1
    assert len(detect(probabilities([(20, 0.0), (10, 0.9), (3, 0.0), (10, 0.9), (40, 0.0)]))) == 1
    assert len(detect(probabilities([(20, 0.0), (10, 0.9), (4, 0.0), (10, 0.9), (40, 0.0)]))) == 2


def test_lone_click_is_dropped_but_a_short_word_near_others_stays() -> None:
    """A single loud frame in silence is noise; beside other speech it belongs to it."""
    assert detect(probabilities([(50, 0.0), (1, 0.9), (50, 0.0)])) == []
    assert len(detect(probabilities([(50, 0.0), (20, 0.9), (5, 0.0), (1, 0.9), (50, 0.0)]))) == 2
    assert len(detect(probabilities([(50, 0.0), (1, 0.9), (5, 0.0), (20, 0.9), (50, 0.0)]))) == 2


values = st.lists(
    st.tuples(st.integers(1, 40), st.sampled_from([0.0, 0.3, 0.4, 0.6, 1.0])), min_size=1, max_size=40
).map(probabilities)


@given(values=values, cuts=st.lists(st.integers(0, 1000)), pad_s=st.sampled_from([0.0, 0.01, 0.1, 0.25, 1.0]))
@settings(max_examples=200, deadline=None)
def test_speech_is_ordered_complete_and_settled(values: np.ndarray, cuts: list[int], pad_s: float) -> None:
    """Whatever comes: ascending without overlap, every loud run of a word's length inside, nothing before `settled`."""
    options = replace(OPTIONS, pad_s=pad_s)
    n_samples = len(values) * FRAME_SAMPLES
    detector, speech = SpeechDetector(options), []
    edges = sorted({0, len(values), *(cut % (len(values) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        settled = detector.settled
        new = detector.push(values[start:end])
        assert all(s.start >= settled for s in new)
        speech += new
        if detector.open_start is not None:
            assert detector.settled <= detector.open_start <= detector.position
    settled = detector.settled
    rest = detector.finish(n_samples)
    assert all(s.start >= settled for s in rest)
    speech += rest
    assert speech == detect(values, options)
    assert all(0 <= s.start < s.end <= n_samples for s in speech)
    assert all(one.end <= other.start for one, other in itertools.pairwise(speech))
    covered = np.zeros(n_samples, bool)
    for s in speech:
        covered[s.start : s.end] = True
    loud = np.flatnonzero(values >= options.threshold)
    for run in np.split(loud, np.flatnonzero(np.diff(loud) > 1) + 1):
        if len(run) >= 4:
            assert covered[run[0] * FRAME_SAMPLES : (run[-1] + 1) * FRAME_SAMPLES].all()


@pytest.mark.parametrize(
    "wrong",
    [{"threshold": 0.1}, {"threshold": 1.0}, {"threshold_off": 0.0}, {"pad_s": -1.0}, {"min_silence_s": -0.1}],
)
def test_contradictory_options_are_refused(wrong: dict[str, float]) -> None:
    """Thresholds in the wrong order and negative durations are named before any audio is read."""
    with pytest.raises(OptionError):
        VadOptions(**wrong)


def test_network_is_that_of_the_onnx_file(voice: np.ndarray, whole: np.ndarray) -> None:
    """ONNX Runtime gives the same probabilities for the file whose weights run here on torch."""
    n_frames = len(whole)
    rows = np.zeros((n_frames, CONTEXT_SAMPLES + FRAME_SAMPLES), np.float32)
    rows[:, CONTEXT_SAMPLES:] = voice[: n_frames * FRAME_SAMPLES].reshape(n_frames, FRAME_SAMPLES) / 32768
    rows[1:, :CONTEXT_SAMPLES] = rows[:-1, -CONTEXT_SAMPLES:]
    state = np.zeros((1, 1, 128), np.float32)
    expected, *_ = get_vad_model().session.run(None, {"input": rows, "h": state, "c": state})
    np.testing.assert_allclose(whole, expected, atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x3a\x05\x2a\x03\x0a\x01\x01", b"\x07"])
def test_another_model_file_is_named(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing or foreign model file is an enumerated error, not wrong probabilities."""
    spec = importlib.util.find_spec("pipelines.audio.silero")
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)  # a second one, which has read no model yet
    spec.loader.exec_module(fresh)
    monkeypatch.setattr(fresh, "get_assets_path", lambda: str(tmp_path))
    with pytest.raises(ModelUnavailable):
        fresh.SileroVad()
    (tmp_path / fresh.ASSET).write_bytes(content)
    with pytest.raises(ModelUnavailable):
        fresh.SileroVad()
