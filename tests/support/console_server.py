"""The console's server in one process: the real API over fakes that hold jobs of every kind.

For its browser tests, its screenshots, and for looking at it while it is written:
``python -m tests.support.console_server``.
"""

import contextlib
import json
import random
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from deployments.artifacts import quarantine
from deployments.artifacts.search_indexer import SearchIndexer
from deployments.http.app import build_api
from deployments.http.config import ApiServices
from deployments.limits import IngestionLimits
from deployments.telemetry.gauges import ModelGauges, Snapshot, WaitingWork, render_snapshot
from pipelines.audio.decode import decode_audio
from pipelines.audio.playback import PlaybackCopy, muted
from pipelines.codec import encode
from pipelines.core import (
    SAMPLE_RATE,
    BlobRef,
    Chunk,
    Coverage,
    CoverageStatus,
    Minutes,
    ModelInfo,
    Segment,
    SpeechInterval,
    SpokenLanguage,
    Transcript,
    Word,
)
from pipelines.errors import Reason
from pipelines.export.render import render
from pipelines.ids import new_id
from pipelines.jobs.batch import Batch, BatchState, Entry
from pipelines.jobs.job import RESULT_FORMATS, Job, JobOptions, JobState, Progress
from pipelines.ledger.open import open_ledger
from pipelines.ledger.sql_batches import SqlBatches
from pipelines.minutes.extractive.writer import write_minutes
from pipelines.minutes.protocol import MinutesOptions
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from pipelines.text.redaction import mask_transcript
from pipelines.transcript.masked_audio import masked_audio
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.api_harness import MODELS, SteeredCoordinator, api_config, fields_of
from tests.support.recordings import RECORDINGS, truth

TENANT = "default"
MEETING = "meeting-3min.flac"


class BusyCoordinator(SteeredCoordinator):
    """Measures what a cluster with work in hand would."""

    async def metrics(self) -> bytes:
        info = ModelInfo(name="mini-en", sha256="12" * 32, compute_type="int8", device="cpu")
        models = {name: ModelGauges(n_replicas=1, n_pulls=2, leased_audio_s=30.0, info=info) for name in MODELS}
        waiting = {("standard", "mini-en"): WaitingWork(n_queued=1, n_live=2, backlog_audio_s=3425.0, oldest_s=90.0)}
        return render_snapshot(Snapshot(waiting=waiting, models=models, speed=38.2))


