"""Jobs on the wire: how they are shown, listed and asked for."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import AwareDatetime, Field

from deployments.schemas.keeping import HoldBody, ReceiptDocument
from deployments.schemas.options import ApiModel, Options
from deployments.sources.urls import public_part
from pipelines.core import SoundTrack, TrackState, Usage
from pipelines.errors import Reason
from pipelines.jobs.job import Job, JobOptions, JobState, MinutesRecord
from pipelines.jobs.options import NO_CONTROLS
from pipelines.jobs.stages import Stage
from pipelines.jobs.translations import TranslationRecord
from pipelines.keeping.legal_holds import Hold
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.protocol import JobEvent
from pipelines.notes import Note, NoteCode, NoteValue
from pipelines.transcript.corrections import version_of

JOBS_PATH = "/v1/jobs"
ID_PREFIX = "Only those whose id begins so."


class ProgressBody(ApiModel):
    """Seconds of the recording found so far, and how many of them are done; several channels are one length."""

    audio_s: float = Field(description="Seconds found so far.")
    done_s: float = Field(description="Seconds transcribed.")


class JobUsageBody(ApiModel):
    """The resources a job has used on the cluster so far; tokens and money are with its minutes."""

    device_s: float = Field(description="Seconds of a device (a GPU, or a CPU machine) that decoding took.")
    cpu_s: float = Field(description="Processor seconds of decoding and cutting.")
    device_real_time_factor: float | None = Field(
        description="Device seconds per second of audio, each channel counted."
    )
    result_bytes: int = Field(description="Size of all results.")

    @classmethod
    def from_domain(cls, job: Job) -> Self:
        usage, audio_s = job.usage, job.progress.audio_s
        return cls(
            device_s=round(usage.device_s, 3),
            cpu_s=round(usage.cpu_s, 3),
            device_real_time_factor=round(usage.device_s / audio_s, 5) if audio_s and usage.device_s else None,
            result_bytes=usage.result_bytes,
        )


class SourceBody(ApiModel):
    """The recording as received. ``url`` is shown without its query, which may hold a signature."""

    n_bytes: int = Field(description="Its size; 0 until a source by URL was fetched.")
    sha256: str = Field(description="Its SHA-256 in hexadecimal digits; empty until a source by URL was fetched.")
    url: str | None = Field(description="Where it was fetched; null for an upload.")


class UsageBody(ApiModel):
    """Calls to a language model, tokens as its provider counted them, and what they cost this job."""

    calls: int = Field(description="Calls that were answered.")
    prompt_tokens: int = Field(description="Tokens that were sent.")
    cache_hit_tokens: int = Field(description="Those of them that the provider had in its cache.")
    completion_tokens: int = Field(description="Tokens that were answered.")
    cost_usd: float = Field(description="What all of them cost, in US dollars.")
    models: list[str] = Field(description="Names of the models that answered.")

    @classmethod
    def from_domain(cls, usage: Usage) -> Self:
        return cls(
            calls=usage.n_calls,
            prompt_tokens=usage.n_prompt,
            cache_hit_tokens=usage.n_cache_hit,
            completion_tokens=usage.n_completion,
            cost_usd=round(usage.cost_usd, 6),
            models=list(usage.models),
        )


class NoteBody(ApiModel):
    """A finding about a recording that its owner should know although the job succeeded."""

    code: NoteCode = Field(description="Its kind; programs may rely on it.")
    text: str = Field(description="The finding in words.")
    values: dict[str, NoteValue] = Field(description="The values that the text names.")

    @classmethod
    def from_domain(cls, note: Note) -> Self:
        return cls(code=note.code, text=note.text, values=dict(note.values))


class TrackBody(ApiModel):
    """A sound track of the recording."""

    number: int = Field(description="Counts from 1; what the option `track` takes.")
    codec: str = Field(description="Name of its codec; empty where it is unknown.")
    n_channels: int = Field(description="Its channels; 0 where they are unknown.")
    language: str = Field(description="Language tag in the file; empty where it has none.")
    title: str = Field(description="Its name in the file; empty where it has none.")
    duration_s: float | None = Field(description="Its length as the file says; null where it does not.")
    is_default: bool = Field(description="Players begin with it.")
    state: TrackState = Field(description="Whether it was heard, and else why not: `left_out` for another one.")
    channels: list[int] = Field(description="The channels of the transcript that it became, counted from 0.")

    @classmethod
    def from_domain(cls, track: SoundTrack) -> Self:
        return cls.model_validate(track, from_attributes=True)


class MinutesBody(ApiModel):
    """The state of a job's minutes."""

    state: Literal["written", "parked", "failed", "empty"] = Field(
        description="`parked`: they follow when the language model answers, the budget is fresh, prices are low; "
        "`empty`: no speech was recognised, which is all that the documents say."
    )
    note: str = Field(description="Why there are none, or which wish was not heeded.")
    writer: str = Field(description="`extractive` or `llm`; empty where nobody wrote.")
    model: str = Field(description="Name of the language model, or of the rules.")
    language: str = Field(description="BCP 47 tag of the language of the minutes.")
    usage: UsageBody | None = Field(description="Null where no language model was asked.")

    @classmethod
    def from_domain(cls, record: MinutesRecord) -> Self:
        return cls(
            state=record.state,
            note=record.note,
            writer=record.writer,
            model=record.model,
            language=record.language,
            usage=UsageBody.from_domain(record.usage) if record.usage else None,
        )


