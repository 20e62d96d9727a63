"""The whole cluster in one process: real Coordinator, Transcriber and MinutesWriter, no Ray, coded audio.

Recordings are made of numbers (`tests.fakes.engine.coded_pcm`): a lost chunk is a missing word in the
transcript, a chunk transcribed twice a doubled one.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from types import MappingProxyType
from typing import Any

from deployments.artifacts.search_indexer import SearchIndexer
from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.coordinator import Coordinator
from deployments.coordinator.options import CoordinatorOptions
from deployments.notifications.messages import JobNotifications
from deployments.ports import (
    DiarizationRequest,
    DiarizerPort,
    EndedJob,
    MaskedCopyRequest,
    MinutesPort,
    MinutesRequest,
    SegmenterPort,
    SegmentRequest,
    Stitched,
    StitchRequest,
    TranscriberPort,
    VoicesRequest,
    WrittenResults,
)
from deployments.workers.minutes_writer import MinutesWriter
from deployments.workers.search_index_worker import SearchIndexWorker
from deployments.workers.transcriber import Transcriber
from pipelines.codec import decode, encode
from pipelines.core import SAMPLE_RATE, BlobRef, Chunk, SoundTrack, SourceSummary, Span, SpeechInterval, Transcript
from pipelines.errors import AudioGone, BlobMissing
from pipelines.jobs.batch import Probe
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.ledger.batch_book import BatchRepository
from pipelines.ledger.protocol import Ledger
from pipelines.minutes.extractive.writer import ExtractiveWriter
from pipelines.models.profile import ModelProfile
from pipelines.notes import Note
from pipelines.scheduling.shards import WHOLE, Shard
from pipelines.speakers.voices import Diarization
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore
from tests.fakes.diarizer import CodedDiarizer
from tests.fakes.engine import PAUSE_S, WORD_S, FakeEngine, coded_pcm
from tests.support.waiting import until

MODEL = "fake"
STAND_IN = "stand-in"
WORDS_PER_CHUNK = 10
CHUNKS_PER_SPAN = 3
CODED_START = b"OggS "  # passes for a recording by its first bytes
_NUMBER = round((WORD_S + PAUSE_S) * SAMPLE_RATE)  # samples


class CodedSegmenter:
    """Cuts a "recording" whose source is a list of numbers as text, behind `CODED_START` where it comes over HTTP.

    They are spoken on its first channel. ``fail`` raises what a bad file would; ``tracks`` are its sound tracks,
    ``notes`` are told of every recording.
    """

    def __init__(self, store: BlobStore) -> None:
        self._store = store
        self.fail: Exception | None = None
        self.tracks: tuple[SoundTrack, ...] = ()
        self.notes: tuple[Note, ...] = ()
        self.n_calls = 0
        self.masked: list[MaskedCopyRequest] = []

    async def segment(self, request: SegmentRequest) -> AsyncIterator[BlobRef | Span | SourceSummary]:
        self.n_calls += 1
        if self.fail:
            raise self.fail
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        if request.recording_of:
            yield self._store.put(keys.source, self._kept(request))
        if request.keep_audio:
            self._store.put(keys.playback, self._store.get(keys.source))
        numbers = [int(word) for word in self._store.get(keys.source).split() if word.isdigit()]
        n_spans = n_chunks = 0
        per_span = WORDS_PER_CHUNK * CHUNKS_PER_SPAN
        for index, first in enumerate(range(0, len(numbers), per_span)):
            await asyncio.sleep(0)
            start = first * _NUMBER
            part = numbers[first : first + per_span]
            chunks = tuple(
                Chunk(
                    index=n_chunks + i,
                    channel=0,
                    span=index,
                    pieces=(
                        SpeechInterval(
                            start=start + offset * _NUMBER,
                            end=start + min(offset + WORDS_PER_CHUNK, len(part)) * _NUMBER,
                        ),
                    ),
                )
                for i, offset in enumerate(range(0, len(part), WORDS_PER_CHUNK))
            )
            n_spans, n_chunks = n_spans + 1, n_chunks + len(chunks)
            pcm = self._store.put(keys.pcm(0, index), coded_pcm(part).tobytes())
            span = Span(index=index, channel=0, start=start, end=start + len(part) * _NUMBER, pcm=pcm, chunks=chunks)
            self._store.put(keys.span(index), encode(span))
            yield span
        summary = SourceSummary(
            duration_s=len(numbers) * _NUMBER / SAMPLE_RATE,
            n_channels=1 + max((channel for track in self.tracks for channel in track.channels), default=0),
            n_spans=n_spans,
            n_chunks=n_chunks,
            tracks=self.tracks,
            notes=self.notes,
        )
        self._store.put(keys.summary, encode(summary))
        yield summary

    def _kept(self, request: SegmentRequest) -> bytes:
        try:
            return self._store.get(JobKeys(tenant=request.tenant, job_id=request.recording_of).playback)
        except BlobMissing:
            raise AudioGone("it is not kept any more") from None

    async def keep_masked(self, request: MaskedCopyRequest) -> None:
        self.masked.append(request)

    async def probe(self, tenant: str, url: str) -> Probe:
        raise NotImplementedError("there are no dry runs of coded recordings")


class Unanswered:
    """A Transcriber, Diarizer or MinutesWriter nobody reaches: every call fails."""

    def __init__(self) -> None:
        self.n_calls = 0

    async def work(self, pull_id: str) -> int:
        self.n_calls += 1
        raise ConnectionError("no replica")

    async def hear(self, request: VoicesRequest) -> float:
        self.n_calls += 1
        raise ConnectionError("no replica")

    async def tell_apart(self, request: DiarizationRequest) -> Diarization:
        raise ConnectionError("no replica")

    async def write(self, request: MinutesRequest) -> WrittenResults:
        raise ConnectionError("no replica")

    async def stitch(self, request: StitchRequest) -> Stitched:
        raise ConnectionError("no replica")

    async def clean_up(self, ended: EndedJob) -> None:
        raise ConnectionError("no replica")


class NoDocuments(MinutesWriter):
    """A MinutesWriter that puts transcripts together and renders nothing; ``notes`` come with what it wrote."""

    def __init__(self, store: BlobStore, notes: tuple[Note, ...] = ()) -> None:
        super().__init__(store=store, writers={}, clock=time.time)
        self._notes = notes

    async def write(self, request: MinutesRequest) -> WrittenResults:
        return WrittenResults(names=("transcript.json",), notes=self._notes)

    async def stitch(self, request: StitchRequest) -> Stitched:
        return await super().stitch(replace(request, documents=None))


class InProcessCluster:
    """One Coordinator with everything around it, over the given ledger and store."""

    def __init__(
        self,
        ledger: Ledger,
        store: BlobStore,
        *,
        engine: FakeEngine | None = None,
        owner: str = "test",
        languages: tuple[str, ...] = ("en",),
        n_transcribers: int = 1,
        transcriber: TranscriberPort | None = None,
        max_attempts: int = 3,
        max_live_jobs: int = 32,
        minutes_writer: MinutesPort | None = None,
        segmenter: SegmenterPort | None = None,
        diarizer: DiarizerPort | None = None,
        storage_retry: StorageRetry | None = None,
        batches: BatchRepository | None = None,
        notifications: JobNotifications | None = None,
        weights: str = "",
        stand_in: FakeEngine | None = None,
        housekeeping_interval_s: float = 3600.0,
        voices_timeout_s: float = 60.0,
        shard: Shard = WHOLE,
        wake_others: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``stand_in`` adds a second model, `STAND_IN`, with this engine."""
        self.ledger = ledger
        self.store = store
        self.engine = engine or FakeEngine(languages=languages)
        self.segmenter = CodedSegmenter(store)
        self.diarizer = CodedDiarizer(store)
        extractive = ExtractiveWriter()
        self.replicas = [
            Transcriber(name=MODEL, engine=self.engine, store=store, source=self, max_rows=4)
            for _ in range(n_transcribers)
        ]
        self._next = 0
        others = {}
        if stand_in is not None:
            others[STAND_IN] = Transcriber(name=STAND_IN, engine=stand_in, store=store, source=self, max_rows=4)
        self.coordinator = Coordinator(
            ledger=ledger,
            store=store,
            segmenter=segmenter or self.segmenter,
            storage_retry=storage_retry,
            batches=batches,
            wake_others=wake_others,
            transcribers={MODEL: transcriber or self, **others},
            diarizer=diarizer or self.diarizer,
            minutes_writer=minutes_writer
            or MinutesWriter(store=store, writers={"auto": extractive, "extractive": extractive}, clock=time.time),
            count_replicas=lambda: {MODEL: n_transcribers},
            options=CoordinatorOptions(
                owner=owner,
                shard=shard,
                profiles={MODEL: ModelProfile(languages=languages)},
                weights={MODEL: weights},
                batch_size=4,
                max_attempts=max_attempts,
                max_live_jobs=max_live_jobs,
                lease_s=3.0,
                pause_s=0.02,
                idle_poll_s=0.05,
                progress_interval_s=0.02,
                housekeeping_interval_s=housekeeping_interval_s,
                voices_timeout_s=voices_timeout_s,
                notifications=notifications or JobNotifications(),
            ),
        )
        self.claim = self.coordinator.claim
        self.complete = self.coordinator.complete

    @contextlib.asynccontextmanager
    async def indexing(self) -> AsyncIterator[None]:
        """What the MinutesWriter's replica does beside: keep the search index, looking often."""

        async def soon(seconds: float) -> None:
            await asyncio.sleep(min(seconds, 0.02))

        worker = SearchIndexWorker(SearchIndexer(self.ledger, self.store), sleep=soon)
        task = asyncio.create_task(worker.run(), name="index")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def work(self, pull_id: str) -> int:
        """Serve's part: the next replica in turn takes the pull."""
        self._next += 1
        return await self.replicas[self._next % len(self.replicas)].work(pull_id)

    def let_go(self) -> None:
        """Wait until what replicas had in hand when their callers left is done. Blocks."""
        for replica in self.replicas:
            replica.close()

    def submit(
        self,
        job_id: str,
        numbers: Sequence[int],
        *,
        tenant: str = "t",
        minutes_of: str = "",
        created_at_s: float = 1.0,
        redone: Mapping[str, Any] = MappingProxyType({}),
        **options: Any,
    ) -> Job:
        """What Ingestion does: source first, then the job; ``redone`` are its fields where it does a stage again."""
        if redone:
            source = BlobRef(key=JobKeys(tenant=tenant, job_id=job_id).source, n_bytes=0)
            return self.ledger.create(
                Job(
                    **{"id": job_id, "tenant": tenant, "source": source, "filename": f"{job_id}.wav", **redone},
                    options=JobOptions(model=MODEL, **options),
                    created_at_s=created_at_s,
                )
            )[0]
        source = self.store.put(JobKeys(tenant=tenant, job_id=job_id).source, " ".join(map(str, numbers)).encode())
        job = Job(
            id=job_id,
            tenant=tenant,
            options=JobOptions(model=MODEL, **options),
            source=BlobRef(key=source.key, n_bytes=source.n_bytes, sha256=source.sha256),
            filename=f"{job_id}.wav",
            minutes_of=minutes_of,
            created_at_s=created_at_s,
        )
        return self.ledger.create(job)[0]

    async def ended(self, *jobs: Job, timeout_s: float = 60.0) -> list[Job]:
        """Wait until these jobs have ended; return them as the ledger has them."""
        await until(lambda: all(self.ledger.get(job.tenant, job.id).state.final for job in jobs), timeout_s)
        return [self.ledger.get(job.tenant, job.id) for job in jobs]

    async def at_rest(self) -> None:
        """Wait until the Coordinator has no job in hand; ledgers know a moment earlier that one has ended."""

        async def nothing_in_hand() -> bool:
            return (await self.coordinator.drain()).n_live_jobs == 0

        await until(nothing_in_hand)

    def transcript(self, job: Job) -> Transcript:
        return decode(Transcript, self.store.get(JobKeys(tenant=job.tenant, job_id=job.id).transcript))

    def words(self, job: Job) -> list[int]:
        """The numbers that were heard, in order."""
        return [number for _, numbers in self.said(job) for number in numbers]

    def said(self, job: Job) -> list[tuple[str, list[int]]]:
        """Who said which numbers, in order."""
        return [
            (speaker, [int(word.lstrip("w")) for segment in own for word in segment.text.split()])
            for speaker, own in groupby(self.transcript(job).segments, key=lambda segment: segment.speaker)
        ]


def succeeded(jobs: Sequence[Job]) -> bool:
    return all(job.state is JobState.SUCCEEDED for job in jobs)
