"""`JobOptions`: everything a submitter may choose about a job. The one list of options.

A field added to `JobOptions` is an option of the HTTP API, of its OpenAPI document, of manifests and sidecars
(`deployments.schemas.options.Options`), a flag of the command line (`cluster.cli.common.option_flags`), and an input
of the console's form (`GET /v1/choices`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import AwareDatetime, BeforeValidator, StringConstraints

from pipelines.codec import encode
from pipelines.errors import OptionError
from pipelines.speakers.options import SpeakerOptions
from pipelines.text.language_names import language_code, language_codes, language_tag, split_languages, spoken_code
from pipelines.text.languages import LANGUAGES
from pipelines.text.phone_numbers import REGIONS
from pipelines.text.redaction import MASK_KINDS, MaskKind
from pipelines.validation import worded

MAX_PRIORITY = 100
SOURCE_PATIENCE_S = 60
CALLBACK_PATIENCE_S = 600
MAX_PATIENCE_S = 86_400
"""Who announces a recording may do so before it can be fetched, and does so once."""

MAX_TERMS = 200
MAX_TRANSLATIONS = 5
MAX_TEMPLATE_CHARACTERS = 20_000

NO_CONTROLS = worded(r"^[^\x00-\x1f\x7f]*$", "may hold no line breaks or control characters")
_EMAIL_ADDRESS = worded(
    r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,63}$",
    "must be an e-mail address such as ann@example.com",
)
SpeakerName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=NO_CONTROLS)
]
Term = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=NO_CONTROLS)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=NO_CONTROLS)]
EmailAddress = Annotated[str, StringConstraints(max_length=254, pattern=_EMAIL_ADDRESS)]
TrackChoice = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    StringConstraints(pattern=worded(r"^(all|[1-9][0-9]?)$", "must be the number of a sound track, such as 2, or all")),
]


def _read(read: Callable[[str], Any]) -> BeforeValidator:
    """Read a text by a function; what is no text is left to the type."""
    return BeforeValidator(lambda value: read(value) if isinstance(value, str) else value)


def _several(value: Any) -> Any:
    """Read languages by `language_codes`; what is no text, list of texts or None is left to the type."""
    return language_codes(value) if _is_texts(value) else value


def _translations(value: Any) -> Any:
    """Read the languages of translations as tags, each once; what is no text, list of texts or None as `_several`."""
    if not _is_texts(value):
        return value
    tags = {part: language_tag(part) for part in split_languages(value)}
    for part, tag in tags.items():
        if tag is None or spoken_code(tag) not in LANGUAGES:
            raise ValueError(f"{part!r} is no language to translate into")
    return tuple(dict.fromkeys(tags.values()))


def _is_texts(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return True
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def _speakers(value: Any) -> Any:
    """Read how many speakers there may be; ``off`` and nothing are kept apart. What is no text is left to the type."""
    text = str(value) if type(value) is int else value
    if not isinstance(text, str):
        return value
    if text in ("", "off"):
        return text or None
    try:
        SpeakerOptions.parse(text)
    except OptionError as error:
        raise ValueError(str(error)) from None
    return text


def _phone_region(value: Any) -> Any:
    """Read a country by its two letters; what is no text is left to the type."""
    if not isinstance(value, str):
        return value
    region = value.strip().upper()
    if region not in REGIONS:
        raise ValueError(f"{value[:40]!r} is no country with telephone numbers; two letters, such as GB, name one")
    return region


LanguageCode = Annotated[str | None, _read(language_code)]
LanguageCodes = Annotated[tuple[str, ...], BeforeValidator(_several)]
LanguageTag = Annotated[str | None, _read(language_tag)]
TranslationTags = Annotated[tuple[str, ...], BeforeValidator(_translations)]
PhoneRegion = Annotated[str, BeforeValidator(_phone_region)]
SpeakerCount = Annotated[str | None, BeforeValidator(_speakers)]

Concern = Literal["transcript", "minutes", "translation", "job"]
"""What an option decides: the transcript, its minutes, its translations, or how the job is treated."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option as submitters give it.

    ``kind`` is its type and ``constraints`` are those of `pydantic.Field`; stored jobs need not satisfy them.
    ``default`` stands for an option that is left out. ``later``: it came when requests had been stored without it, and
    counts in what identifies a request only where it is given.
    """

    name: str = ""
    kind: Any = None
    default: Any = None
    description: str
    concern: Concern
    later: bool = False
    constraints: Mapping[str, Any]

    @property
    def is_list(self) -> bool:
        kind = get_args(self.kind)[0] if get_origin(self.kind) is Annotated else self.kind
        return get_origin(kind) is tuple


def _given(
    description: str,
    *,
    concern: Concern = "transcript",
    kind: Any = None,
    default: Any = None,
    later: bool = False,
    **constraints: Any,
) -> dict[str, Option]:
    """Describe a field of `JobOptions`; ``kind`` is the type that submitters give, where it is another one."""
    option = Option(
        description=description, concern=concern, kind=kind, default=default, later=later, constraints=constraints
    )
    return {"option": option}


def _option(default: T, description: str, **given: Any) -> T:
    """Make a field of `JobOptions` whose default is also that of submitters; see `_given`."""
    made: T = field(default=default, metadata=_given(description, default=default, **given))
    return made


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """The options of a job, with those filled in that were left out.

    ``language`` None means: vote, among ``languages`` where there are some (two at least). ``prompt`` and
    ``vocabulary`` prime the decoder (`pipelines.whisper.initial_prompt`), the latter unless ``vocabulary_use`` says
    otherwise.
    ``temperature`` is where the decoder's ladder of second tries begins. ``minutes_template`` is a template's name or
    its text. ``webhook_url`` None means: that of the tenant, if any. ``reuse``: see `pipelines.jobs.content_hash`.
    ``diarize`` None means: voices are not told apart; `speaker_options` reads it.

    Append new fields, as ``later``: their order is part of the fingerprints that are stored under idempotency keys.
    """

    model: str = field(metadata=_given("Name of a configured model; the default model when left out.", kind=str | None))
    language: str | None = _option(
        None,
        "Language spoken: a code, tag or name such as `en`, `zh-TW` or `Deutsch`; `auto` or nothing: detected.",
        kind=LanguageCode,
    )
    channels: Literal["mix", "split"] = _option(
        "mix", "`mix` transcribes all channels as one, `split` each channel on its own."
    )
    word_timestamps: bool = _option(False, "Give every word its own times.")
    beam_size: int = _option(1, "Beams of the decoder; 1 is greedy and fastest.", ge=1, le=10)
    minutes: Literal["auto", "extractive", "llm", "none"] = _option(
        "auto",
        "`auto` takes the language model where one is configured, else the extractive writer; `llm` is refused where "
        "none is configured.",
        concern="minutes",
    )
    minutes_language: str | None = _option(
        None,
        "Language of the minutes: a BCP 47 tag, or a name that is kept as one; that of the transcript when left out.",
        concern="minutes",
        kind=LanguageTag,
    )
    priority: int = _option(
        0, "Jobs of higher priority are decoded first.", concern="job", ge=-MAX_PRIORITY, le=MAX_PRIORITY
    )
    speakers: tuple[str, ...] = _option(
        (), "Names of the speakers, in the order of the channels.", kind=tuple[SpeakerName, ...], max_length=16
    )
    task: Literal["transcribe", "translate"] = _option(
        "transcribe", "`translate` writes English whatever is spoken; refused where the model cannot."
    )
    prompt: str = _option("", "Text that might have come before: names and spelling to go by.", max_length=2000)
    vocabulary: tuple[str, ...] = _option(
        (), "Words the decoder should know: names, products, abbreviations.", kind=tuple[Term, ...], max_length=200
    )
    temperature: float = _option(
        0.0, "Where decoding begins; what fails the quality rules is tried at higher ones.", ge=0, le=1
    )
    zh_script: Literal["simplified", "traditional"] | None = _option(
        None, "Characters of Chinese transcripts; as the model writes them when left out."
    )
    mask: tuple[MaskKind, ...] = _option(
        (),
        "What is hidden in transcript and minutes, before a language model sees it: `email`, `phones`, `cards`, "
        "`numbers` of 4 digits and more, `names` of people, `places`, `profanity`.",
        max_length=len(MASK_KINDS),
    )
    minutes_template: str = _option(
        "",
        "Layout of the minutes: `standard`, `classic`, a template that is configured, or the text of one (Jinja2 that "
        "writes Markdown); the tenant's usual one when left out.",
        concern="minutes",
        max_length=MAX_TEMPLATE_CHARACTERS,
    )
    minutes_title: str = _option(
        "",
        "Title of the minutes; `{title}` in it stands for the one the writer would choose.",
        concern="minutes",
        kind=Title,
    )
    glossary: tuple[str, ...] = _option(
        (),
        "Names and terms as they are spelled; may be repeated.",
        concern="minutes",
        kind=tuple[Term, ...],
        max_length=MAX_TERMS,
    )
    recording_date: date | None = _option(  # noqa: RUF009  makes a field
        None, "Day of the recording (ISO 8601): due dates such as 'by Friday' count from it.", concern="minutes"
    )
    keep_audio: bool = _option(
        False,
        "Keep a compressed copy of the recording for a while, to listen to with the transcript and for clips of what "
        "was decided; the recording itself is deleted when the job ends.",
        concern="job",
    )
    webhook_url: str | None = _option(
        None,
        "URL that is told how the job ends (Standard Webhooks), in place of the tenant's; shown without its query.",
        concern="job",
        min_length=1,
        max_length=2048,
    )
    recipients: tuple[str, ...] = _option(
        (),
        "E-mail addresses that get the minutes, documents attached.",
        concern="job",
        kind=tuple[EmailAddress, ...],
        max_length=20,
    )
    reuse: bool = field(
        default=True,
        metadata=_given(
            "Take the transcript of an earlier job that had the same recording and options, if there is one; the "
            "server's setting when left out.",
            concern="job",
            kind=bool | None,
        ),
    )
    deadline: datetime | None = _option(  # noqa: RUF009  makes a field
        None,
        "When the transcript is wanted (ISO 8601): among jobs of one priority those with the earliest deadline go "
        "first, before those without.",
        concern="job",
        kind=AwareDatetime | None,
    )
    track: str | None = _option(
        None,
        "Sound track of a recording that has several: its number (1 is the first), or `all`, each becoming a channel "
        "under its title and language; when left out the one that players begin with, or the next with sound.",
        kind=TrackChoice | None,
        later=True,
    )
    languages: tuple[str, ...] = _option(
        (),
        "The only languages that may be detected, written as `language` is; a single one is the same as `language`.",
        kind=LanguageCodes,
        later=True,
    )
    translate: tuple[str, ...] = _option(
        (),
        "Languages into which the transcript is translated by the language model, such as `en` or `zh-Hant`: a further "
        "version beside the original, times kept. Refused where no language model is configured.",
        concern="translation",
        kind=TranslationTags,
        later=True,
        max_length=MAX_TRANSLATIONS,
    )
    source_patience_s: int | None = _option(
        None,
        "Seconds to go on asking for a `source` that is not there yet (403, 404, 425, 429, 5xx, no answer); when left "
        f"out the server's: {SOURCE_PATIENCE_S} as a rule, {CALLBACK_PATIENCE_S} where a callback or an event of a "
        "bucket told of it.",
        concern="job",
        ge=0,
        le=MAX_PATIENCE_S,
        later=True,
    )
    diarize: str | None = _option(
        None,
        "Tell the voices of a channel apart: `auto` finds how many speakers there are, `4` or `2-5` says how many, "
        "`off` leaves them together; the server's setting for recordings transcribed as one channel, when left "
        "out. A channel with a name in `speakers` is one speaker.",
        kind=SpeakerCount,
        later=True,
    )
    priority_class: Literal["standard", "economy"] = _option(
        "standard",
        "`economy` waits until no standard job of anybody does, is done within 24 hours, and has a price of its own.",
        concern="job",
        later=True,
    )

    vocabulary_use: Literal["prompt", "match", "both"] = _option(
        "prompt",
        "How `vocabulary` is used: `prompt` primes the decoder with it, which finds terms and can harm other words; "
        "`match` writes a term where doubtful words sound like it (English and Chinese), each with what was heard.",
        later=True,
    )

    mask_audio: Literal["mute", "beep", "off"] = _option(
        "mute",
        "What is heard of masked words in the copy that `keep_audio` keeps: nothing, a tone, or (`off`) the words; "
        "also where nothing was understood.",
        concern="job",
        later=True,
    )
    mask_regions: tuple[str, ...] = _option(
        (),
        "Countries whose telephone numbers `mask=phones` finds beside international ones, such as `GB`; those where "
        "the language is spoken, when left out.",
        kind=tuple[PhoneRegion, ...],
        later=True,
        max_length=16,
    )

    @property
    def hides_audio(self) -> bool:
        """Whether masked words must not be heard either."""
        return bool(self.mask) and self.mask_audio != "off"

    @property
    def redacts_copy(self) -> bool:
        """Whether the copy that is kept is made anew, once it is known what must not be heard."""
        return self.hides_audio and self.keep_audio

    @property
    def primed_with(self) -> tuple[str, ...]:
        """The terms that the decoder is primed with."""
        return self.vocabulary if self.vocabulary_use != "match" else ()

    @property
    def matched_with(self) -> tuple[str, ...]:
        """The terms that doubtful words are compared with after decoding."""
        return self.vocabulary if self.vocabulary_use != "prompt" else ()

    @property
    def speaker_options(self) -> SpeakerOptions | None:
        """How many speakers are to be told apart on a channel; None: nobody."""
        return SpeakerOptions.parse(self.diarize) if self.diarize else None

    def is_named(self, channel: int) -> bool:
        """Return whether a channel is given a name: it is one speaker, whose voices are not told apart."""
        return channel < len(self.speakers) and bool(self.speakers[channel].strip())


def options_of(kind: type[JobOptions] = JobOptions) -> tuple[Option, ...]:
    """Return the options in the order of the fields."""
    found = ((each, each.metadata["option"]) for each in fields(kind))
    return tuple(replace(option, name=each.name, kind=option.kind or each.type) for each, option in found)


def encode_asked(options: JobOptions) -> bytes:
    """Serialise options as part of what identifies a request, also one that an earlier version stored."""
    return encode(options, without={each.name for each in _LATER if getattr(options, each.name) == each.default})


_LATER = tuple(option for option in options_of() if option.later)
LIST_OPTIONS = frozenset(option.name for option in options_of() if option.is_list)
MINUTES_OPTIONS = tuple(option.name for option in options_of() if option.concern == "minutes")
TRANSCRIPT_OPTIONS = tuple(option.name for option in options_of() if option.concern == "transcript")