class ConsoleServer:
    """An API with its ledger, store and Coordinator at hand, and jobs put into them."""

    def __init__(  # type: ignore[no-untyped-def]
        self, folder: Path, *, coordinator=BusyCoordinator, upload_idle_timeout_s: float = 60.0, **more
    ) -> None:
        """``more`` are fields of `ApiServices`, `ApiConfig` and `JobPolicy`."""
        self.ledger = MemoryLedger()
        self.store = MemoryStore()
        self.coordinator = coordinator(self.ledger)
        # Batches count jobs in their own database: those of batches live there, in a ledger of the real kind.
        self.batch_url = f"sqlite:///{folder}/batches.db"
        open_ledger(self.batch_url).close()
        self.book = SqlBatches(self.batch_url)
        self.app: FastAPI = build_api(
            ApiServices(
                ledger=self.ledger,
                store=self.store,
                coordinator=self.coordinator,
                batches=self.book,
                **fields_of(ApiServices, more),
            ),
            api_config(
                IngestionLimits(
                    spool_dir=folder / "spool", min_free_bytes=0, upload_idle_timeout_s=upload_idle_timeout_s
                ),
                **more,
            ),
        )

    def add(self, filename: str, state: JobState, *, tenant: str = TENANT, age_s: float = 0.0, **fields: object) -> Job:
        """Put a job into the ledger as if it had come to this state by itself."""
        now_s = round(time.time() - age_s, 3)
        job_id = new_id()
        job = Job(
            id=job_id,
            tenant=tenant,
            options=fields.pop("options", JobOptions(model="mini-en")),  # type: ignore[arg-type]
            source=BlobRef(key=JobKeys(tenant=tenant, job_id=job_id).source, n_bytes=1_234_567, sha256="ab" * 32),
            filename=filename,
            created_at_s=now_s,
        )
        created, _ = self.ledger.create(job)
        # What a Coordinator would have written step by step.
        stored = replace(created, state=state, updated_at_s=now_s, **fields)  # type: ignore[arg-type]
        self.ledger.jobs[job_id] = stored
        return stored

    def change(self, job: Job, **fields: object) -> Job:
        """What a Coordinator's write does."""
        held = self.ledger.get(job.tenant, job.id)
        stored = replace(held, version=held.version + 1, updated_at_s=time.time(), **fields)  # type: ignore[arg-type]
        self.ledger.jobs[job.id] = stored
        return stored

    def add_done(
        self,
        filename: str,
        transcript: Transcript,
        *,
        audio: Path | None = None,
        tenant: str = TENANT,
        age_s: float = 0.0,
    ) -> Job:
        """Put a finished job into ledger and store, with every document."""
        job = self.add(
            filename,
            JobState.SUCCEEDED,
            tenant=tenant,
            age_s=age_s,
            options=JobOptions(
                model="mini-en",
                word_timestamps=True,
                keep_audio=audio is not None,
                channels="split" if transcript.n_channels > 1 else "mix",
            ),
            progress=Progress(audio_s=transcript.duration_s, done_s=transcript.duration_s),
            n_chunks=len(transcript.segments),
            results=RESULT_FORMATS,
        )
        keys = JobKeys(tenant=tenant, job_id=job.id)
        minutes = minutes_of(transcript)
        self.store.put(keys.transcript, encode(transcript))
        for name in RESULT_FORMATS:
            self.store.put(keys.result(name), render(name, transcript, minutes, Path(filename).stem))
        if audio is not None:
            self.keep_audio(keys, audio, split=transcript.n_channels > 1)
        return job

    def add_hidden(self, filename: str) -> Job:
        """Put the three-minute meeting into ledger and store as a job does that hides names, and beeps over them."""
        options = JobOptions(model="mini-en", mask=("names", "places"), keep_audio=True, mask_audio="beep")
        transcript = transcript_of(MEETING)
        names = {segment.speaker for segment in transcript.segments}
        hidden = masked_audio(transcript, options.mask, names=names).stretches
        job = self.add_done(filename, mask_transcript(transcript, options.mask, names=names))
        self.keep_audio(JobKeys(tenant=job.tenant, job_id=job.id), RECORDINGS / MEETING, split=False, hidden=hidden)
        return self.change(job, options=options)

    def index(self) -> None:
        """What the Coordinator does with jobs that have ended."""
        self.ledger.search.rebuild()
        indexer = SearchIndexer(self.ledger, self.store)
        while indexer.index_some():
            pass

    def add_batch(self, name: str, *, done: int, failed: int, live: int, to_come: int, age_s: float = 0.0) -> Batch:
        """A batch as far as it has come; those of its jobs that have ended are in its own database alone."""
        now_s = time.time() - age_s
        n_entries = done + failed + live + to_come
        batch = Batch(
            id=new_id(),
            tenant=TENANT,
            name=name,
            state=BatchState.RUNNING,
            n_entries=n_entries,
            created_at_s=now_s,
            updated_at_s=now_s,
        )
        entries = (
            Entry(
                seq=number,
                source=f"https://recordings.example/{number:04d}.wav",
                filename=f"{number:04d}.wav",
                custom_id=f"call-{4000 + number}",
                options=JobOptions(model="mini-en"),
            )
            for number in range(n_entries)
        )
        with contextlib.closing(open_ledger(self.batch_url)) as ledger:
            self.book.create(batch, entries, key=None, fingerprint="")
            lease = ledger.acquire_lease("console", 60.0)
            assert lease is not None
            self.book.create_jobs(lease, done + failed + live, new_id)
            for number, job in enumerate(sorted(ledger.claim(lease, n_entries), key=lambda job: job.filename)):
                length_s = 180.0 + number % 600
                whole = Progress(audio_s=length_s, done_s=length_s)
                begun = replace(job, state=JobState.TRANSCRIBING, progress=replace(whole, done_s=60.0))
                if number < done:
                    begun = replace(begun, state=JobState.SUCCEEDED, progress=whole)
                elif number < done + failed:
                    begun = replace(begun, state=JobState.FAILED, reason=Reason.CORRUPT_AUDIO, detail="nothing decodes")
                else:  # what runs can be cancelled, which the API does in its own ledger
                    self.ledger.create(job)
                    self.ledger.jobs[job.id] = begun
                ledger.apply(lease, begun, job.version)
        return batch

    def keep_audio(
        self, keys: JobKeys, recording: Path, *, split: bool, hidden: tuple[tuple[float, float], ...] = ()
    ) -> None:
        """What the Segmenter does for `keep_audio`; with a beep over ``hidden`` stretches, in seconds."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "audio"
            with PlaybackCopy(path) as copy:
                blocks = decode_audio(recording, channels="split" if split else "mix", max_duration_s=1e6)
                for _ in copy.listen(muted(blocks, hidden, "beep") if hidden else blocks):
                    pass
            self.store.put(keys.peaks, copy.peaks.encoded())
            self.store.put_file(keys.playback, path)

    def add_quarantined(self, job: Job, start_s: float, end_s: float, error: str) -> None:
        """Put a chunk of a job into quarantine."""
        piece = SpeechInterval(start=round(start_s * SAMPLE_RATE), end=round(end_s * SAMPLE_RATE))
        item = WorkItem(
            tenant=job.tenant,
            job_id=job.id,
            chunk=Chunk(index=7, channel=0, span=0, pieces=(piece,)),
            language="en",
            errors=(error,) * 5,
        )
        keys = JobKeys(tenant=job.tenant, job_id=job.id)
        self.store.put(keys.pcm(0, 0), bytes(2 * piece.end))
        quarantine.keep_chunk(self.store, item, error, model=ModelInfo(name="mini-en"), at_s=time.time())

    def fill(self) -> dict[str, Job]:
        """One job of every kind; returns them by what they show."""
        transcript = meeting_transcript()
        call = transcript_of("call-stereo.opus")
        return {
            "meeting": self.add_done("weekly-product-meeting.flac", transcript, audio=RECORDINGS / MEETING, age_s=300),
            "call": self.add_done("support-call-4711.opus", call, audio=RECORDINGS / "call-stereo.opus", age_s=900),
            "chinese": self.add_done("项目周会.m4a", chinese_transcript(), age_s=1500),
            "failed": self.add(
                "board-2026-q3.mp3",
                JobState.FAILED,
                age_s=4000,
                reason=Reason.UNSUPPORTED_FORMAT,
                detail="the file is no recording FFmpeg can read",
            ),
            "cancelled": self.add("wrong-file.wav", JobState.CANCELLED, age_s=5000),
            "queued": self.add("interview-anna.wav", JobState.QUEUED, age_s=20),
            "transcribing": self.add(
                "all-hands-october.mp4",
                JobState.TRANSCRIBING,
                age_s=60,
                progress=Progress(audio_s=5400.0, done_s=1975.0),
                n_chunks=220,
            ),
            "summarizing": self.add(
                "sales-review.webm",
                JobState.SUMMARIZING,
                age_s=90,
                progress=Progress(audio_s=1800.0, done_s=1800.0),
                n_chunks=80,
            ),
        }

    def add_many(self, n_jobs: int) -> None:
        """Many jobs, of all states."""
        states = [JobState.SUCCEEDED] * 17 + [JobState.FAILED, JobState.CANCELLED, JobState.QUEUED]
        for number in range(n_jobs):
            state = states[number % len(states)]
            self.add(
                f"call-{number:05d}.wav",
                state,
                age_s=600.0 + number * 30,
                progress=Progress(audio_s=180.0 + number % 600, done_s=180.0 + number % 600),
                reason=Reason.CORRUPT_AUDIO if state is JobState.FAILED else None,
                results=RESULT_FORMATS if state is JobState.SUCCEEDED else (),
            )


def transcript_of(recording: str) -> Transcript:
    """What a perfect model would make of a sample recording: its truth, with times for every word."""
    said = truth(recording)
    segments = tuple(
        Segment(
            id=number,
            channel=segment.channel,
            speaker=segment.speaker,
            start_s=segment.start_s,
            end_s=segment.end_s,
            text=segment.text,
            words=spread(segment.text, segment.start_s, segment.end_s),
        )
        for number, segment in enumerate(said.segments)
    )
    n_channels = max(segment.channel for segment in segments) + 1
    return Transcript(
        duration_s=said.duration_s,
        language="en",
        languages=tuple(SpokenLanguage(channel=c, language="en", probability=0.98) for c in range(n_channels)),
        segments=segments,
        coverage=covering(segments, said.duration_s, n_channels),
        model=ModelInfo(name="mini-en", sha256="12" * 32, compute_type="int8", device="cpu"),
        n_channels=n_channels,
    )


def meeting_transcript() -> Transcript:
    """The three-minute meeting with one passage that is suspect and one interval that failed."""
    whole = transcript_of(MEETING)
    suspect, lost = whole.segments[9], whole.segments[14]
    segments = tuple(
        replace(segment, health=CoverageStatus.SUSPECT) if segment is suspect else segment
        for segment in whole.segments
        if segment is not lost
    )
    coverage = tuple(
        replace(part, health=CoverageStatus.SUSPECT, note="low_logprob")
        if part.start_s == suspect.start_s
        else replace(part, health=CoverageStatus.FAILED, note="CUDA error: device-side assert triggered")
        if part.start_s == lost.start_s
        else part
        for part in whole.coverage
    )
    return replace(whole, segments=segments, coverage=coverage)


def long_transcript(hours: float) -> Transcript:
    """As many sentences as are said in so many hours, taken from the meeting again and again."""
    rng = random.Random(7)
    pool = transcript_of(MEETING).segments
    segments: list[Segment] = []
    at_s = 0.5
    while at_s < hours * 3600 - 10:
        text = " ".join(rng.choice(pool).text for _ in range(rng.randint(1, 2)))
        length_s = 0.4 * len(text.split())
        speaker = ("Alice", "David", "Thomas")[len(segments) // 4 % 3]
        words = spread(text, at_s, at_s + length_s)
        segments.append(
            Segment(
                id=len(segments),
                channel=0,
                speaker=speaker,
                start_s=at_s,
                end_s=at_s + length_s,
                text=text,
                words=words,
            )
        )
        at_s += length_s + 0.6
    duration_s = hours * 3600.0
    whole = transcript_of(MEETING)
    return replace(
        whole, duration_s=duration_s, segments=tuple(segments), coverage=covering(tuple(segments), duration_s, 1)
    )


def chinese_transcript() -> Transcript:
    """A short meeting in Chinese."""
    said = [
        "大家早上好，我们开始吧。",
        "张伟，周五之前把测试报告发给我。",
        "好的，没问题。",
        "我们决定下周一发布新版本。",
        "预算还没有定，谁来跟进？",
    ]
    segments = tuple(
        Segment(
            id=i,
            channel=0,
            speaker=("李娜", "张伟")[i % 2],
            start_s=1.0 + 4 * i,
            end_s=4.5 + 4 * i,
            text=text,
            words=spread(text, 1.0 + 4 * i, 4.5 + 4 * i),
        )
        for i, text in enumerate(said)
    )
    return Transcript(
        duration_s=22.0,
        language="zh",
        languages=(SpokenLanguage(channel=0, language="zh", probability=0.99),),
        segments=segments,
        coverage=covering(segments, 22.0, 1),
        model=ModelInfo(name="base", compute_type="int8", device="cpu"),
    )


def spread(text: str, start_s: float, end_s: float) -> tuple[Word, ...]:
    """Words (characters where there are no spaces) evenly over a time."""
    parts = [f" {word}" for word in text.split()] if " " in text else list(text)
    step_s = (end_s - start_s) / max(1, len(parts))
    return tuple(
        Word(text=part, start_s=start_s + i * step_s, end_s=start_s + (i + 1) * step_s, probability=0.9)
        for i, part in enumerate(parts)
    )


def covering(segments: tuple[Segment, ...], duration_s: float, n_channels: int) -> tuple[Coverage, ...]:
    """The coverage ledger of segments that all went well."""
    parts: list[Coverage] = []
    for channel in range(n_channels):
        at_s = 0.0
        for segment in segments:
            if segment.channel != channel or segment.start_s < at_s:
                continue
            if segment.start_s > at_s:
                parts.append(
                    Coverage(channel=channel, start_s=at_s, end_s=segment.start_s, health=CoverageStatus.SILENCE)
                )
            parts.append(
                Coverage(
                    channel=channel, start_s=segment.start_s, end_s=segment.end_s, health=CoverageStatus.TRANSCRIBED
                )
            )
            at_s = segment.end_s
        parts.append(
            Coverage(channel=channel, start_s=at_s, end_s=max(at_s, duration_s), health=CoverageStatus.SILENCE)
        )
    return tuple(parts)


def minutes_of(transcript: Transcript) -> Minutes:
    """Extractive minutes, one of whose decisions could not be verified."""
    minutes = write_minutes(transcript, MinutesOptions())
    if len(minutes.decisions) < 2:
        return minutes
    return replace(minutes, decisions=(*minutes.decisions[:-1], replace(minutes.decisions[-1], verified=False)))


def main() -> None:
    """Serve it for a person to look at, on the port that the first argument names."""
    with tempfile.TemporaryDirectory() as folder:
        console = ConsoleServer(Path(folder))
        jobs = console.fill()
        console.add_many(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
        console.add_done("three-hours.wav", long_transcript(3.0), age_s=7000)
        console.add_quarantined(jobs["meeting"], 40.0, 44.0, "RuntimeError: CUDA error: device-side assert triggered")
        console.change(jobs["meeting"], n_failed_chunks=1)
        console.add_batch("october-calls", done=180, failed=3, live=8, to_come=409)
        print(json.dumps({name: job.id for name, job in jobs.items()}))
        uvicorn.run(
            console.app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 8123, log_level="warning", lifespan="off"
        )


if __name__ == "__main__":
    main()
