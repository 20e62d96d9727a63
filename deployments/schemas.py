"""What travels over HTTP: pydantic models of requests and answers, to and from the domain's dataclasses."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from pipelines.core import Usage
from pipelines.corrections import version_of
from pipelines.errors import OptionError, Reason
from pipelines.export.sandbox import MAX_TEMPLATE_CHARACTERS
from pipelines.jobs import Job, JobOptions, JobState, MinutesRecord
from pipelines.languages import LANGUAGES
from pipelines.ledger import JobEvent
from pipelines.masking import MaskKind
from pipelines.minutes.glossary import MAX_TERMS

JOBS_PATH = "/v1/jobs"
MAX_PRIORITY = 100

LanguageTag = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)]
NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"
SpeakerName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=NO_CONTROLS)
]

Term = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=NO_CONTROLS)]
LIST_OPTIONS = frozenset({"speakers", "vocabulary", "mask", "glossary", "recipients"})
Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=NO_CONTROLS)]

EmailAddress = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$"
    ),
]


class InvalidOptions(OptionError):
    """Options that failed validation; ``errors`` holds (field, message) pairs."""

    def __init__(self, message: str, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message, errors)
        self.errors = errors

    def __str__(self) -> str:
        return str(self.args[0])


def refused_option(name: str, why: str) -> InvalidOptions:
    """The error for one option."""
    return InvalidOptions(f"{name}: {why}", ((name, why),))


class Wire(BaseModel):
    """Base of all wire models: unknown fields are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


W = TypeVar("W", bound=Wire)


