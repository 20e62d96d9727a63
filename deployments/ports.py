"""Interfaces between deployments, as protocols of plain async methods.

A Ray Serve handle is adapted to them in `deployments.handles`; tests pass objects of their own.
Only ids, references and dataclasses travel: never audio bytes, open files or requests.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePath
from typing import Protocol, TypeVar

from deployments.telemetry.reports import BatchReport, SegmentReport, WritingReport
from pipelines.audio.formats import MaskSound
from pipelines.core import BlobRef, LanguagePassage, LanguageVote, ModelInfo, SourceSummary, Span
from pipelines.jobs.batch import Probe
from pipelines.jobs.events import MinutesFollowed, ResultsStored
from pipelines.jobs.job import Job, JobState, MinutesRecord
from pipelines.jobs.reference import NO_REFERENCE, Reference
from pipelines.jobs.stages import Stage
from pipelines.jobs.translations import TranslationRecord
from pipelines.jobs.usage import JobUsage
from pipelines.notes import Note
from pipelines.scheduling.estimate import NO_LOAD, Estimate, Load
from pipelines.scheduling.work_item import WorkItem
from pipelines.speakers.options import SpeakerOptions
from pipelines.speakers.voices import Diarization

WrittenEvent = TypeVar("WrittenEvent", ResultsStored, MinutesFollowed)


@dataclass(frozen=True, kw_only=True)
class ModelStatus:
    """Describe one configured Whisper model: is a replica loaded and warm, and on what device?

    One that is ``scaled_to_zero`` starts with the next job that names it.
    """

    name: str
    ready: bool
    scaled_to_zero: bool = False
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ClusterStatus:
    """The Coordinator's view of the cluster.

    ``backlog_audio_s`` is audio accepted and cut but not transcribed; ``speed`` is audio seconds per wall second
    over the last minutes, 0 where nothing was measured yet. While it drains, no queued job is begun.
    """

    models: tuple[ModelStatus, ...]
    backlog_audio_s: float
    speed: float
    ledger_ok: bool = True
    store_ok: bool = True
    draining: bool = False


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """How much the cluster has to do: audio seconds per second (0: unknown), audio seconds that are not transcribed.

    Those of recordings that nobody looked at are guessed. ``free_share`` of the places to decode at have nothing to do.
    """

    speed: float
    backlog_audio_s: float
    n_live_jobs: int
    n_queued_jobs: int
    free_share: float


@dataclass(frozen=True, kw_only=True)
class DrainStatus:
    """Whether the Coordinator begins no more jobs, whether Ingestion refuses new ones, and how many are live."""

    draining: bool
    refusing: bool
    n_live_jobs: int


@dataclass(frozen=True, kw_only=True)
class JobView:
    """A job as stored, and the seconds until it is expected to end (None while unknown)."""

    job: Job
    eta_s: float | None


@dataclass(frozen=True, kw_only=True)
class StoryEntry:
    """Something that happened to a job: what, because of what, and what was begun then.

    ``at_s`` is Unix time. Entries with one ``stimulus_id`` have the same cause, such as the call of a Transcriber.
    ``state`` is the job's state afterwards.
    """

    at_s: float
    stimulus_id: str
    what: str
    state: str
    commands: tuple[str, ...] = ()


class CoordinatorPort(Protocol):
    """The Coordinator as Ingestion calls it; the ledger stays authoritative if it does not answer."""

    async def wake(self, n_arrived: int = 0, *, counts: bool = True) -> None:
        """Say that the ledger holds something new: so many jobs, or a request to cancel one.

        Of several shards one ``counts`` the jobs.
        """

    async def watch(self, tenant: str, job_id: str, seen_version: int, timeout_s: float) -> JobView:
        """Return the job once its version exceeds ``seen_version`` or the time is up; raises `JobUnknown`."""

    async def eta(self, job_ids: tuple[str, ...]) -> dict[str, float | None]:
        """Estimate seconds to the end for each live job; ended and unknown jobs are left out."""

    async def status(self) -> ClusterStatus:
        """Describe the cluster for readiness checks and operators."""

    async def capacity(self) -> Capacity:
        """Describe how much the cluster has to do."""

    async def load(self) -> Load:
        """Return what is under way, and how fast it is done."""

    async def estimate(
        self, *, tenant: str, model: str, audio_s: float, economy: bool, elsewhere: Load = NO_LOAD
    ) -> Estimate:
        """Estimate what a recording would take that is submitted now; ``elsewhere`` is the load of other shards."""

    async def probe(self, tenant: str, url: str) -> Probe:
        """Look at a source's header, which takes fetching it; raises `InputError`, `SourceUnreachable`."""

    async def story(self, job_id: str) -> tuple[StoryEntry, ...]:
        """Return what happened to a job lately, oldest first; empty for a job that is not remembered."""

    async def forget(self, job_id: str) -> None:
        """Forget what happened to a job that is erased."""

    async def metrics(self) -> bytes:
        """Return what the Coordinator counts and measures, in Prometheus' text format."""

    async def drain(self, *, begin: bool | None = None, refuse: bool = False) -> DrainStatus:
        """Begin to drain, or end it, or (None) only report; ``refuse`` makes Ingestion turn new jobs away meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one claimed item: its result is in the blob store, or ``error`` says why not.

    ``passages`` has the languages of a row that votes. ``retry`` says that the fault
    was not the item's (a store that did not answer), so that another attempt makes sense.
    """

    item: WorkItem
    error: str = ""
    retry: bool = False
    passages: tuple[LanguagePassage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Settled:
    """The answer to a batch's report: the audio seconds that wait for the replica's model, and the pull's next batch.

    ``economy_backlog_s`` waits besides, as economy work. ``items`` is empty where none was asked for, or none waits:
    then the pull has come to its end.
    """

    backlog_s: float
    economy_backlog_s: float = 0.0
    items: tuple[WorkItem, ...] = ()


class WorkSource(Protocol):
    """The Coordinator as a Transcriber calls it."""

    async def claim(self, pull_id: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        """Take the next batch for the replica's model, leased to the pull; empty when nothing waits."""

    async def complete(
        self,
        pull_id: str,
        replica: ModelInfo,
        outcomes: tuple[Outcome, ...],
        report: BatchReport | None = None,
        *,
        max_items: int = 0,
        wait_s: float = 0.0,
    ) -> Settled:
        """Report one outcome per claimed item, after their results are stored, and what the batch took.

        The same pull claims up to ``max_items`` more with it, so that a batch costs one call instead of three; where
        nothing waits, the answer comes with the next item, ``wait_s`` seconds later at most.
        """


class TranscriberPort(Protocol):
    """The Transcribers of one model as the Coordinator calls them."""

    async def work(self, pull_id: str) -> int:
        """Claim one batch once the device is free, transcribe it, report it; return the number of rows."""


@dataclass(frozen=True, kw_only=True)
class SegmentRequest:
    """The source to split, and how; ``source_url`` is where to fetch it if it is not stored yet.

    ``source`` is the blob as the ledger has it: one that was fetched and has a SHA-256 there is not hashed again.
    ``track`` is the sound track to take, see `pipelines.audio.decode.decode_audio`. ``recording_of`` is the job whose
    playback copy is the source, "" where the source is the job's own.
    ``keep_audio`` keeps a compressed copy of the recording beyond the job's end. ``attempt`` counts the calls that were
    lost before. ``first_time`` says that nobody has cut it yet, so that the store need not be asked for what is there.
    """

    tenant: str
    job_id: str
    split_channels: bool
    track: str | None = None
    window_s: float = 30.0
    source_url: str = ""
    source: BlobRef | None = None
    recording_of: str = ""
    keep_audio: bool = False
    request_id: str = ""
    traceparent: str = ""
    attempt: int = 0
    first_time: bool = False


@dataclass(frozen=True, kw_only=True)
class MaskedCopyRequest:
    """The playback copy to make of a source that is stored, without what `JobKeys.masked_audio` says.

    ``split_channels`` and ``track`` are those that it was split by.
    """

    tenant: str
    job_id: str
    split_channels: bool
    sound: MaskSound
    track: str | None = None
    traceparent: str = ""


class SegmenterPort(Protocol):
    """The Segmenters as the Coordinator calls them."""

    def segment(self, request: SegmentRequest) -> AsyncIterator[BlobRef | Span | SourceSummary | SegmentReport]:
        """Split the source: yield each span once it is stored, then the summary, then what it took.

        A source given by URL, or by a job that kept it, is fetched and named first. Figures are missing where an
        earlier call did the work. Raises `InputError`, and `AudioGone` for a copy that is not kept any more.
        """

    async def keep_masked(self, request: MaskedCopyRequest) -> None:
        """Store the playback copy of a source without what must not be heard; may be repeated.

        Raises `InputError`, `BlobMissing` without the source, `StoreUnavailable` and `ReplicaLost`.
        """

    async def probe(self, tenant: str, url: str) -> Probe:
        """Look at a source's header; raises `InputError`, `SourceUnreachable`."""


@dataclass(frozen=True, kw_only=True)
class VoicesRequest:
    """The stored span whose voices are to be heard."""

    tenant: str
    job_id: str
    span: Span
    request_id: str = ""
    traceparent: str = ""


@dataclass(frozen=True, kw_only=True)
class DiarizationRequest:
    """The heard spans of a recording, of which each channel's voices are to be told apart."""

    tenant: str
    job_id: str
    spans: tuple[Span, ...]
    options: SpeakerOptions
    traceparent: str = ""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A stretch of a channel, in seconds on the recording's clock."""

    channel: int
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class EnrolmentRequest:
    """A voice to enrol: from the clip that lies at `TenantKeys.voice_clip`, or from passages of a job's recording."""

    tenant: str
    voice_id: str
    job_id: str = ""
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SealedVoice:
    """A voice under the key of the installation, the network it came from, and seconds of sound that were heard."""

    sealed: str
    network: str
    speech_s: float


class EnrolmentPort(Protocol):
    """The Diarizers as the API calls them."""

    async def enrol(self, request: EnrolmentRequest) -> SealedVoice:
        """Return the voice, sealed.

        Raises `InputError`, `OptionError` for sound without one voice, `BlobMissing` where the recording is not kept,
        `ConfigurationError` without a key, `ModelUnavailable`, `StoreUnavailable`, `ReplicaLost`.
        """


class DiarizerPort(Protocol):
    """The Diarizers as the Coordinator calls them."""

    async def hear(self, request: VoicesRequest) -> float:
        """Store the voices of a span; return the processor seconds it took, 0 where they were stored before.

        Raises `BlobMissing` without its samples, `ModelUnavailable`, `StoreUnavailable`, `ReplicaLost`.
        """

    async def tell_apart(self, request: DiarizationRequest) -> Diarization:
        """Return who spoke when on each channel; raises `BlobMissing` for a span that was not heard, and as `hear`."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A recording as it was cut: its summary, and all its spans in order."""

    summary: SourceSummary
    spans: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class MinutesRequest:
    """The transcript to turn into minutes, translations and documents; see `pipelines.jobs.job.JobOptions`.

    ``title`` is the recording's. ``asked_at_s`` (Unix seconds) is when the minutes were first wanted; None: at once.
    ``keeps_minutes``: those that are stored are laid out again, none are written.
    """

    tenant: str
    job_id: str
    title: str
    minutes: str
    language: str | None
    template: str = ""
    minutes_title: str = ""
    glossary: tuple[str, ...] = ()
    recording_date: date | None = None
    translate: tuple[str, ...] = ()
    asked_at_s: float | None = None
    keeps_minutes: bool = False
    reference: Reference = field(default=NO_REFERENCE)
    request_id: str = ""
    traceparent: str = ""

    @classmethod
    def of(cls, job: Job) -> "MinutesRequest":
        """Return what a job whose transcript is stored wants."""
        options = job.options
        return cls(
            tenant=job.tenant,
            job_id=job.id,
            title=PurePath(job.filename).stem,
            minutes=options.minutes,
            language=options.minutes_language,
            template=options.minutes_template,
            minutes_title=options.minutes_title,
            glossary=(*options.glossary, *options.vocabulary),
            recording_date=options.recording_date,
            translate=options.translate,
            asked_at_s=None if job.minutes_of else job.updated_at_s,  # who has minutes written anew waits for them
            keeps_minutes=job.stage is Stage.DOCUMENTS,
            reference=job.reference,
            request_id=job.request_id,
            traceparent=job.traceparent,
        )

    @property
    def renders_only(self) -> bool:
        """Whether documents are rendered, which takes a moment, and nothing is written: no minutes, no translation."""
        return self.minutes == "none" and not self.translate


@dataclass(frozen=True, kw_only=True)
class WrittenResults:
    """Names of the stored results, and what became of the minutes (None: none were wanted) and translations.

    ``note`` tells the owner why there are none although some were wanted, or what of the wishes was not heeded;
    ``notes`` say what is to be known of the documents.
    """

    names: tuple[str, ...]
    note: str = ""
    report: WritingReport | None = None
    minutes: MinutesRecord | None = None
    notes: tuple[Note, ...] = ()
    translations: tuple[TranslationRecord, ...] = ()

    @property
    def usage(self) -> JobUsage:
        """Storage used by the results."""
        return JobUsage(result_bytes=self.report.n_bytes if self.report else 0)

    def event(self, kind: type[WrittenEvent]) -> WrittenEvent:
        """Return the event that tells a job of the results: when they are its first, or followed its end."""
        return kind(
            names=self.names,
            note=self.note,
            minutes=self.minutes,
            usage=self.usage,
            notes=self.notes,
            translations=self.translations,
        )


@dataclass(frozen=True, kw_only=True)
class StitchRequest:
    """The chunk results to put together as a job's transcript.

    ``outcomes`` names them, by chunk and `WorkItem.input_digest`: only results of the same cut are used. ``model`` is
    named where no result says what decoded it. ``first_time`` says that nobody worked for the job before its
    Coordinator: there is no earlier quarantine. ``diarization`` has the voices of channels that are told apart; a
    replay takes its origin's. ``min_avg_logprob``: see `pipelines.transcript.trained_speech.training_notes`.
    ``documents`` are rendered at once; None: they are asked for later.
    """

    job: Job
    cut: Cut
    outcomes: tuple[tuple[int, str], ...]
    votes: Mapping[int, LanguageVote]
    model: ModelInfo
    first_time: bool = False
    diarization: Diarization | None = None
    min_avg_logprob: float | None = None
    documents: MinutesRequest | None = None


@dataclass(frozen=True, kw_only=True)
class Stitched:
    """What a stored transcript took, and its notes; ``written`` are its documents, if they were asked for."""

    usage: JobUsage
    notes: tuple[Note, ...]
    written: WrittenResults | None = None


@dataclass(frozen=True, kw_only=True)
class EndedJob:
    """The job whose working data nobody needs any more; ``replay_of`` is the job whose chunks it decoded again."""

    tenant: str
    job_id: str
    state: JobState
    replay_of: str = ""

    @classmethod
    def of(cls, job: Job) -> "EndedJob":
        """Return what is to be known of an ended job."""
        return cls(tenant=job.tenant, job_id=job.id, state=job.state, replay_of=job.replay_of)


class FollowUpPort(Protocol):
    """The Coordinator as the MinutesWriter calls it."""

    async def minutes_followed(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        """Enter the results of a job with deferred minutes; raises `JobUnknown`, `IllegalTransition` too early."""


class MinutesPort(Protocol):
    """The MinutesWriter as the Coordinator calls it. All may be repeated. Raises `StoreUnavailable`, `ReplicaLost`."""

    async def stitch(self, request: StitchRequest) -> Stitched:
        """Put a transcript together and store it, and render its documents where they are asked for."""

    async def clean_up(self, ended: EndedJob) -> None:
        """Delete what an ended job needed only while it ran."""

    async def write(self, request: MinutesRequest) -> WrittenResults:
        """Write minutes, render every document, store them."""
