"""What travels over HTTP: pydantic models of options, requests and problems, to and from the domain's dataclasses."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal, Self, TypeVar

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

from pipelines.errors import InvalidOptions, Reason
from pipelines.export.templating.values import MAX_TEMPLATE_CHARACTERS
from pipelines.jobs.job import JobOptions
from pipelines.minutes.glossary import MAX_TERMS
from pipelines.text.languages import LANGUAGES
from pipelines.text.redaction import MaskKind

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


class ApiModel(BaseModel):
    """Base of all wire models: unknown fields are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


W = TypeVar("W", bound=ApiModel)


class Options(ApiModel):
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


class MinutesOverrides(ApiModel):
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


class SourceRequest(ApiModel):
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


class FieldProblem(ApiModel):
    """One thing that is wrong, and where."""

    field: str
    message: str


class Problem(ApiModel):
    """Problem details (RFC 9457) with an enumerated ``reason``."""

    type: str = Field(description="`urn:meetmemo:problem:` and the reason.")
    title: str
    status: int
    detail: str
    reason: Reason
    errors: list[FieldProblem] = Field(default_factory=list)
    instance: str | None = Field(None, description="For internal errors: what to look for in the logs.")
