"""`LiveJob`: what the Coordinator keeps in memory about a job that has not ended."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deployments.artifacts.job_data import Outcomes
from pipelines.core import SAMPLE_RATE, Chunk, LanguageVote, Span
from pipelines.jobs.events import SpanStored
from pipelines.jobs.job import Job
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from pipelines.transcript.language_detection import LanguageDetector
from pipelines.whisper.initial_prompt import priming_text

DETECTION_PRIORITY = 1_000  # a language question holds up its whole job and costs one encoder pass


@dataclass
class LiveJob:
    """A job's state machine, the tasks that work for it, and the languages of its channels.

    Everything here can be rebuilt from the ledger and the blob store. ``changed`` is set and replaced at
    every change, so that any number of watchers can wait for the next one. ``given_language`` is the job's
    option, or the only language its model knows; ``stored`` is the job as the ledger last took it; ``outcomes`` is
    what an earlier Coordinator left.
    """

    job: Job
    stored: Job
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    given_language: str | None = None
    votes: dict[int, LanguageVote] = field(default_factory=dict)
    detectors: dict[int, LanguageDetector] = field(default_factory=dict)
    outcomes: Outcomes = field(default=Outcomes())
    failed_before: frozenset[int] = frozenset()  # what a replay's origin gave up

    @property
    def keys(self) -> JobKeys:
        return JobKeys(tenant=self.job.tenant, job_id=self.job.id)

    @property
    def log_fields(self) -> dict[str, str]:
        """The fields of every log line about the job."""
        return {
            "job_id": self.job.id,
            "tenant": self.job.tenant,
            "model": self.job.options.model,
            "request_id": self.job.request_id,
        }

    def announce(self) -> None:
        """Wake everybody who waits for a change of this job."""
        self.changed.set()
        self.changed = asyncio.Event()

    def language_of(self, channel: int) -> str | None:
        """Return the language given for the job, or voted for the channel; None while it is not known."""
        vote = self.votes.get(channel)
        return self.given_language or (vote.language if vote else None)

    def items_for(self, chunks: tuple[Chunk, ...]) -> list[WorkItem]:
        """Turn new chunks into work: rows to transcribe where the language is known, else questions."""
        items = []
        for chunk in chunks:
            if self.language_of(chunk.channel):
                items.append(self.transcription(chunk))
            else:
                detector = self.detectors.setdefault(chunk.channel, LanguageDetector(channel=chunk.channel))
                detector.hold(chunk)
                items += self._questions(detector, complete=False)
        return items

    def close_detectors(self) -> list[WorkItem]:
        """Return language questions for channels that had too few windows so far; no more chunks will come."""
        return [item for detector in self.detectors.values() for item in self._questions(detector, complete=True)]

    def add_window(self, chunk: Chunk, probabilities: Mapping[str, float]) -> LanguageVote | None:
        """Count one window's answer; the channel's vote once it is complete."""
        detector = self.detectors.get(chunk.channel)
        if detector is None or not detector.add_window(chunk.index, probabilities):
            return None
        return detector.result() or LanguageVote(channel=chunk.channel, language="en", probability=0.0)

    def decide(self, vote: LanguageVote) -> list[WorkItem]:
        """Fix a channel's language and release the chunks that waited for it."""
        self.votes[vote.channel] = vote
        detector = self.detectors.pop(vote.channel, None)
        return [self.transcription(chunk) for chunk in detector.held] if detector else []

    def span_stored(self, span: Span) -> SpanStored:
        """Return the event that a span brings: which of its chunks have an outcome already, as they are cut now.

        A replay decodes only what it was asked to; the rest has one in its origin.
        """
        items = {chunk.index: self.transcription(chunk) for chunk in span.chunks}
        done = {index for index, item in items.items() if (index, item.input_digest) in self.outcomes.done}
        failed = {index for index, item in items.items() if (index, item.input_digest) in self.outcomes.failed} - done
        if self.job.replay_of:
            kept = set(items) - set(self.job.replay_chunks)
            done |= kept
            failed |= kept & self.failed_before
        return SpanStored(
            audio_s=(span.end - span.start) / SAMPLE_RATE,
            chunks=span.chunks,
            channel=span.channel,
            finished=frozenset(done | failed),
            failed=frozenset(failed),
        )

    def transcriptions(self, chunks: Sequence[Chunk]) -> list[WorkItem]:
        """Return the rows that transcribe chunks."""
        return [self.transcription(chunk) for chunk in chunks]

    def transcription(self, chunk: Chunk) -> WorkItem:
        """Return the row that transcribes a chunk."""
        options = self.job.options
        return WorkItem(
            task="transcribe",
            tenant=self.job.tenant,
            job_id=self.job.id,
            traceparent=self.job.traceparent,
            chunk=chunk,
            language=self.language_of(chunk.channel),
            word_timestamps=options.word_timestamps,
            beam_size=options.beam_size,
            translate=options.task == "translate",
            prompt=priming_text(options.prompt, options.vocabulary),
            temperature=options.temperature,
            priority=options.priority,
            deadline_s=self._deadline_s,
        )

    @property
    def _deadline_s(self) -> float | None:
        deadline = self.job.options.deadline
        return deadline.timestamp() if deadline else None

    def _questions(self, detector: LanguageDetector, *, complete: bool) -> list[WorkItem]:
        return [
            WorkItem(
                task="detect_language",
                tenant=self.job.tenant,
                job_id=self.job.id,
                traceparent=self.job.traceparent,
                chunk=chunk,
                priority=DETECTION_PRIORITY,
                deadline_s=self._deadline_s,
            )
            for chunk in detector.choose_windows(complete=complete)
        ]
