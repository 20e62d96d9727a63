"""The Segmenter on a real recording: what an earlier call stored is not made again."""

import asyncio
import base64
import hashlib
import json
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
import pytest

from deployments.ports import MaskedCopyRequest, SegmentRequest
from deployments.sources.limits import SourceLimits
from deployments.telemetry.reports import SegmentReport
from deployments.workers import segmenter
from deployments.workers.segmenter import Segmenter, SegmenterOptions
from pipelines.audio.decode import decode_audio
from pipelines.audio.playback import samples_between
from pipelines.audio.sandbox import DecodingHere
from pipelines.audio.segmentation import SegmentationOptions
from pipelines.codec import encode
from pipelines.core import SAMPLE_RATE, BlobRef, SourceSummary, Span, TrackState
from pipelines.errors import AudioGone, BlobMissing, StoreUnavailable, TimedOut
from pipelines.notes import NoteCode
from pipelines.storage.folder import LocalStore
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore
from pipelines.transcript.masked_audio import MaskedAudio
from tests.fakes.store import MemoryStore
from tests.support.hashing import HashCounter

RECORDING = Path(__file__).parents[3] / "data" / "short.mp3"
KEYS = JobKeys(tenant="t", job_id="j")
SOURCES = SourceLimits()
REQUEST = SegmentRequest(tenant="t", job_id="j", split_channels=False, window_s=2.0)

SHORT_SPANS = SegmenterOptions(
    max_duration_s=3600.0,
    segmentation=SegmentationOptions(window_s=2.0, first_span_s=1.0, span_s=1.0, max_span_s=30.0),
)


