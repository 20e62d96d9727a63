"""The Segmenter: streams a source through decoding and voice activity, stores spans, names them as they are stored."""

import asyncio
import hashlib
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import structlog

from deployments.limits import DecodeLimits
from deployments.ports import MaskedCopyRequest, SegmentRequest
from deployments.sources.fetch import fetch_recording
from deployments.sources.limits import SourceLimits
from deployments.telemetry import tracing
from deployments.telemetry.reports import SegmentReport, SpanTiming
from deployments.workers.scratch import scratch_folder, sweep_scratch
from deployments.workers.stopwatch import Stopwatch
from pipelines.audio.formats import MAX_CHANNELS
from pipelines.audio.pcm import Pcm
from pipelines.audio.playback import PlaybackCopy, muted
from pipelines.audio.sandbox import Decoder, Decoding, DecodingHere
from pipelines.audio.segmentation import SegmentationOptions, SpanDraft, split_audio
from pipelines.audio.sound import sound_notes
from pipelines.audio.tracks import ALL
from pipelines.codec import decode, encode
from pipelines.core import SAMPLE_RATE, BlobRef, SourceSummary, Span
from pipelines.errors import AudioGone, BlobMissing, TimedOut
from pipelines.file_hash import hash_stream
from pipelines.jobs.batch import Probe
from pipelines.storage.layout import JobKeys
from pipelines.storage.measured import MeasuredStore
from pipelines.storage.protocol import BlobStore
from pipelines.transcript.masked_audio import MaskedAudio

log = structlog.get_logger()

READ_BYTES = 1 << 20
TOGETHER_S = 0.1  # steps that come so soon are told together: a short recording's take one turn of a thread
SWEEPS_APART_S = 60.0  # looking for what killed processes left reads the whole folder of temporary files


@dataclass(frozen=True, kw_only=True)
class SegmenterOptions:
    """Options of segmentation, and limits of decoding; a span that takes longer than ``span_timeout_s`` hangs.

    ``tenants`` holds those whose recordings may be longer or wider, or not so long, than everybody's.
    """

    max_duration_s: float
    max_channels: int = MAX_CHANNELS
    tenants: Mapping[str, DecodeLimits] = field(default_factory=dict)
    span_timeout_s: float = 900.0
    segmentation: SegmentationOptions = field(default=SegmentationOptions())
    sources: SourceLimits = field(default=SourceLimits())

    def limits_of(self, tenant: str) -> DecodeLimits:
        """Return what a tenant's recordings may be."""
        everybody = DecodeLimits(max_duration_s=self.max_duration_s, max_channels=self.max_channels)
        return self.tenants.get(tenant, everybody)