class TranslationBody(ApiModel):
    """A translation of a job's transcript; its documents are at `results/{name}?translation={language}`."""

    language: str = Field(description="BCP 47 tag.")
    state: Literal["written", "parked", "failed"] = Field(
        description="`parked`: it follows when the language model answers, the budget is fresh, prices are low."
    )
    note: str = Field(description="Why there is none.")
    segments: int = Field(description="Segments of the transcript.")
    untranslated: int = Field(description="Those that keep their original words: no translation passed the checks.")
    model: str = Field(description="Name of the language model; empty where there was nothing to translate.")
    usage: UsageBody | None = Field(description="Null where no language model was asked.")
    results: dict[str, str] = Field(description="URL of each document by name.")

    @classmethod
    def of(cls, record: TranslationRecord, job: Job, base_url: str) -> Self:
        """Show a job's translation."""
        names = job.results if record.state == "written" else ()
        return cls(
            language=record.language,
            state=record.state,
            note=record.note,
            segments=record.n_segments,
            untranslated=record.n_untranslated,
            model=record.model,
            usage=UsageBody.from_domain(record.usage) if record.usage else None,
            results={
                name: f"{base_url}{result_path(job.id, name)}?translation={quote(record.language)}" for name in names
            },
        )


class JobBody(ApiModel):
    """One recording's way through the system."""

    id: str = Field(description="The job's id: 32 hexadecimal digits.")
    state: JobState = Field(description="Where the job is.")
    progress: ProgressBody
    eta_s: float | None = Field(
        description="Seconds to the end of its transcription; null while unknown, and when there is no more of it."
    )
    reason: Reason | None = Field(description="Why the job failed.")
    detail: str = Field(description="The reason in words, or what the results lack.")
    notes: list[NoteBody] = Field(description="What is to be known of the recording; empty until it is transcribed.")
    tracks: list[TrackBody] = Field(description="Sound tracks of the recording; empty until it is cut.")
    filename: str = Field(description="Name of the recording, as sent.")
    external_id: str | None = Field(description="What its submitter calls the recording.")
    metadata: dict[str, str] = Field(description="What its submitter gave along.")
    source: SourceBody
    options: Options
    n_chunks: int | None = Field(description="Chunks of the recording; null until all are cut.")
    n_failed_chunks: int = Field(description="Chunks that were given up.")
    cancel_requested: bool = Field(description="The job will be cancelled at its next chunk.")
    replay_of: str | None = Field(description="The job whose chunks in quarantine this one decodes again.")
    minutes_of: str | None = Field(description="The job whose minutes this one writes anew.")
    stage: Stage | None = Field(description="The one stage of an earlier job that this one does again.")
    redo_of: str | None = Field(description="That job, whose other results it takes.")
    transcript_version: int = Field(description="Which version of that job's transcript it took; 0: uncorrected.")
    cached: bool = Field(description="The transcript was taken from an earlier job with the same content.")
    reused_from: str | None = Field(description="That job; it may be purged since.")
    minutes: MinutesBody | None = Field(description="Null until documents are there, and where none were wanted.")
    translations: list[TranslationBody] = Field(description="Empty until documents are there.")
    version: int = Field(description="Grows with every change of the job.")
    created_at: datetime = Field(description="When it was accepted (ISO 8601).")
    updated_at: datetime = Field(description="When it was last written (ISO 8601).")
    usage: JobUsageBody
    request_id: str = Field(description="The `X-Request-ID` of the request that brought it, given or made.")
    results: dict[str, str] = Field(description="URL of each result by name.")

    @classmethod
    def from_domain(cls, job: Job, eta_s: float | None, base_url: str) -> Self:
        """Show a job; ``base_url`` ("" or scheme and host) goes before the path of each result."""
        return cls(
            id=job.id,
            state=job.state,
            progress=ProgressBody(audio_s=round(job.heard.audio_s, 3), done_s=round(job.heard.done_s, 3)),
            eta_s=None if job.state.final or eta_s is None else round(eta_s, 1),
            reason=job.reason,
            detail=job.detail,
            notes=[NoteBody.from_domain(note) for note in job.told],
            tracks=[TrackBody.from_domain(track) for track in job.tracks],
            filename=job.filename,
            external_id=job.reference.external_id or None,
            metadata=dict(job.reference.metadata),
            source=SourceBody(
                n_bytes=job.source.n_bytes, sha256=job.source.sha256, url=public_part(job.source_url) or None
            ),
            options=Options.from_domain(_shown(job.options)),
            n_chunks=job.n_chunks,
            n_failed_chunks=job.n_failed_chunks,
            cancel_requested=job.cancel_requested and not job.state.final,
            replay_of=job.replay_of or None,
            minutes_of=job.minutes_of or None,
            stage=job.stage,
            redo_of=job.redo_of or None,
            transcript_version=version_of(job.corrected),
            cached=bool(job.reused_from),
            reused_from=job.reused_from or None,
            minutes=MinutesBody.from_domain(job.minutes) if job.minutes else None,
            translations=[TranslationBody.of(record, job, base_url) for record in job.translations],
            version=job.version,
            created_at=datetime.fromtimestamp(job.created_at_s, UTC),
            updated_at=datetime.fromtimestamp(job.updated_at_s or job.created_at_s, UTC),
            usage=JobUsageBody.from_domain(job),
            request_id=job.request_id,
            results={name: f"{base_url}{result_path(job.id, name)}" for name in job.results},
        )