class CountingStore(MemoryStore):
    """Remembers what was put; refuses the puts after the ``limit``-th."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[str] = []
        self.limit = 10**9

    def put(self, key: str, data: bytes, *, sha256: str = ""):  # as in MemoryStore
        if len(self.puts) == self.limit:
            raise StoreUnavailable("away")
        self.puts.append(key)
        return super().put(key, data, sha256=sha256)


@pytest.fixture
def store() -> CountingStore:
    store = CountingStore()
    store.put_file(KEYS.source, RECORDING)
    store.puts.clear()
    return store


async def cut(
    store: BlobStore, request: SegmentRequest = REQUEST, sources: SourceLimits = SOURCES
) -> list[BlobRef | Span | SourceSummary]:
    """What is found, without what it took."""
    stream = Segmenter(store=store, options=replace(SHORT_SPANS, sources=sources)).segment(request)
    return [found async for found in stream if not isinstance(found, SegmentReport)]


def timeless(found: list[BlobRef | Span | SourceSummary]) -> list[BlobRef | Span | SourceSummary]:
    """The same, for a comparison of two runs."""
    return [replace(part, cpu_s=0.0) if isinstance(part, SourceSummary) else part for part in found]


async def test_what_cutting_took_comes_last(store: CountingStore) -> None:
    """Figures end the stream: decoding and voice activity of every span, the calls of the store, processor time."""
    found = [
        part async for part in Segmenter(store=store, options=SegmenterOptions(max_duration_s=60)).segment(REQUEST)
    ]
    summary, report = found[-2:]
    assert isinstance(summary, SourceSummary)
    assert isinstance(report, SegmentReport)
    assert len(report.spans) == summary.n_spans
    assert sum(span.audio_s for span in report.spans) == pytest.approx(summary.duration_s)
    assert all(span.decode_s > 0 and span.vad_s > 0 for span in report.spans)
    assert summary.cpu_s > 0
    assert sum(call.operation == "put" for call in report.store_calls) == len(store.puts)


async def test_a_playback_copy_only_where_it_is_wanted(store: CountingStore) -> None:
    """The option changes nothing about the spans; the copy and its waveform are stored before the summary."""
    plain = await cut(store)
    assert not store.exists(KEYS.playback)
    store.delete_prefix(KEYS.work)
    store.puts.clear()
    assert timeless(await cut(store, replace(REQUEST, keep_audio=True))) == timeless(plain)
    assert store.puts.index(KEYS.peaks) < store.puts.index(KEYS.summary)
    heard = sum(block.shape[1] for block in decode_audio(store.open(KEYS.playback), max_duration_s=60.0))
    summary = plain[-1]
    assert isinstance(summary, SourceSummary)
    assert heard / SAMPLE_RATE == pytest.approx(summary.duration_s, abs=0.05)


async def test_what_a_recording_lost_is_in_its_summary(store: CountingStore) -> None:
    """A recording that was cut off is as long as it says; what is missing is told, and counted."""
    store.put_file(KEYS.source, RECORDING.with_name("truncated.flac"))
    found = [
        part async for part in Segmenter(store=store, options=SegmenterOptions(max_duration_s=60)).segment(REQUEST)
    ]
    *spans, summary, report = found
    assert isinstance(summary, SourceSummary)
    assert isinstance(report, SegmentReport)
    (damage,) = summary.damaged
    assert summary.duration_s == pytest.approx(20.56, abs=0.01)
    assert damage.end / SAMPLE_RATE == pytest.approx(summary.duration_s)
    assert damage.start <= max(span.end for span in spans if isinstance(span, Span)) < damage.end
    assert report.damaged_s == pytest.approx((damage.end - damage.start) / SAMPLE_RATE)
    assert [note.text for note in summary.notes] == ["The file declares 20.56 s; 11.66 s were found."]
    repeated = [
        part async for part in Segmenter(store=store, options=SegmenterOptions(max_duration_s=60)).segment(REQUEST)
    ]
    assert summary in repeated


async def test_a_fetched_source_is_named_first(store: CountingStore) -> None:
    """A source given by URL is stored, and told with its size and digest, also where it was fetched before."""
    expected = BlobRef(
        key=KEYS.source, n_bytes=RECORDING.stat().st_size, sha256=hashlib.sha256(RECORDING.read_bytes()).hexdigest()
    )
    uploaded = await cut(store)
    store.delete_prefix(KEYS.root)
    sources = SourceLimits(max_bytes=1 << 20, schemes=frozenset({"file"}), file_roots=(RECORDING.parent,))
    pulled = replace(REQUEST, source_url=RECORDING.as_uri())
    for _ in range(2):
        first, *rest = await cut(store, pulled, sources)
        assert first == expected
        assert timeless(rest) == timeless(uploaded)
    store.delete_prefix(KEYS.work)
    assert (await cut(store, pulled, sources))[0] == expected


async def test_a_fetched_source_is_hashed_once(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is hashed while it is pulled; later calls hash it only where the ledger does not have its digest yet."""
    folder = LocalStore(tmp_path / "blobs")
    sources = SourceLimits(max_bytes=1 << 20, schemes=frozenset({"file"}), file_roots=(RECORDING.parent,))
    pulled = replace(REQUEST, source_url=RECORDING.as_uri())
    counter = HashCounter(monkeypatch)
    first, *rest = await cut(folder, pulled, sources)
    assert counter.times(RECORDING.read_bytes()) == 1
    assert isinstance(first, BlobRef)
    for known, n_times in ((first, 1), (replace(first, sha256="", n_bytes=0), 2), (None, 3)):
        again = await cut(folder, replace(pulled, source=known), sources)
        assert again == [first, *rest]
        assert counter.times(RECORDING.read_bytes()) == n_times


async def test_samples_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A span's samples are hashed for its reference, and not again by the store."""
    folder = LocalStore(tmp_path / "blobs")
    folder.put(KEYS.source, RECORDING.read_bytes())
    counter = HashCounter(monkeypatch)
    spans = [found for found in await cut(folder) if isinstance(found, Span) and found.chunks]
    assert spans
    assert {counter.times(folder.get(span.pcm.key)) for span in spans} == {1}


async def test_a_finished_segmentation_is_read_not_made(store: CountingStore) -> None:
    """A second call yields the same without the recording."""
    first = await cut(store)
    summary = first[-1]
    assert isinstance(summary, SourceSummary)
    assert (summary.n_spans, summary.n_chunks > 0) == (len(first) - 1, True)
    n_puts = len(store.puts)
    store.delete(KEYS.source)
    assert await cut(store) == first
    assert len(store.puts) == n_puts


async def test_a_broken_segmentation_goes_on(store: CountingStore) -> None:
    """Wherever it broke off, the next call yields the same and puts only what is missing."""
    whole = CountingStore()
    whole.put_file(KEYS.source, RECORDING)
    whole.puts.clear()
    expected = await cut(whole)
    assert len(expected) > 2
    for limit in range(len(whole.puts)):
        broken = CountingStore()
        broken.put_file(KEYS.source, RECORDING)
        broken.puts.clear()
        broken.limit = limit
        with pytest.raises(StoreUnavailable):
            await cut(broken)
        tables = {key for key in broken.puts if key.startswith(KEYS.spans)}
        broken.puts.clear()
        broken.limit = 10**9
        assert timeless(await cut(broken)) == timeless(expected)
        assert not tables & set(broken.puts)
        assert set(broken.list(KEYS.work)) == set(whole.list(KEYS.work))


