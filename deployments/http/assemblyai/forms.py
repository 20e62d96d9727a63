"""Parse the requests of AssemblyAI's clients for ``/v2/transcript``: strictly, so that no parameter is ignored."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from deployments.http.vendor_options import chosen_model, named, without_unsupported
from deployments.schemas.options import ApiModel, Options, parsed
from pipelines.errors import refused_option
from pipelines.speakers.options import MAX_SPEAKERS
from pipelines.text.redaction import MaskKind

MODELS = re.compile(r"(best|nano|slam|universal|conformer|default)([-_]|$)")
"""AssemblyAI's own models; each is the default one here."""

NAMES: Mapping[str, str] = {
    "vocabulary": "keyterms_prompt",
    "mask": "redact_pii_policies",
    "language": "language_code",
    "languages": "language_codes",
    "source": "audio_url",
    "model": "speech_model",
    "diarize": "speakers_expected",
}
"""The parameters that options of a job come from, where they have other names."""

POLICIES: Mapping[str, MaskKind] = {
    "email_address": "email",
    "credit_card_number": "cards",
    "number_sequence": "numbers",
    "phone_number": "phones",
    "person_name": "names",
    "location": "places",
}
_NO_ANALYSIS = "is not supported: transcripts are not analysed"
_SIGNED = "is not supported: webhooks are signed, in webhook-signature"
_WHOLE = "is not supported: recordings are transcribed whole"
NOT_SUPPORTED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "auto_chapters",
            "auto_highlights",
            "content_safety",
            "content_safety_confidence",
            "entity_detection",
            "iab_categories",
            "sentiment_analysis",
            "speech_understanding",
            "summarization",
            "summary_model",
            "summary_type",
            "topics",
        ),
        _NO_ANALYSIS,
    ),
    **dict.fromkeys(("webhook_auth_header_name", "webhook_auth_header_value"), _SIGNED),
    **dict.fromkeys(("audio_start_from", "audio_end_at"), _WHOLE),
    **dict.fromkeys(
        ("redact_pii_audio", "redact_pii_audio_quality", "redact_pii_audio_options", "redact_pii_return_unredacted"),
        "is not supported: no audio is given back here, and what is hidden is not kept",
    ),
    **dict.fromkeys(("language_confidence_threshold", "speech_threshold"), "is not supported: nothing is rejected"),
    **dict.fromkeys(("boost_param", "keyterms_prompt_options"), "is not supported: all words have the same weight"),
    "custom_spelling": "is not supported",
    "custom_topics": _NO_ANALYSIS,
    "disfluencies": "is not supported: words are written as the model hears them",
    "domain": "is not supported; speech_model names what transcribes",
    "remove_audio_tags": "is not supported: there are no tags",
}
"""Parameters of AssemblyAI's that are refused unless they are off."""

Code = Annotated[str, StringConstraints(max_length=80)]


class LanguageDetectionOptions(ApiModel):
    """What may be detected."""

    expected_languages: tuple[Code, ...] = Field((), max_length=100, description="The only ones that may be detected.")


class SpeakerCountOptions(ApiModel):
    """How many speakers there may be."""

    min_speakers_expected: int = Field(1, ge=1, le=MAX_SPEAKERS)
    max_speakers_expected: int | None = Field(None, ge=1, le=MAX_SPEAKERS)

    @model_validator(mode="before")
    @classmethod
    def _what_is_given(cls, given: Any) -> Any:
        """Leave out what is null."""
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given


