"""Parse the forms of OpenAI's clients for ``/v1/audio/…``: strictly, so that no option is ignored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from anyio import to_thread
from pydantic import BeforeValidator, Field, StringConstraints
from starlette.requests import Request

from deployments.http.openai.known_speakers import MAX_FIELD_BYTES as MAX_REFERENCE_BYTES
from deployments.http.openai.known_speakers import NAMES, REFERENCES, known_speakers
from deployments.http.waiting import SYNC_PRIORITY
from deployments.intake.idempotency import idempotency_key
from deployments.intake.job_policy import JobPolicy
from deployments.intake.multipart import FILE_FIELD, MAX_FIELD_BYTES, read_form
from deployments.intake.spool import Spool, body_of
from deployments.intake.submission import Submission, clean_filename, content_length, list_name, query_values
from deployments.limits import IngestionLimits
from deployments.schemas.openai_names import DEFAULT_MODEL_NAMES
from deployments.schemas.option_values import is_left_out, listed
from deployments.schemas.options import ApiModel, LanguageFields, Options, W, parsed, with_options
from pipelines.errors import EmptyAudio, UnsupportedMediaType, refused_option
from pipelines.jobs.options import LIST_OPTIONS, SpeakerName, options_of

Task = Literal["transcribe", "translate"]
Format = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
STREAMED: tuple[Format, ...] = ("json", "text", "diarized_json")
ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_IN_ONE_TEXT = LIST_OPTIONS | {"timestamp_granularities"}
_LISTS = _IN_ONE_TEXT | {NAMES, REFERENCES}
_NOT_SUPPORTED = {
    "chunking_strategy": "only auto is supported: recordings are always cut in silence",
    "include": "is not supported; verbose_json has avg_logprob of each segment",
}
"""Fields of OpenAI's that are refused, also as lists (``name[]``) and objects (``name[key]``)."""


def _with(*names: str) -> Callable[[type[W]], type[W]]:
    """Give a form the options of a job that it takes under their own names."""
    return with_options(*(option for option in options_of() if option.name in names))


@_with("prompt", "temperature", "vocabulary", "vocabulary_use", "track")
class TranslationForm(ApiModel):
    """The fields of ``POST /v1/audio/translations`` beside the file; ``vocabulary``, ``vocabulary_use`` and
    ``track`` are MeetMemo's own."""

    model: ModelName = Field(description="Name of a configured model; `whisper-1` is the default model.")
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"


@_with(
    "language",
    "languages",
    "prompt",
    "temperature",
    "vocabulary",
    "vocabulary_use",
    "speakers",
    "diarize",
    "track",
    "zh_script",
)
class TranscriptionForm(LanguageFields):
    """The fields of ``POST /v1/audio/transcriptions`` beside the file.

    ``vocabulary``, ``vocabulary_use``, ``speakers``, ``diarize``, ``track`` and ``zh_script`` are MeetMemo's own.
    """

    model: ModelName = Field(description="Name of a configured model; `whisper-1` is the default model.")
    response_format: Format = Field(
        "json", description="`diarized_json` tells speakers apart: channels, and voices of a channel without a name."
    )
    timestamp_granularities: Annotated[tuple[Literal["word", "segment"], ...], BeforeValidator(listed)] = Field(
        (), description="With `verbose_json`."
    )
    stream: bool = Field(
        False, description="Server-sent events; ignored, as OpenAI does, but with `json`, `text` and `diarized_json`."
    )
    user: str | None = Field(None, description="Taken for compatibility; nothing depends on it.")
    chunking_strategy: Literal["auto"] | None = Field(None, description="Recordings are always cut in silence.")
    known_speaker_names: tuple[SpeakerName, ...] = Field(
        (), description="With `diarized_json`: names of voices that the recording may have, up to 4."
    )
    known_speaker_references: tuple[str, ...] = Field(
        (), description="A clip of each, 2 to 10 seconds, as a data URL (base64); known for this request only."
    )

    def options(self, task: Task) -> Options:
        """Return the options of the job."""
        same = {name: value for name, value in self if name in Options.model_fields}
        return Options.parse(
            {
                **same,
                "model": None if self.model in DEFAULT_MODEL_NAMES else self.model,
                "channels": "split" if self.response_format == "diarized_json" else "mix",
                "diarize": same["diarize"] or ("auto" if self._wants_voices(same) else "off"),
                "word_timestamps": "word" in self.timestamp_granularities,
                "minutes": "none",
                "priority": SYNC_PRIORITY,
                "task": task,
            }
        )

    def _wants_voices(self, given: Mapping[str, Any]) -> bool:
        """Return whether speakers are asked for who are neither named nor on sound tracks of their own."""
        unnamed = not given["speakers"] and (given["track"] != "all" or bool(self.known_speaker_names))
        return self.response_format == "diarized_json" and unnamed

    def refuse_combinations(self) -> None:
        """Raise `InvalidOptions` for a field that the others leave without a meaning."""
        if known := [name for name in (NAMES, REFERENCES) if dict(self)[name]]:
            if self.response_format != "diarized_json":
                raise refused_option(known[0], "needs response_format diarized_json")
            if dict(self)["diarize"] == "off" or dict(self)["speakers"]:
                raise refused_option(known[0], "cannot go with speakers, nor with diarize off")
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise refused_option("timestamp_granularities", "needs response_format verbose_json")
        if dict(self)["speakers"] and self.response_format != "diarized_json":
            raise refused_option("speakers", "needs response_format diarized_json")
        if dict(self)["diarize"] not in (None, "off") and self.response_format in ("json", "text"):
            raise refused_option("diarize", "needs response_format diarized_json, verbose_json, srt or vtt")