class Options(Wire):
    """What a submitter may choose about a job."""

    model: str | None = Field(None, description="Name of a configured model; the default model when left out.")
    language: str | None = Field(
        None, description="Whisper's language code, such as `en` or `zh`; `auto` or nothing: detected."
    )
    channels: Literal["mix", "split"] = Field(
        "mix", description="`mix` transcribes all channels as one, `split` each channel on its own."
    )
    word_timestamps: bool = Field(False, description="Give every word its own times.")
    beam_size: int = Field(1, ge=1, le=10, description="Beams of the decoder; 1 is greedy and fastest.")
    minutes: Literal["auto", "extractive", "llm", "none"] = Field(
        "auto",
        description="`auto` takes the language model where one is configured, else the extractive writer; "
        "`llm` is refused where none is configured.",
    )
    minutes_language: LanguageTag | None = Field(
        None, description="Language of the minutes as a BCP 47 tag; that of the transcript when left out."
    )
    priority: int = Field(
        0, ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="Jobs of higher priority are decoded first."
    )
    speakers: tuple[SpeakerName, ...] = Field(
        (), max_length=16, description="Names of the speakers, in the order of the channels."
    )
    task: Literal["transcribe", "translate"] = Field(
        "transcribe", description="`translate` writes English whatever is spoken; refused where the model cannot."
    )
    prompt: str = Field(
        "", max_length=2000, description="Text that might have come before: names and spelling to go by."
    )
    vocabulary: tuple[Term, ...] = Field(
        (), max_length=200, description="Words the decoder should know: names, products, abbreviations."
    )
    temperature: float = Field(
        0.0, ge=0, le=1, description="Where decoding begins; what fails the quality rules is tried at higher ones."
    )
    zh_script: Literal["simplified", "traditional"] | None = Field(
        None, description="Characters of Chinese transcripts; as the model writes them when left out."
    )
    mask: tuple[MaskKind, ...] = Field(
        (),
        max_length=4,
        description="What is hidden in transcript and minutes, before a language model sees it: `email`, `cards`, "
        "`numbers` of 4 digits and more, `profanity`.",
    )
    minutes_template: Annotated[str, StringConstraints(max_length=MAX_TEMPLATE_CHARACTERS)] = Field(
        "",
        description="Layout of the minutes: `standard`, `classic`, a template that is configured, or the text of one "
        "(Jinja2 that writes Markdown); the tenant's usual one when left out.",
    )
    minutes_title: Title = Field(
        "", description="Title of the minutes; `{title}` in it stands for the one the writer would choose."
    )
    glossary: tuple[Term, ...] = Field(
        (), max_length=MAX_TERMS, description="Names and terms as they are spelled; may be repeated."
    )
    recording_date: date | None = Field(
        None, description="Day of the recording (ISO 8601): due dates such as 'by Friday' count from it."
    )
    keep_audio: bool = Field(
        False,
        description="Keep a compressed copy of the recording for a while, to listen to with the transcript and for "
        "clips of what was decided; the recording itself is deleted when the job ends.",
    )
    webhook_url: str | None = Field(
        None,
        min_length=1,
        max_length=2048,
        description="URL that is told how the job ends (Standard Webhooks), in place of the tenant's; shown without "
        "its query.",
    )
    recipients: tuple[EmailAddress, ...] = Field(
        (), max_length=20, description="E-mail addresses that get the minutes, documents attached."
    )

    reuse: bool | None = Field(
        None,
        description="Take the transcript of an earlier job that had the same recording and options, if there is one; "
        "the server's setting when left out.",
    )
    deadline: AwareDatetime | None = Field(
        None,
        description="When the transcript is wanted (ISO 8601): among jobs of one priority those with the earliest "
        "deadline go first, before those without.",
    )

    @field_validator("language")
    @classmethod
    def _known_language(cls, value: str | None) -> str | None:
        if value is None or value == "auto":
            return None
        if value not in LANGUAGES:
            raise ValueError("not a language code of Whisper, such as en, de or zh")
        return value

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        for name in ("minutes_language", "minutes_template", "minutes_title", "glossary", "recording_date"):
            if self.minutes == "none" and getattr(self, name):
                raise ValueError(f"{name} is given, but minutes is none")
        return self

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Validate raw values (strings from a form or query, or JSON); raises `InvalidOptions`."""
        return parsed(cls, values)

    def to_domain(self, default_model: str, *, reuse: bool = True) -> JobOptions:
        """Fill in what was left open."""
        chosen = {"model": self.model or default_model, "reuse": reuse if self.reuse is None else self.reuse}
        return JobOptions(**{**self.model_dump(), **chosen})

    @classmethod
    def from_domain(cls, options: JobOptions) -> Self:
        return cls(**{name: getattr(options, name) for name in cls.model_fields})


def parsed(kind: type[W], values: dict[str, Any]) -> W:
    """Validate raw values (strings from a form or query, or JSON); raises `InvalidOptions`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        errors = tuple((_field(item["loc"]), _message(item["msg"])) for item in error.errors())
        raise InvalidOptions(
            "; ".join(f"{field}: {message}" if field else message for field, message in errors), errors
        ) from None


def _field(location: Sequence[int | str]) -> str:
    return ".".join(str(part) for part in location)


def _message(text: str) -> str:
    return text.removeprefix("Value error, ").replace("Extra inputs are not permitted", "there is no such option")


class MinutesWishes(Wire):
    """How to write minutes anew: what is given replaces the job's own option, the rest stays."""

    minutes: Literal["auto", "extractive", "llm"] | None = Field(None, description="Who writes them.")
    minutes_language: LanguageTag | None = None
    minutes_template: str | None = Field(None, max_length=MAX_TEMPLATE_CHARACTERS)
    minutes_title: Title | None = None
    glossary: tuple[Term, ...] | None = Field(None, max_length=MAX_TERMS)
    recording_date: date | None = None
    version: int | None = Field(
        None, ge=0, description="Which version of the transcript: 0 as it was transcribed; the newest when left out."
    )


