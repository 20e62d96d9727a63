"""The interface of a translator of transcripts, and what it brings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from pipelines.core import Transcript, Usage


@dataclass(frozen=True, kw_only=True)
class TranslationOptions:
    """The language wanted (a BCP 47 tag), and the job that pays.

    ``glossary`` holds names and terms as they are spelled. ``asked_at_s`` (Unix seconds) is when the translation was
    first wanted, None: it is wanted now, whatever the price.
    """

    language: str
    glossary: tuple[str, ...] = ()
    asked_at_s: float | None = None
    tenant: str = "default"
    job_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Translation:
    """A transcript in another language: ids, times, speakers and channels of its segments are the original's.

    Segments have no words with times of their own. Those whose ids are in ``untranslated`` keep their original text
    although they should have another. ``spoken`` is the original's language, ``model`` who translated, "" where there
    was nothing to translate.
    """

    language: str
    spoken: str
    transcript: Transcript
    untranslated: tuple[int, ...] = ()
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class PaidTranslation:
    """A translation, and what its job paid for it: nothing where another job had paid."""

    translation: Translation
    usage: Usage = field(default_factory=Usage)


class Translator(Protocol):
    """Translates transcripts; one instance serves many calls at once."""

    async def translate(self, transcript: Transcript, options: TranslationOptions) -> PaidTranslation:
        """Translate a transcript.

        Raises ``MinutesError`` when not one segment can be translated, its kind ``MinutesParked`` when the language
        model may be asked again later.
        """
        ...

    def resume(self) -> None:
        """Ask the model again at the next call, because somebody says that it works again."""
        ...

    def take_calls(self) -> Mapping[str, int]:
        """Return the language model's calls by outcome since the last call of this method."""
        ...

    def take_usage(self) -> Usage:
        """Return what all translations used since the last call of this method, those that are not whole included."""
        ...