async def test_a_source_that_hangs_is_given_up(store: CountingStore) -> None:
    """A span that takes longer than it may ends the call with an enumerated reason."""

    released = threading.Event()

    class Hanging(CountingStore):
        def open(self, key: str):  # as in MemoryStore
            released.wait(60)
            return super().open(key)

    hanging = Hanging()
    hanging.put_file(KEYS.source, RECORDING)
    segmenter = Segmenter(store=hanging, options=SegmenterOptions(max_duration_s=3600.0, span_timeout_s=0.05))
    with pytest.raises(TimedOut):
        async for _ in segmenter.segment(REQUEST):
            pass
    released.set()
    await asyncio.sleep(0)


async def test_probing_reads_the_header_where_decoding_happens(store: CountingStore, monkeypatch) -> None:
    """A dry run's look at a recording from outside is the decoder's business, which has a process for it."""
    looked: list[bytes] = []

    class Elsewhere(DecodingHere):
        @staticmethod
        def duration_s(source: BinaryIO) -> float | None:
            looked.append(source.read(3))
            return 12.5

    async def fetch(url: str, path: Path, limits: object, tenant: str) -> None:
        await asyncio.to_thread(shutil.copy, RECORDING, path)

    monkeypatch.setattr(segmenter, "fetch_recording", fetch)
    options = SegmenterOptions(max_duration_s=60.0)
    found = await Segmenter(store=store, options=options, decode=Elsewhere).probe("t", "https://example.com/a.mp3")
    assert found.audio_s == 12.5
    assert looked == [RECORDING.read_bytes()[:3]]