class SourceRequest(Wire):
    """A job whose recording is pulled from a URL, or was put to the URL of an upload: one of both."""

    source: str | None = Field(
        None, min_length=1, max_length=4096, description="Where the recording is: an `https` URL."
    )
    upload: str | None = Field(
        None, pattern="^[0-9a-f]{32}$", description="The id of an upload, from `POST /v1/uploads/presigned`."
    )
    external_id: str | None = Field(None, description="As the parameter.")
    metadata: dict[str, str] | None = Field(None, description="As the parameter.")
    filename: str | None = Field(None, max_length=255, description="Name to show; the URL's last part when left out.")
    options: dict[str, Any] = Field(default_factory=dict, description="See the schema `Options`.")

    @model_validator(mode="after")
    def _one_recording(self) -> Self:
        if (self.source is None) == (self.upload is None):
            raise ValueError("give exactly one of source and upload")
        return self


class ProgressBody(Wire):
    """Seconds of audio found so far, and how many of them are done; split channels count once each."""

    audio_s: float
    done_s: float


class JobUsageBody(Wire):
    """What a job took on the cluster, as far as it has come; tokens and money are with its minutes."""

    device_s: float = Field(description="Seconds of a device (a GPU, or a CPU machine) that decoding took.")
    cpu_s: float = Field(description="Processor seconds of decoding and cutting.")
    device_real_time_factor: float | None = Field(description="Device seconds per second of audio.")
    result_bytes: int

    @classmethod
    def from_domain(cls, job: Job) -> Self:
        usage, audio_s = job.usage, job.progress.audio_s
        return cls(
            device_s=round(usage.device_s, 3),
            cpu_s=round(usage.cpu_s, 3),
            device_real_time_factor=round(usage.device_s / audio_s, 5) if audio_s and usage.device_s else None,
            result_bytes=usage.result_bytes,
        )


class SourceBody(Wire):
    """The recording as received. ``url`` is shown without its query, which may hold a signature."""

    n_bytes: int
    sha256: str
    url: str | None


class UsageBody(Wire):
    """Calls to a language model, tokens as its provider counted them, and what they cost this job."""

    calls: int
    prompt_tokens: int
    cache_hit_tokens: int
    completion_tokens: int
    cost_usd: float
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


class MinutesBody(Wire):
    """What became of a job's minutes."""

    state: Literal["written", "parked", "failed"] = Field(
        description="`parked`: they follow when the language model answers, the budget is fresh, prices are low."
    )
    note: str = Field(description="Why there are none, or which wish was not heeded.")
    writer: str
    model: str
    language: str
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


