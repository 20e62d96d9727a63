"""What OpenAI's clients send to ``/v1/audio/…``: read strictly, so that no option is ignored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from starlette.requests import Request

from deployments.intake.idempotency import idempotency_key
from deployments.intake.job_policy import JobPolicy
from deployments.intake.multipart import read_form
from deployments.intake.spool import Spool, body_of
from deployments.intake.submission import Submission, clean_filename, content_length
from deployments.limits import IngestionLimits
from deployments.schemas.options import ApiModel, Options, SpeakerName, Term, parsed
from pipelines.errors import EmptyAudio, InvalidRequest, UnsupportedMediaType, refused_option

SYNC_PRIORITY = 50
"""Somebody waits at the other end: before all jobs that did not ask for more."""
DEFAULT_MODEL_NAMES = frozenset({"whisper-1"})
"""What clients call the model when they leave the choice to the server."""

Task = Literal["transcribe", "translate"]
Format = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
STREAMED: tuple[Format, ...] = ("json", "text", "diarized_json")
_LISTS = frozenset({"timestamp_granularities", "include", "speakers", "vocabulary"})


class TranslationForm(ApiModel):
    """The fields of ``POST /v1/audio/translations`` beside the file; ``vocabulary`` is MeetMemo's own."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="Name of a configured model; `whisper-1` is the default model."
    )
    prompt: str = Field("", max_length=2000, description="Text that might have come before: names, spelling.")
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: float = Field(0.0, ge=0, le=1)
    vocabulary: tuple[Term, ...] = Field((), max_length=200, description="Words the decoder should know.")


class TranscriptionForm(ApiModel):
    """The fields of ``POST /v1/audio/transcriptions`` beside the file; the last two are MeetMemo's own."""

    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(
        description="Name of a configured model; `whisper-1` is the default model."
    )
    language: str | None = Field(None, description="Whisper's language code; detected when left out.")
    prompt: str = Field("", max_length=2000, description="Text that might have come before: names, spelling.")
    response_format: Format = Field("json", description="`diarized_json` tells speakers apart by channel.")
    temperature: float = Field(0.0, ge=0, le=1)
    timestamp_granularities: tuple[Literal["word", "segment"], ...] = Field((), description="With `verbose_json`.")
    stream: bool = Field(False, description="Server-sent events; with `json`, `text` and `diarized_json`.")
    chunking_strategy: Literal["auto"] | None = Field(None, description="Recordings are always cut in silence.")
    vocabulary: tuple[Term, ...] = Field((), max_length=200, description="Words the decoder should know.")
    speakers: tuple[SpeakerName, ...] = Field((), max_length=16, description="Names, in the order of the channels.")


@dataclass(frozen=True, kw_only=True)
class SpeechRequest:
    """A request as the domain sees it, and the form its answer takes."""

    submission: Submission
    task: Task
    format: Format
    granularities: frozenset[str]
    stream: bool


async def read_speech_request(
    request: Request, task: Task, spool: Spool, offer: JobPolicy, limits: IngestionLimits
) -> SpeechRequest:
    """Read the form; raises `InvalidOptions`, `InvalidRequest`, `ModelUnknown`, `EmptyAudio`, `TooLarge` and others."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedMediaType("Send multipart/form-data with a field 'file'.")
    length = content_length(request.headers)
    if length is not None:
        await spool.announce(length)
    sent = await read_form(body_of(request.stream(), length, limits.pace), content_type, spool)
    await spool.finish()
    values = _values({**_by_name(request.query_params.multi_items()), **sent.fields})
    form = parsed(TranscriptionForm, values) if task == "transcribe" else _translation(values)
    if not sent.has_file:
        raise InvalidRequest("The form has no field 'file'.")
    if spool.n_bytes == 0:
        raise EmptyAudio("The recording has no bytes.")
    _refuse_combinations(form)
    options = Options.parse(
        {
            "model": None if form.model in DEFAULT_MODEL_NAMES else form.model,
            "language": form.language,
            "channels": "split" if form.response_format == "diarized_json" else "mix",
            "word_timestamps": "word" in form.timestamp_granularities,
            "minutes": "none",
            "priority": SYNC_PRIORITY,
            "speakers": form.speakers,
            "task": task,
            "prompt": form.prompt,
            "vocabulary": form.vocabulary,
            "temperature": form.temperature,
        }
    )
    return SpeechRequest(
        submission=Submission(
            options=await offer.check(options),
            filename=clean_filename(sent.filename or ""),
            spool=spool,
            source_url="",
            idempotency_key=idempotency_key(request.headers),
        ),
        task=task,
        format=form.response_format,
        granularities=frozenset(form.timestamp_granularities),
        stream=form.stream,
    )


def _translation(values: dict[str, Any]) -> TranscriptionForm:
    return TranscriptionForm(**parsed(TranslationForm, values).model_dump())


def _refuse_combinations(form: TranscriptionForm) -> None:
    if form.timestamp_granularities and form.response_format != "verbose_json":
        raise refused_option("timestamp_granularities", "needs response_format verbose_json")
    if form.stream and form.response_format not in STREAMED:
        raise refused_option("stream", f"works with response_format {', '.join(STREAMED)}")
    if form.speakers and form.response_format != "diarized_json":
        raise refused_option("speakers", "needs response_format diarized_json")


def _by_name(items: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for name, value in items:
        values.setdefault(name, []).append(value)
    return values


def _values(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """One value per name, lists for those that take several, whose names may end in brackets; empty means left out."""
    values: dict[str, Any] = {}
    for field, texts in fields.items():
        name = field.removesuffix("[]")
        filled = [text for text in texts if text != "" or name == "file"]
        if name in _LISTS:
            values[name] = [*values.get(name, []), *filled]
        elif len(filled) > 1:
            raise refused_option(name, "given more than once")
        elif filled:
            values[field] = filled[0]
    return values