def two_tracks(path: Path) -> None:
    """Write a file of two tracks, the default one silent."""
    with av.open(str(path), "w", format="matroska") as out:
        streams = [out.add_stream("pcm_s16le", rate=SAMPLE_RATE, layout="mono") for _ in range(2)]
        for stream, title in zip(streams, ("Desktop", "Microphone"), strict=True):
            stream.metadata["title"] = title
        for stream, level in zip(streams, (0, 8000), strict=True):
            noise = np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE) * level
            frame = av.AudioFrame.from_ndarray(noise.astype(np.int16)[np.newaxis], format="s16", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, 0
            out.mux(stream.encode(frame))


async def test_the_summary_lists_the_sound_tracks(store: CountingStore, tmp_path: Path) -> None:
    """With what became of each, and a note where it is not what one expects; a chosen one needs no note."""
    two_tracks(tmp_path / "two.mkv")
    store.put_file(KEYS.source, tmp_path / "two.mkv")
    found = {}
    for track in (None, "1", "all"):
        summary = (await cut(store, replace(REQUEST, track=track)))[-1]
        assert isinstance(summary, SourceSummary)
        states = [(each.title, each.state, each.channels) for each in summary.tracks]
        found[track] = summary.n_channels, states, [note.code for note in summary.notes]
        store.delete_prefix(KEYS.work)
    heard, silent, left_out = TrackState.HEARD, TrackState.SILENT, TrackState.LEFT_OUT
    assert found == {
        None: (1, [("Desktop", silent, ()), ("Microphone", heard, (0,))], [NoteCode.TRACK_SILENT]),
        "1": (1, [("Desktop", heard, (0,)), ("Microphone", left_out, ())], []),
        "all": (2, [("Desktop", heard, (0,)), ("Microphone", heard, (1,))], []),
    }


async def test_a_copy_without_what_must_not_be_heard(store: CountingStore) -> None:
    """The copy is made anew from the source, silent where it must be; its waveform as well, and all else is there."""
    request = MaskedCopyRequest(tenant="t", job_id="j", split_channels=False, sound="mute")
    store.put(KEYS.masked_audio, encode(MaskedAudio(stretches=((0.5, 1.5),))))
    worker = Segmenter(store=store, options=SegmenterOptions(max_duration_s=3600.0))
    for _ in range(2):  # may be repeated
        await worker.keep_masked(request)
    heard = samples_between(store.open(KEYS.playback), 0.0, 60.0)
    said = np.concatenate(list(decode_audio(store.open(KEYS.source), max_duration_s=60.0)), axis=1)
    assert heard.shape[1] == pytest.approx(said.shape[1], abs=SAMPLE_RATE // 10)
    assert np.abs(said[:, 10_000:22_000].astype(int)).max() > 2_000, "somebody speaks there"
    assert np.abs(heard[:, 10_000:22_000].astype(int)).max() < 200
    assert np.abs(heard[:, 28_000:].astype(int)).max() > 2_000
    peaks = np.frombuffer(base64.b64decode(json.loads(store.get(KEYS.peaks))["channels"][0]), np.uint8)
    assert not peaks[5:15].any()
    assert peaks[16:].any()
    assert store.exists(KEYS.audio_mark), "it expires as every copy does"


async def test_no_copy_of_a_job_that_ended_meanwhile() -> None:
    """A job that is cancelled while its copy is made leaves none."""

    class Ending(CountingStore):
        def put_file(self, key: str, path: Path, *, sha256: str = ""):  # as in MemoryStore
            if key == KEYS.playback:
                self.delete(KEYS.source)
            return super().put_file(key, path, sha256=sha256)

    ending = Ending()
    ending.put_file(KEYS.source, RECORDING)
    ending.put(KEYS.masked_audio, encode(MaskedAudio(stretches=())))
    worker = Segmenter(store=ending, options=SegmenterOptions(max_duration_s=3600.0))
    with pytest.raises(BlobMissing):
        await worker.keep_masked(MaskedCopyRequest(tenant="t", job_id="j", split_channels=False, sound="beep"))
    assert not [*ending.list(KEYS.audio)]
    assert not ending.exists(KEYS.audio_mark)


async def test_a_recording_that_an_earlier_job_kept(store: CountingStore) -> None:
    """Its copy becomes the source, on the same clock; a repeated call finds it there, also once the first is erased."""
    first = await cut(store, replace(REQUEST, keep_audio=True))
    later = JobKeys(tenant="t", job_id="later")
    request = replace(REQUEST, job_id="later", recording_of="j")
    named, *found = await cut(store, request)
    copied = store.get(KEYS.playback)
    assert named == BlobRef(key=later.source, n_bytes=len(copied), sha256=hashlib.sha256(copied).hexdigest())
    assert store.get(later.source) == copied
    lengths_s = [step.duration_s for step in (*first, *found) if isinstance(step, SourceSummary)]
    assert lengths_s[1] == pytest.approx(lengths_s[0], abs=0.1)
    store.delete_prefix(KEYS.root)
    again = await cut(store, request)
    assert again[0] == named
    assert timeless(again[1:]) == timeless(found)


async def test_a_recording_that_is_kept_no_more(store: CountingStore) -> None:
    """The error says whose; nothing is left behind."""
    with pytest.raises(AudioGone, match="job gone"):
        await cut(store, replace(REQUEST, job_id="later", recording_of="gone"))
    assert not list(store.list(JobKeys(tenant="t", job_id="later").root))


async def test_a_recording_that_nobody_has_cut_asks_for_nothing(store: CountingStore) -> None:
    """Only for the recording. What a call made whose answer was lost is written over by the same."""
    asked: list[str] = []

    class Asked(CountingStore):
        def get(self, key: str) -> bytes:
            asked.append(key)
            return super().get(key)

        def list(self, prefix: str, *, after: str = ""):
            asked.append(prefix)
            return super().list(prefix, after=after)

    noting = Asked()
    noting.put_file(KEYS.source, RECORDING)
    first = await cut(noting, replace(REQUEST, first_time=True))
    assert asked == [KEYS.source]
    assert timeless(first) == timeless(await cut(store))
    assert timeless(await cut(noting, replace(REQUEST, first_time=True))) == timeless(first)
    assert timeless(await cut(noting)) == timeless(first)


@pytest.mark.parametrize("together_s", [0.0, 60.0], ids=["one by one", "together"])
async def test_an_error_comes_after_the_spans_before_it(
    store: CountingStore, monkeypatch: pytest.MonkeyPatch, together_s: float
) -> None:
    """Whether spans are told one by one or together."""
    monkeypatch.setattr(segmenter, "TOGETHER_S", together_s)
    other = MemoryStore()
    other.put_file(KEYS.source, RECORDING)
    whole = await cut(other)
    store.limit = 4  # the samples and the tables of two spans
    found: list[object] = []

    async def read() -> None:
        async for part in Segmenter(store=store, options=SHORT_SPANS).segment(REQUEST):
            found.append(part)

    with pytest.raises(StoreUnavailable):
        await read()
    assert found == whole[:2]
