"""Parse the query of Deepgram's clients for ``/v1/listen``: strictly, so that no parameter is ignored."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field

from deployments.http.vendor_options import chosen_model, is_off, named, without_unsupported
from deployments.http.waiting import SYNC_PRIORITY
from deployments.schemas.options import ApiModel, Options, parsed
from pipelines.errors import refused_option
from pipelines.jobs.reference import Reference
from pipelines.text.redaction import MaskKind

MODELS = re.compile(
    r"(nova|enhanced|base|whisper|flux|general|meeting|phonecall|finance|conversationalai|voicemail|video|medical"
    r"|drivethru|automotive)(-|$)"
)
"""Deepgram's own models; each is the default one here."""

NAMES: Mapping[str, str] = {
    "vocabulary": "keyterm",
    "mask": "redact",
    "webhook_url": "callback",
    "languages": "detect_language",
    "source": "url",
}
"""The parameters that options of a job come from, where they have other names."""

MASKS: Mapping[str, MaskKind] = {
    "pci": "cards",
    "credit_card": "cards",
    "numbers": "numbers",
    "email_address": "email",
    "phone_number": "phones",
    "name": "names",
    "location": "places",
}
_LISTS = frozenset({"detect_language", "redact", "keyterm", "keywords", "tag", "extra"})
_NO_ANALYSIS = "is not supported: transcripts are not analysed"
_AS_HEARD = "is not supported: words are written as the model hears them"
NOT_SUPPORTED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "sentiment",
            "summarize",
            "topics",
            "custom_topic",
            "custom_topic_mode",
            "intents",
            "custom_intent",
            "custom_intent_mode",
            "detect_entities",
        ),
        _NO_ANALYSIS,
    ),
    **dict.fromkeys(("dictation", "filler_words", "measurements", "numerals"), _AS_HEARD),
    "replace": "is not supported",
    "search": "is not supported",
    "language_hint": "is not supported; detect_language may be given once for each language that can be spoken",
    "tier": "is not supported; model names what transcribes",
    "ner": "is not supported",
}
"""Parameters of Deepgram's that are refused unless they are off."""


