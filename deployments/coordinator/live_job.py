"""`LiveJob`: what the Coordinator keeps in memory about a job that has not ended."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from deployments.artifacts.job_data import Outcomes
from deployments.ports import Cut, WrittenResults
from pipelines.core import SAMPLE_RATE, Chunk, LanguagePassage, LanguageVote, SourceSummary, Span
from pipelines.jobs.economy import due_at_s, is_economy
from pipelines.jobs.events import SpanStored
from pipelines.jobs.job import Job
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from pipelines.transcript.language_detection import ChannelVote, LanguagePolicy
from pipelines.whisper.initial_prompt import priming_text


class Slot(Enum):
    """Whether a job counts against the number of those that may be transcribed at once."""

    HELD = "held"
    GIVEN_BACK = "given back"
    WANTED = "wanted"
    """It has waited long enough, and waits for a free one."""


@dataclass
class LiveJob:
    """A job's state machine, the tasks that work for it, and the languages of its channels.

    Everything here can be rebuilt from the ledger and the blob store. ``changed`` is set and replaced at
    every change, so that any number of watchers can wait for the next one. ``given_language`` is the job's
    option, or the only language its model knows or that is allowed. ``stored`` is the job as the ledger last took
    it, at ``stored_at_s`` (monotonic); ``outcomes`` is what an earlier Coordinator left, nothing where the job is
    worked for the ``first_time``.
    """

    job: Job
    stored: Job
    stored_at_s: float = field(default_factory=time.monotonic)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    given_language: str | None = None
    language_policy: LanguagePolicy = field(default=LanguagePolicy())
    votes: dict[int, LanguageVote] = field(default_factory=dict)
    voting: dict[int, ChannelVote] = field(default_factory=dict)
    outcomes: Outcomes = field(default=Outcomes())
    failed_before: frozenset[int] = frozenset()  # what a replay's origin gave up
    spans: list[Span] = field(default_factory=list)  # by index: each comes once, in order
    summary: SourceSummary | None = None  # once all spans are there
    written: WrittenResults | None = None  # with the transcript, where its documents are all that is wanted
    voices: dict[int, asyncio.Task[None]] = field(default_factory=dict)  # the hearing of spans, by index
    voices_cpu_s: float = 0.0
    speakers_missing: str = ""  # why voices cannot be told apart
    first_time: bool = False
    slot: Slot | None = None  # set by `JobSlots`

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

    @property
    def cut(self) -> Cut | None:
        """How the recording was cut, for a replay by its origin; None before the end of that."""
        return Cut(summary=self.summary, spans=tuple(self.spans)) if self.summary else None

    def items_for(self, chunks: tuple[Chunk, ...]) -> list[WorkItem]:
        """Turn new chunks into rows; while a channel's language is not known only those that vote for it."""
        items = []
        for chunk in chunks:
            if self.given_language or chunk.channel in self.votes:
                items.append(self.transcription(chunk))
            else:
                voting = self._voting(chunk.channel)
                voting.hold(chunk)
                items += self._voters(voting, complete=False)
        return items

    def _voting(self, channel: int) -> ChannelVote:
        return self.voting.setdefault(channel, ChannelVote(channel=channel))

    def close_votes(self) -> list[WorkItem]:
        """Return the voters of channels that had too few rows so far; no more chunks will come."""
        return [item for voting in self.voting.values() for item in self._voters(voting, complete=True)]

    def count(self, chunk: Chunk, passages: Sequence[LanguagePassage] | None) -> LanguageVote | None:
        """Count one row's languages, None for one that was given up; the channel's vote once it is complete."""
        voting = self.voting.get(chunk.channel)
        return voting.result() if voting and voting.add(chunk.index, passages) else None

    def decide(self, vote: LanguageVote) -> tuple[list[WorkItem], list[WorkItem]]:
        """Fix what a channel speaks: return the rows that voted and stand, and those to decode now."""
        self.votes[vote.channel] = vote
        voting = self.voting.pop(vote.channel)
        return self.transcriptions(voting.finished(vote)), self.transcriptions(voting.again(vote))

    def span_stored(self, span: Span) -> SpanStored:
        """Return the event that a span brings: which of its chunks have an outcome already, as they are cut now.

        A replay decodes only what it was asked to; the rest has one in its origin. Where only speakers are told apart
        again, all of it has.
        """
        self.spans.append(span)
        done: set[int] = set()
        failed: set[int] = set()
        if self.outcomes != Outcomes():
            items = {chunk.index: self.transcription(chunk) for chunk in span.chunks}
            done = {index for index, item in items.items() if (index, item.input_digest) in self.outcomes.done}
            failed = {index for index, item in items.items() if (index, item.input_digest) in self.outcomes.failed}
            failed -= done
            if any(items[index].is_voting for index in done | failed):
                self._voting(span.channel).kept |= done | failed
        if self.job.replay_of:
            kept = {chunk.index for chunk in span.chunks} - set(self.job.replay_chunks)
            done |= kept
            failed |= kept & self.failed_before
        if not self.job.decodes:
            done |= {chunk.index for chunk in span.chunks}
        return SpanStored(
            audio_s=(span.end - span.start) / SAMPLE_RATE,
            chunks=span.chunks,
            channel=span.channel,
            finished=frozenset(done | failed),
            failed=frozenset(failed),
        )

    @property
    def cut_outcomes(self) -> tuple[tuple[int, str], ...]:
        """The names of the outcomes that the chunks have as they are cut now."""
        items = self.transcriptions([chunk for span in self.spans for chunk in span.chunks])
        return tuple((item.chunk.index, item.input_digest) for item in items)

    def transcriptions(self, chunks: Sequence[Chunk]) -> list[WorkItem]:
        """Return the rows that transcribe chunks."""
        return [self.transcription(chunk) for chunk in chunks]

    def transcription(self, chunk: Chunk) -> WorkItem:
        """Return the row that transcribes a chunk."""
        options = self.job.options
        vote = self.votes.get(chunk.channel)
        stands = vote is not None and chunk.index in vote.standing and not self.job.replay_of
        span = self.spans[chunk.span]
        return WorkItem(
            tenant=self.job.tenant,
            job_id=self.job.id,
            traceparent=self.job.traceparent,
            chunk=chunk,
            samples=span.pcm,
            samples_from=span.start,
            language=self.given_language,
            languages=self.language_policy.allowed,
            expected=expected_of(vote) if vote and not stands else (),
            min_language_probability=self.language_policy.doubtful_below,
            word_timestamps=options.word_timestamps
            or options.speaker_options is not None
            or bool(options.matched_with)
            or options.redacts_copy,
            beam_size=options.beam_size,
            translate=options.task == "translate",
            prompt=priming_text(options.prompt, options.primed_with),
            temperature=options.temperature,
            priority=options.priority,
            economy=is_economy(self.job, time.time()),
            deadline_s=due_at_s(self.job),
        )

    def _voters(self, voting: ChannelVote, *, complete: bool) -> list[WorkItem]:
        return self.transcriptions(voting.choose_rows(complete=complete))


def expected_of(vote: LanguageVote) -> tuple[tuple[str, float], ...]:
    """Return the shares of a vote; those of an earlier version have only their winner."""
    return vote.shares or ((vote.language, 1.0),)
