"""Clips of what decisions rest on: the copy that a job keeps, from the Segmenter to WAV, and until when."""

import io
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deployments.artifacts.clips import MARGIN_S, MAX_S, excerpt
from deployments.artifacts.job_data import clean_up
from deployments.ports import EndedJob, SegmentRequest
from deployments.retention.housekeeping import Retention, expire_audio
from deployments.workers.segmenter import Segmenter, SegmenterOptions
from pipelines.audio.playback import PlaybackCopy
from pipelines.codec import encode
from pipelines.core import SAMPLE_RATE, BlobRef, Decision, Evidence, Minutes, ModelInfo, Segment, Transcript
from pipelines.errors import BlobMissing, NotFound, ResultPending
from pipelines.export.render import render
from pipelines.ids import new_id
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.storage.layout import JobKeys
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore

RECORDING = Path(__file__).parents[3] / "data" / "short.mp3"
KEYS = JobKeys(tenant="t", job_id="j")
JOB = Job(
    id="j",
    tenant="t",
    options=JobOptions(model="m", keep_audio=True),
    source=BlobRef(key=KEYS.source, n_bytes=0),
    filename="a.wav",
    created_at_s=1.0,
    updated_at_s=1000.0,
    state=JobState.SUCCEEDED,
)
SAID = Evidence(segment_ids=(1,), quote="We decided.")
MINUTES = Minutes(
    title="", language="en", writer="extractive", model="", summary="", decisions=(Decision(text="X", evidence=SAID),)
)


def tone(seconds: float, hertz: float) -> np.ndarray:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (8000 * np.sin(2 * np.pi * hertz * times)).astype("<i2")


def loudest_hertz(wav: bytes) -> float:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getframerate(), file.getnchannels()) == (SAMPLE_RATE, 1)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)[spectrum.argmax()])


@pytest.fixture
def store(tmp_path: Path) -> MemoryStore:
    """Twenty seconds on two channels, two tones each, and minutes that cite its second segment, 11 to 13 s."""
    store = MemoryStore()
    channels = [np.concatenate([tone(10.0, base), tone(10.0, base + 200)]) for base in (300.0, 900.0)]
    with PlaybackCopy(tmp_path / "copy") as copy:
        assert list(copy.listen([np.stack(channels)]))
    store.put_file(KEYS.playback, tmp_path / "copy")
    transcript = Transcript(
        duration_s=20.0,
        language="en",
        languages=(),
        segments=tuple(
            Segment(id=n, channel=n, speaker="", start_s=1.0 + 10 * n, end_s=3.0 + 10 * n, text="We decided.")
            for n in range(2)
        ),
        coverage=(),
        model=ModelInfo(name="m"),
        n_channels=2,
    )
    store.put(KEYS.transcript, encode(transcript))
    store.put(KEYS.result("minutes.json"), render("minutes.json", transcript, MINUTES, ""))
    store.put(KEYS.audio_mark, b"")
    return store


def test_the_seconds_that_are_cited(store: MemoryStore) -> None:
    """A clip is the cited segment's channel and time, with a margin."""
    wav = excerpt(store, JOB, "decisions", 1)
    with wave.open(io.BytesIO(wav)) as file:
        assert file.getnframes() / SAMPLE_RATE == pytest.approx(2.0 + 2 * MARGIN_S)
    assert loudest_hertz(wav) == pytest.approx(1100.0, abs=5.0)


def test_never_a_whole_recording(store: MemoryStore, tmp_path: Path) -> None:
    """However far apart what is cited lies, a clip has a minute at most."""
    with PlaybackCopy(tmp_path / "long") as copy:
        assert list(copy.listen([tone(70.0, 300.0).reshape(1, -1)]))
    store.put_file(KEYS.playback, tmp_path / "long")
    far = Evidence(segment_ids=(0, 1), quote="We decided.")
    long = replace(MINUTES, decisions=(Decision(text="X", evidence=far),))
    transcript = Transcript(
        duration_s=500.0,
        language="en",
        languages=(),
        segments=tuple(
            Segment(id=n, channel=0, speaker="", start_s=400.0 * n, end_s=400.0 * n + 3, text="We") for n in range(2)
        ),
        coverage=(),
        model=ModelInfo(name="m"),
    )
    store.put(KEYS.transcript, encode(transcript))
    store.put(KEYS.result("minutes.json"), render("minutes.json", transcript, long, ""))
    with wave.open(io.BytesIO(excerpt(store, JOB, "decisions", 1))) as file:
        assert file.getnframes() == MAX_S * SAMPLE_RATE


def test_minutes_written_anew_use_the_first_copy(store: MemoryStore) -> None:
    """A job that took the transcript has no copy of its own."""
    keys = JobKeys(tenant="t", job_id="k")
    for key, name in ((keys.transcript, KEYS.transcript), (keys.result("minutes.json"), KEYS.result("minutes.json"))):
        store.put(key, store.get(name))
    assert excerpt(store, replace(JOB, id="k", minutes_of="j"), "decisions", 1)


@pytest.mark.parametrize(
    ("spoil", "number", "error"),
    [("", 2, NotFound), ("", 0, NotFound), ("audio/", 1, BlobMissing), ("results/minutes", 1, BlobMissing)],
)
def test_what_is_not_there(store: MemoryStore, spoil: str, number: int, error: type[Exception]) -> None:
    """A number beyond the last, a recording that is not kept, minutes that do not exist: each has its reason."""
    if spoil:
        store.delete_prefix(KEYS.root + spoil)
    with pytest.raises(error):
        excerpt(store, JOB, "decisions", number)


def test_minutes_that_are_still_to_come(store: MemoryStore) -> None:
    """While a job runs there is nothing to hear yet."""
    store.delete_prefix(KEYS.root + "results/minutes")
    with pytest.raises(ResultPending):
        excerpt(store, replace(JOB, state=JobState.SUMMARIZING), "decisions", 1)


@pytest.mark.parametrize("keep", [True, False])
async def test_only_jobs_that_ask_keep_a_copy(keep: bool) -> None:
    """The Segmenter keeps a copy where the job asked for it, and nothing otherwise."""
    store = MemoryStore()
    store.put_file(KEYS.source, RECORDING)
    request = SegmentRequest(tenant="t", job_id="j", split_channels=False, keep_audio=keep)
    segmenter = Segmenter(store=store, options=SegmenterOptions(max_duration_s=3600.0))
    assert [found async for found in segmenter.segment(request)]
    assert bool(list(store.list(KEYS.audio))) == store.exists(KEYS.audio_mark) == keep


def test_copies_expire(store: MemoryStore) -> None:
    """A copy goes when its time is over or its job is gone, and at once when the job failed."""
    ledger = MemoryLedger(clock=lambda: 1000.0)
    ledger.create(JOB)
    retention = Retention(audio_days=2.0)
    assert expire_audio(ledger, store, retention, now_s=1000.0 + 86_400) == []
    assert store.exists(KEYS.audio_mark)
    assert expire_audio(ledger, store, retention, now_s=1000.0 + 3 * 86_400) == ["j"]
    assert not list(store.list(KEYS.audio))
    gone = new_id()
    store.put(JobKeys(tenant="t", job_id=gone).audio_mark, b"")
    assert expire_audio(ledger, store, retention, now_s=1000.0) == [gone]
    store.put(KEYS.playback, b"x")
    clean_up(store, EndedJob.of(replace(JOB, state=JobState.FAILED)))
    assert not list(store.list(KEYS.audio))