class ListenQuery(ApiModel):
    """The query of ``POST /deepgram/v1/listen``, which says what is transcribed and what the answer holds."""

    model: str = Field(
        default="", max_length=200, description="A configured model; Deepgram's names are the default model."
    )
    version: Literal["latest"] | None = Field(default=None, description="There is one version of a model.")
    language: str = Field(default="", max_length=80, description="A tag or name; `multi` or nothing: detected.")
    detect_language: tuple[str, ...] = Field(
        default=(), max_length=100, description="`true`, or once for each language that can be spoken."
    )
    punctuate: bool = Field(default=False, description="With punctuation and capitals.")
    smart_format: bool = Field(default=False, description="As `punctuate` with `paragraphs`.")
    paragraphs: bool = Field(default=False, description="With paragraphs and their sentences; punctuated.")
    utterances: bool = Field(default=False, description="With `results.utterances`.")
    utt_split: float = Field(default=0.8, gt=0, le=3600, description="Seconds of a pause that ends an utterance.")
    diarize: bool = Field(default=False, description="With the speaker of each word, by channel and voice.")
    diarize_model: Literal["latest"] | None = Field(default=None, description="As `diarize`.")
    multichannel: bool = Field(default=False, description="Each channel on its own.")
    redact: tuple[str, ...] = Field(
        default=(), max_length=20, description=f"Any of {', '.join(f'`{m}`' for m in MASKS)}."
    )
    profanity_filter: bool = Field(default=False, description="Masks swear words.")
    keyterm: tuple[str, ...] = Field(default=(), max_length=200, description="Words and names the decoder should know.")
    keywords: tuple[str, ...] = Field(
        default=(), max_length=200, description="As `keyterm`; a weight after `:` is not heeded."
    )
    tag: tuple[str, ...] = Field(default=(), max_length=20, description="Told in `metadata.tags`.")
    extra: tuple[str, ...] = Field(default=(), max_length=15, description="`name:value`, told in `metadata.extra`.")
    callback: str = Field(
        default="", max_length=2048, description="URL that gets the answer; this request has the id only."
    )
    callback_method: Literal["post", "POST"] | None = Field(default=None, description="Callbacks are posted.")
    encoding: Literal["linear16", "mulaw", "alaw", "flac", "opus"] | None = Field(
        default=None, description="Of samples without a container, with `sample_rate` and `channels`."
    )
    sample_rate: int = Field(default=0, ge=0, le=192_000, description="Hz of samples without a container.")
    channels: int = Field(default=1, ge=1, le=64, description="Channels of samples without a container.")
    alternatives: Literal["1"] | None = Field(default=None, description="There is one.")
    mip_opt_out: bool = Field(default=False, description="Nothing leaves this server, whatever it says.")

    @classmethod
    def of(cls, query: Mapping[str, Sequence[str]]) -> Self:
        """Read a query; raises `InvalidOptions`."""
        values: dict[str, Any] = {}
        for name, texts in without_unsupported(query, NOT_SUPPORTED).items():
            if name in _LISTS:
                values[name] = [text for text in texts if not is_off(text)]
            elif len(texts) > 1:
                raise refused_option(name, "given more than once")
            elif texts[0] != "":
                values[name] = texts[0]
        return parsed(cls, values)

    @property
    def detects(self) -> bool:
        """Whether the answer tells which language was detected."""
        return bool(self.detect_language)

    @property
    def is_multilingual(self) -> bool:
        return self.language == "multi"

    @property
    def tells_speakers(self) -> bool:
        return self.diarize or bool(self.diarize_model)

    @property
    def is_punctuated(self) -> bool:
        return self.punctuate or self.has_paragraphs

    @property
    def has_paragraphs(self) -> bool:
        return self.paragraphs or self.smart_format

    @property
    def extras(self) -> dict[str, str]:
        """What ``extra`` names."""
        parts = (text.partition(":") for text in self.extra)
        return {name.strip(): value.strip() for name, _, value in parts}

    def options(self, models: Collection[str]) -> Options:
        """Return the options of the job; ``models`` are the configured ones. Raises `InvalidOptions`."""
        languages = [code for code in self.detect_language if code.lower() != "true"]
        if languages and self.language:
            raise refused_option("detect_language", "leaves language no meaning; give one of them")
        with named(NAMES):
            return Options.parse(
                {
                    "model": chosen_model(self.model, models, MODELS),
                    "language": None if self.is_multilingual or self.detects else self.language,
                    "languages": languages,
                    "channels": "split" if self.multichannel or self.tells_speakers else "mix",
                    "diarize": "auto" if self.tells_speakers else "off",
                    "word_timestamps": True,
                    "vocabulary": [*self.keyterm, *map(_keyword, self.keywords)],
                    "mask": self._masks(),
                    "minutes": "none",
                    "priority": 0 if self.callback else SYNC_PRIORITY,
                    "webhook_url": self.callback or None,
                }
            )

    def _masks(self) -> list[str]:
        kinds: dict[str, None] = {}
        for asked in self.redact:
            if asked not in MASKS:
                raise refused_option("redact", f"{asked[:40]} is not supported; {', '.join(MASKS)} are")
            kinds[MASKS[asked]] = None
        return [*kinds, *(["profanity"] if self.profanity_filter else [])]

    def reference(self) -> Reference:
        """Return what is kept with the job: tags and extras are its metadata, and ``tag`` a list with commas."""
        pairs = dict(self.extras)
        if self.tag:
            pairs["tag"] = ",".join(self.tag)
        for name, value in pairs.items():
            if not 1 <= len(name) <= 64 or len(value) > 256 or not f"{name}{value}".isprintable():
                raise refused_option(
                    "tag" if name == "tag" else "extra", "may have 64 characters before a colon and 256 after it"
                )
        return Reference(metadata=tuple(sorted(pairs.items())))

    def content_type(self, given: str) -> str:
        """Return the content type of the body: what ``encoding`` says of it, else the one that was ``given``.

        Raises `InvalidOptions`.
        """
        if self.encoding == "linear16" and not self.sample_rate:
            raise refused_option("sample_rate", "is missing: linear16 needs it")
        if self.encoding == "linear16":
            return f"audio/pcm; rate={self.sample_rate}; channels={self.channels}"
        if self.encoding in ("mulaw", "alaw"):
            name = "PCMU" if self.encoding == "mulaw" else "PCMA"
            return f"audio/{name}; rate={self.sample_rate or 8_000}; channels={self.channels}"
        return given


def _keyword(text: str) -> str:
    """Return a keyword without its weight; raises `InvalidOptions` for one that is to be heard less."""
    word, colon, weight = text.rpartition(":")
    if colon and weight.lstrip().startswith("-"):
        raise refused_option("keywords", "a weight below 0 is not supported: no word is suppressed")
    return word if colon and word else text