class TranscriptRequest(ApiModel):
    """A recording to transcribe, and how; what is null or off is as good as left out."""

    audio_url: str = Field(
        min_length=1, max_length=4096, description="An `https` URL, or the `upload_url` of an upload."
    )
    language_code: Code | None = Field(None, description="A tag or name; left out: detected.")
    language_codes: tuple[Code, ...] = Field((), max_length=100, description="The languages that can be spoken.")
    language_detection: bool = Field(False, description="Detected, which is so whenever no language is given.")
    language_detection_options: LanguageDetectionOptions | None = None
    punctuate: bool = Field(True, description="Off: without punctuation.")
    format_text: bool = Field(True, description="Off: in small letters.")
    multichannel: bool = Field(False, description="Each channel on its own.")
    dual_channel: bool = Field(False, description="As `multichannel`.")
    speaker_labels: bool = Field(False, description="With utterances and speakers, by channel and voice.")
    speakers_expected: int | None = Field(
        None, ge=1, le=MAX_SPEAKERS, description="How many speakers there are; channels are mixed then."
    )
    speaker_options: SpeakerCountOptions | None = Field(None, description="How many there may be, likewise.")
    word_boost: tuple[str, ...] = Field((), max_length=200, description="As `keyterms_prompt`.")
    keyterms_prompt: tuple[str, ...] = Field((), max_length=200, description="Words the decoder should know.")
    prompt: str = Field("", max_length=2000, description="Text that might have come before.")
    temperature: float = Field(0.0, ge=0, le=1)
    filter_profanity: bool = Field(False, description="Masks swear words.")
    redact_pii: bool = Field(False, description="With `redact_pii_policies`.")
    redact_pii_policies: tuple[str, ...] = Field(
        (), max_length=100, description=f"Any of {', '.join(f'`{name}`' for name in POLICIES)}."
    )
    redact_pii_sub: Literal["entity_name"] | None = Field(None, description="What is hidden is named.")
    speech_model: str | None = Field(
        None, max_length=200, description="A configured model; AssemblyAI's names are the default model."
    )
    speech_models: tuple[str, ...] = Field((), max_length=20, description="The first that there is.")
    webhook_url: str | None = Field(None, max_length=2048, description="Gets `{transcript_id, status}` at the end.")

    @model_validator(mode="before")
    @classmethod
    def _what_is_asked(cls, given: Any) -> Any:
        """Refuse what is not supported; leave out what asks for nothing."""
        if not isinstance(given, dict):
            return given
        asked = without_unsupported(given, NOT_SUPPORTED)
        return {name: value for name, value in asked.items() if value is not None}

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Read a body; raises `InvalidOptions`."""
        return parsed(cls, values)

    @property
    def splits_channels(self) -> bool:
        return self.multichannel or self.dual_channel

    def options(self, models: Collection[str]) -> Options:
        """Return the options of the job; ``models`` are the configured ones. Raises `InvalidOptions`."""
        expected = self.language_detection_options.expected_languages if self.language_detection_options else ()
        detected = self.language_detection or len(self.language_codes) > 1
        if self.language_code and detected:
            raise refused_option("language_code", "is given, and a language is to be detected")
        if self.redact_pii and not self.redact_pii_policies:
            raise refused_option("redact_pii_policies", f"is missing; {', '.join(POLICIES)} are supported")
        with named(NAMES):
            return Options.parse(
                {
                    "model": self._model(models),
                    "language": _tag(self.language_code or ""),
                    "languages": [_tag(code) for code in self.language_codes or expected],
                    "channels": "split" if self._splits else "mix",
                    "diarize": self._count or "auto" if self.speaker_labels else "off",
                    "word_timestamps": True,
                    "vocabulary": [*self.keyterms_prompt, *self.word_boost],
                    "prompt": self.prompt,
                    "temperature": self.temperature,
                    "mask": self._masks(),
                    "minutes": "none",
                    "webhook_url": self.webhook_url or None,
                }
            )

    @property
    def _count(self) -> str:
        """How many speakers there are, as `diarize` wants it; empty: nobody said."""
        if self.speakers_expected:
            return str(self.speakers_expected)
        if self.speaker_options is None:
            return ""
        bounds = self.speaker_options
        return f"{bounds.min_speakers_expected}-{bounds.max_speakers_expected or MAX_SPEAKERS}"

    @property
    def _splits(self) -> bool:
        """Whether each channel is heard on its own: a channel is a speaker already, unless all are counted."""
        return self.splits_channels or (self.speaker_labels and not self._count)

    def _model(self, models: Collection[str]) -> str | None:
        names = [name for name in (self.speech_model, *self.speech_models) if name]
        found = [chosen_model(name, models, MODELS) for name in names]
        return next((name for name in found if name in models), next(iter(found), None))

    def _masks(self) -> list[str]:
        kinds: dict[str, None] = {}
        for policy in self.redact_pii_policies if self.redact_pii else ():
            if policy not in POLICIES:
                raise refused_option(
                    "redact_pii_policies", f"{policy[:40]} is not supported; {', '.join(POLICIES)} are"
                )
            kinds[POLICIES[policy]] = None
        return [*kinds, *(["profanity"] if self.filter_profanity else [])]

    def asked(self) -> str:
        """Return what is kept of the request with its job: what its answers tell of it."""
        return self.model_dump_json(exclude_defaults=True, exclude={"audio_url", "webhook_url"})


def _tag(code: str) -> str:
    """Return a code of AssemblyAI's as others write it: ``en_uk`` is ``en-GB``."""
    language, _, region = code.replace("-", "_").partition("_")
    return f"{language}-{'GB' if region.lower() == 'uk' else region}" if region else code