Step = Span | SourceSummary | SegmentReport


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Steps of a recording that came shortly after one another, and what was raised after them."""

    steps: Sequence[Step] = ()
    ended: bool = False
    error: Exception | None = None


class Segmenter:
    """Splits one source per call; memory holds one span, whatever the recording's length."""

    def __init__(self, *, store: BlobStore, options: SegmenterOptions, decode: Decoder = DecodingHere) -> None:
        """Take a ``decode``, which for untrusted recordings is a `pipelines.audio.sandbox.IsolatedDecoder`."""
        self._store = MeasuredStore(store)
        self._decode = decode
        self._options = options
        self._swept_s = float("-inf")  # monotonic

    def limit(
        self, *, max_duration_s: float, max_channels: int, tenants: Mapping[str, DecodeLimits], sources: SourceLimits
    ) -> None:
        """Fetch and decode as much as this of recordings that are begun from now on."""
        self._options = replace(
            self._options, max_duration_s=max_duration_s, max_channels=max_channels, tenants=tenants, sources=sources
        )

    async def segment(self, request: SegmentRequest) -> AsyncGenerator[BlobRef | Span | SourceSummary | SegmentReport]:
        """Yield a source that had to be fetched, each span once it is stored, then the summary, at last what it took.

        A repeated call yields the same: from the store where an earlier one came to its end, else by cutting anew
        and storing only what is not there yet. Raises `InputError`, `StoreUnavailable` and `TimedOut`.
        """
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        if time.monotonic() >= self._swept_s + SWEEPS_APART_S:
            self._swept_s = time.monotonic()
            await asyncio.to_thread(sweep_scratch)
        if request.source_url:
            yield await self._fetch(request, keys)
        elif request.recording_of:
            yield await asyncio.to_thread(self._copy, request, keys)
        stored = [] if request.first_time else await asyncio.to_thread(self._stored, keys)
        if stored:
            for found in stored:
                yield found
            return
        began_s = time.perf_counter()
        running: list[Decoding] = []
        steps = self._split(keys, request, running)
        try:
            taken = Taken()
            while not taken.ended:
                taken = await self._next(steps)
                for step in taken.steps:
                    yield step
                if taken.error is not None:
                    raise taken.error
        finally:
            for decoding in running:  # a thread may still wait for it
                decoding.kill()
        seconds = time.perf_counter() - began_s
        tracing.past_span("cut", request.traceparent, seconds, job_id=request.job_id)
        log.info(
            "segmented",
            action="segment",
            job_id=request.job_id,
            tenant=request.tenant,
            request_id=request.request_id,
            seconds=round(seconds, 3),
        )

    async def keep_masked(self, request: MaskedCopyRequest) -> None:
        """Decode a stored source again, and store its playback copy without what must not be heard.

        No copy of all that was said is ever stored: it is made when it is known what to leave out. Raises `BlobMissing`
        without the source, `InputError`, `StoreUnavailable`.
        """
        began_s = time.perf_counter()
        await asyncio.to_thread(self._keep_masked, request)
        tracing.past_span("mask audio", request.traceparent, time.perf_counter() - began_s, job_id=request.job_id)

    def _keep_masked(self, request: MaskedCopyRequest) -> None:
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        stretches = decode(MaskedAudio, self._store.get(keys.masked_audio)).stretches
        with self._store.open(keys.source) as source, self._playback(keys, wanted=True) as copied:
            recording = self._decoding(source, request)
            try:
                for _ in copied(muted(recording, stretches, request.sound)):
                    pass
            finally:
                recording.kill()
        if not self._store.exists(keys.source):  # the job has ended meanwhile, and what it left was deleted
            self._store.delete_prefix(keys.audio)
            self._store.delete(keys.audio_mark)
            raise BlobMissing(f"Job {request.job_id} has ended.")

    async def probe(self, tenant: str, url: str) -> Probe:
        """Look at a source's header, which takes fetching it; raises `InputError`, `SourceUnreachable`."""
        with scratch_folder() as folder:
            path = folder / "source"
            await fetch_recording(url, path, self._options.sources, tenant)
            with path.open("rb") as file:
                return Probe(audio_s=await asyncio.to_thread(self._decode.duration_s, file))

    async def _next(self, steps: Iterator[Step]) -> "Taken":
        try:
            async with asyncio.timeout(self._options.span_timeout_s):
                return await asyncio.to_thread(_taken, steps)
        except TimeoutError:
            raise TimedOut(f"no span was found within {self._options.span_timeout_s:g} seconds") from None

    def _stored(self, keys: JobKeys) -> list[Span | SourceSummary]:
        """Return what an earlier call yielded, if it came to its end; else nothing."""
        try:
            summary = decode(SourceSummary, self._store.get(keys.summary))
            spans = [decode(Span, self._store.get(keys.span(index))) for index in range(summary.n_spans)]
        except BlobMissing:
            return []
        return [*spans, summary]

    async def _fetch(self, request: SegmentRequest, keys: JobKeys) -> BlobRef:
        """Pull the source into the store, unless an earlier call did."""
        if not request.first_time and await asyncio.to_thread(self._store.exists, keys.source):
            known = request.source
            return known if known and known.sha256 else await asyncio.to_thread(self._source, keys)
        with scratch_folder() as folder:
            path = folder / "source"
            fetched = await fetch_recording(request.source_url, path, self._options.sources, request.tenant)
            return await asyncio.to_thread(self._store.put_file, keys.source, path, sha256=fetched.sha256)

    def _copy(self, request: SegmentRequest, keys: JobKeys) -> BlobRef:
        """Make the playback copy of an earlier job the source, unless an earlier call did: it may go meanwhile."""
        if self._store.exists(keys.source):
            return self._source(keys)
        kept = JobKeys(tenant=request.tenant, job_id=request.recording_of)
        with scratch_folder() as folder:
            path = folder / "source"
            try:
                with self._store.open(kept.playback) as recording, path.open("wb") as file:
                    shutil.copyfileobj(recording, file, READ_BYTES)
            except BlobMissing:
                raise AudioGone(f"The recording that job {request.recording_of} kept is gone.") from None
            return self._store.put_file(keys.source, path)

    def _source(self, keys: JobKeys) -> BlobRef:
        """Return a source that an earlier call stored but could not report."""
        with self._store.open(keys.source) as file:
            n_bytes, sha256 = hash_stream(file)
        return BlobRef(key=keys.source, n_bytes=n_bytes, sha256=sha256)

    def _split(self, keys: JobKeys, request: SegmentRequest, running: list[Decoding]) -> Iterator[Step]:
        segmentation = replace(self._options.segmentation, window_s=request.window_s)
        n_spans = n_chunks = n_channels = end = 0
        timings: list[SpanTiming] = []
        decoding, cutting = Stopwatch(), Stopwatch()  # cutting draws on decoding and contains it
        known = frozenset() if request.first_time else frozenset(self._store.list(keys.spans))
        with self._store.open(keys.source) as source, self._playback(keys, request.keep_audio) as copied:
            recording = self._decoding(source, request)
            running.append(recording)
            for draft in cutting.steps(split_audio(decoding.steps(copied(recording)), segmentation)):
                decode_s = decoding.lap_s()
                timings.append(
                    SpanTiming(
                        audio_s=(draft.end - draft.start) / SAMPLE_RATE,
                        decode_s=decode_s,
                        vad_s=cutting.lap_s() - decode_s,
                    )
                )
                span = self._store_span(keys, draft, known)
                n_spans += 1
                n_chunks += len(span.chunks)
                n_channels = max(n_channels, span.channel + 1)
                end = max(end, span.end)
                yield span
        sound = recording.sound
        summary = SourceSummary(
            duration_s=max(end, *(damage.end for damage in sound.damaged), 0) / SAMPLE_RATE,
            n_channels=n_channels,
            n_spans=n_spans,
            n_chunks=n_chunks,
            damaged=sound.damaged,
            cpu_s=cutting.cpu_s + recording.cpu_s,
            notes=sound_notes(sound, chosen=request.track not in (None, ALL)),
            tracks=sound.tracks,
        )
        self._store.put(keys.summary, encode(summary))
        yield summary
        yield SegmentReport(spans=tuple(timings), damaged_s=sound.damaged_s, store_calls=self._store.take_calls())

    def _decoding(self, source: BinaryIO, request: SegmentRequest | MaskedCopyRequest) -> Decoding:
        """Begin to decode a source; equal requests bring equal samples."""
        limits = self._options.limits_of(request.tenant)
        return self._decode(
            source,
            channels="split" if request.split_channels else "mix",
            track=request.track,
            max_duration_s=limits.max_duration_s,
            max_channels=limits.max_channels,
        )

    @contextmanager
    def _playback(self, keys: JobKeys, wanted: bool) -> Iterator[Callable[[Iterable[Pcm]], Iterable[Pcm]]]:
        """Give what makes the playback copy of the blocks that pass through, stored once all have."""
        if not wanted:
            yield lambda blocks: blocks
            return
        with scratch_folder() as folder:
            path = folder / "audio"
            with PlaybackCopy(path) as copy:
                yield copy.listen
            self._store.put(keys.audio_mark, b"")
            self._store.put(keys.peaks, copy.peaks.encoded())
            self._store.put_file(keys.playback, path)

    def _store_span(self, keys: JobKeys, draft: SpanDraft, known: frozenset[str]) -> Span:
        samples = draft.pcm.tobytes() if draft.chunks else b""
        pcm_key = keys.pcm(draft.channel, draft.index)
        sha256 = hashlib.sha256(samples).hexdigest() if samples else ""
        span = draft.stored(BlobRef(key=pcm_key, n_bytes=len(samples), sha256=sha256))
        table, key = encode(span), keys.span(span.index)
        if key in known and self._store.get(key) == table:
            return span
        if samples:
            self._store.put(pcm_key, samples, sha256=sha256)
        self._store.put(key, table)
        return span


def _taken(steps: Iterator[Step]) -> Taken:
    """Take the next step and those that come within `TOGETHER_S`; an error comes after the steps before it."""
    taken: list[Step] = []
    until_s = time.monotonic() + TOGETHER_S
    try:
        for step in steps:
            taken.append(step)
            if time.monotonic() >= until_s:
                return Taken(steps=taken)
    except Exception as error:
        return Taken(steps=taken, ended=True, error=error)
    return Taken(steps=taken, ended=True)