def _shown(options: JobOptions) -> JobOptions:
    url = options.webhook_url
    return replace(options, webhook_url=public_part(url) if url else None)


class EventBody(ApiModel):
    """An entry of a job's history."""

    at: datetime
    name: str
    detail: str


class JobDetail(JobBody):
    """A job with its history and the legal holds that take it."""

    events: list[EventBody] = Field(description="Its last entries, oldest first.")
    holds: list[HoldBody] = Field(description="Active legal holds: while there are some, nothing of it is deleted.")

    @classmethod
    def of(cls, body: JobBody, events: Sequence[JobEvent], holds: Sequence[Hold] = ()) -> Self:
        """Add the history to a job."""
        shown = [
            EventBody(at=datetime.fromtimestamp(event.at_s, UTC), name=event.name, detail=event.detail)
            for event in events
        ]
        return cls(**dict(body), events=shown, holds=[HoldBody.of(hold) for hold in holds])


def job_path(job_id: str) -> str:
    return f"{JOBS_PATH}/{quote(job_id, safe='')}"


def result_path(job_id: str, name: str) -> str:
    return f"{job_path(job_id)}/results/{quote(name, safe='')}"


def host_of(address: str) -> str:
    """Return the host of a URL, or the domain of an e-mail address: logs, which no erasure reaches, hold no more."""
    parts = urlsplit(address)
    return (parts.netloc if parts.scheme else address).rpartition("@")[2]


class JobPage(ApiModel):
    """Jobs, newest first, and where the list goes on."""

    jobs: list[JobBody]
    next: str | None = Field(description="URL of the next page; null on the last.")


class JobQuery(ApiModel):
    """Filters of the list of jobs."""

    state: list[JobState] = Field(default_factory=list, description="Only jobs in these states; may be repeated.")
    filename: str | None = Field(
        None, max_length=255, pattern=NO_CONTROLS, description="Only recordings whose name contains this."
    )
    external_id: str | None = Field(
        None, min_length=1, max_length=255, pattern=NO_CONTROLS, description="Only the job with this external id."
    )
    id: str | None = Field(None, min_length=1, max_length=64, pattern=NO_CONTROLS, description=ID_PREFIX)
    created_after: AwareDatetime | None = Field(None, description="Only jobs created at this time or later (ISO 8601).")
    created_before: AwareDatetime | None = Field(None, description="Only jobs created before this time (ISO 8601).")
    limit: int = Field(50, ge=1, le=500, description="Jobs per page.")
    cursor: str | None = Field(None, max_length=500, description="Position, from the `next` of the page before.")

    def to_domain(self) -> JobFilter:
        """Return the filter without the page."""
        return JobFilter(
            states=frozenset(self.state),
            filename_contains=self.filename or "",
            external_id=self.external_id or "",
            id_prefix=self.id or "",
            created_from_s=self.created_after.timestamp() if self.created_after else None,
            created_before_s=self.created_before.timestamp() if self.created_before else None,
        )


class Purged(ApiModel):
    """The blobs that were erased of a job."""

    id: str
    deleted: list[str] = Field(description="Keys of the blobs that were deleted.")
    receipt: ReceiptDocument = Field(description="Proof of it, also at `/v1/receipts/{id}`.")