@dataclass(frozen=True, kw_only=True)
class SpeechRequest:
    """A request as the domain sees it, and the form its answer takes."""

    submission: Submission
    task: Task
    format: Format
    granularities: frozenset[str]
    stream: bool


async def read_speech_request(
    request: Request, task: Task, spool: Spool, policy: JobPolicy, limits: IngestionLimits
) -> SpeechRequest:
    """Read the form; raises `InvalidOptions`, `InvalidRequest`, `ModelUnknown`, `EmptyAudio`, `TooLarge` and others."""
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise UnsupportedMediaType("Send multipart/form-data with a field 'file'.")
    length = content_length(request.headers)
    if length is not None:
        await spool.announce(length)
    most = MAX_FIELD_BYTES + (MAX_REFERENCE_BYTES if task == "transcribe" else 0)
    sent = await read_form(body_of(request.stream(), length, limits.pace), content_type, spool, most)
    await spool.finish()
    values = _values({**query_values(request), **sent.fields})
    form = parsed(TranscriptionForm, values) if task == "transcribe" else _translation(values)
    if not sent.has_file:
        raise refused_option(FILE_FIELD, "is missing: the recording belongs there")
    if spool.n_bytes == 0:
        raise EmptyAudio("The recording has no bytes.")
    form.refuse_combinations()
    return SpeechRequest(
        submission=Submission(
            options=await policy.check(form.options(task)),
            filename=clean_filename(sent.filename or ""),
            spool=spool,
            idempotency_key=idempotency_key(request.headers),
            known_voices=await to_thread.run_sync(
                known_speakers, form.known_speaker_names, form.known_speaker_references
            ),
        ),
        task=task,
        format=form.response_format,
        granularities=frozenset(form.timestamp_granularities),
        stream=form.stream and form.response_format in STREAMED,
    )


def _translation(values: dict[str, Any]) -> TranscriptionForm:
    return TranscriptionForm(**parsed(TranslationForm, values).model_dump())


def _values(fields: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return one value per name, lists for names that take several (and may end in ``[]``); leave out empty ones."""
    values: dict[str, Any] = {}
    for field, texts in fields.items():
        name = list_name(field)
        known, key, _ = field.removesuffix("[]").partition("[")
        if known in _NOT_SUPPORTED and (known != "chunking_strategy" or key or texts[-1].lstrip().startswith("{")):
            raise refused_option(known, _NOT_SUPPORTED[known])
        filled = [text for text in texts if not is_left_out(text) or name == "file"]
        if name in _LISTS:
            values[name] = [*values.get(name, []), *filled]
        elif len(filled) > 1:
            raise refused_option(name, "given more than once")
        elif filled:
            values[field] = filled[0]
    # One text may hold several values, but for the voices and names of speakers.
    several = {name for name, value in values.items() if name in _IN_ONE_TEXT and len(value) == 1}
    return {name: value[0] if name in several else value for name, value in values.items()}