class JobBody(Wire):
    """One recording's way through the system."""

    id: str
    state: JobState
    progress: ProgressBody
    eta_s: float | None = Field(description="Seconds to the expected end; null while unknown or when ended.")
    reason: Reason | None = Field(description="Why the job failed.")
    detail: str
    filename: str
    external_id: str | None = Field(description="What its submitter calls the recording.")
    metadata: dict[str, str] = Field(description="What its submitter gave along.")
    source: SourceBody
    options: Options
    n_chunks: int | None
    n_failed_chunks: int
    cancel_requested: bool = Field(description="The job will be cancelled at its next chunk.")
    replay_of: str | None = Field(description="The job whose chunks in quarantine this one decodes again.")
    minutes_of: str | None = Field(description="The job whose minutes this one writes anew.")
    transcript_version: int = Field(description="Which version of that job's transcript it took; 0: uncorrected.")
    cached: bool = Field(description="The transcript was taken from an earlier job with the same content.")
    reused_from: str | None = Field(description="That job; it may be purged since.")
    minutes: MinutesBody | None = Field(description="Null until documents are there, and where none were wanted.")
    version: int = Field(description="Grows with every change of the job.")
    created_at: datetime
    updated_at: datetime
    usage: JobUsageBody
    request_id: str = Field(description="The `X-Request-ID` of the request that brought it, given or made.")
    results: dict[str, str] = Field(description="URL of each result by name.")

    @classmethod
    def from_domain(cls, job: Job, eta_s: float | None, base_url: str) -> Self:
        """Show a job; ``base_url`` ("" or scheme and host) goes before the path of each result."""
        return cls(
            id=job.id,
            state=job.state,
            progress=ProgressBody(audio_s=round(job.progress.audio_s, 3), done_s=round(job.progress.done_s, 3)),
            eta_s=None if job.state.final or eta_s is None else round(eta_s, 1),
            reason=job.reason,
            detail=job.detail,
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
            transcript_version=version_of(job.corrected),
            cached=bool(job.reused_from),
            reused_from=job.reused_from or None,
            minutes=MinutesBody.from_domain(job.minutes) if job.minutes else None,
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


class EventBody(Wire):
    """An entry of a job's history."""

    at: datetime
    name: str
    detail: str


class JobDetail(JobBody):
    """A job with its history."""

    events: list[EventBody] = Field(description="Its last entries, oldest first.")

    @classmethod
    def of(cls, body: JobBody, events: Sequence[JobEvent]) -> Self:
        """Add the history to a job."""
        shown = [
            EventBody(at=datetime.fromtimestamp(event.at_s, UTC), name=event.name, detail=event.detail)
            for event in events
        ]
        return cls(**dict(body), events=shown)


def job_path(job_id: str) -> str:
    return f"{JOBS_PATH}/{quote(job_id, safe='')}"


def result_path(job_id: str, name: str) -> str:
    return f"{job_path(job_id)}/results/{quote(name, safe='')}"


def public_part(url: str) -> str:
    """Drop what may be secret from a URL: user, password, query and fragment."""
    if not url:
        return ""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class JobPage(Wire):
    """Jobs, newest first, and where the list goes on."""

    jobs: list[JobBody]
    next: str | None = Field(description="URL of the next page; null on the last.")


class JobQuery(Wire):
    """Filters of the list of jobs."""

    state: list[JobState] = Field(default_factory=list, description="Only jobs in these states; may be repeated.")
    filename: str | None = Field(
        None, max_length=255, pattern=NO_CONTROLS, description="Only recordings whose name contains this."
    )
    external_id: str | None = Field(
        None, min_length=1, max_length=255, pattern=NO_CONTROLS, description="Only the job with this external id."
    )
    created_after: AwareDatetime | None = Field(None, description="Only jobs created at this time or later (ISO 8601).")
    created_before: AwareDatetime | None = Field(None, description="Only jobs created before this time (ISO 8601).")
    limit: int = Field(50, ge=1, le=500, description="Jobs per page.")
    cursor: str | None = Field(None, max_length=500, description="Position, from the `next` of the page before.")


class Purged(Wire):
    """What was erased of a job."""

    id: str
    deleted: list[str] = Field(description="Keys of the blobs that were deleted.")


class ModelBody(Wire):
    """A configured model; ``ready`` is null while the Coordinator does not answer."""

    name: str
    default: bool
    ready: bool | None
    detail: str


class ModelCard(Wire):
    """A model as OpenAI's clients expect it; ``created`` is unknown and therefore 0."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "meetmemo"


class ModelList(Wire):
    """The models a job may name; ``object`` and ``data`` are what OpenAI's clients read."""

    models: list[ModelBody]
    object: Literal["list"] = "list"
    data: list[ModelCard]


Status = Literal["ok", "degraded", "down"]


class ComponentBody(Wire):
    """State of one component."""

    status: Status
    detail: str = ""


class ReadyBody(Wire):
    """Readiness of the whole and of each component."""

    status: Status
    version: str
    components: dict[str, ComponentBody]


class AliveBody(Wire):
    """The process answers."""

    status: Literal["ok"] = "ok"
    version: str


class FieldProblem(Wire):
    """One thing that is wrong, and where."""

    field: str
    message: str


class Problem(Wire):
    """Problem details (RFC 9457) with an enumerated ``reason``."""

    type: str = Field(description="`urn:meetmemo:problem:` and the reason.")
    title: str
    status: int
    detail: str
    reason: Reason
    errors: list[FieldProblem] = Field(default_factory=list)
    instance: str | None = Field(None, description="For internal errors: what to look for in the logs.")
