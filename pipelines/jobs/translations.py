"""`TranslationRecord`: what became of one translation of a job's transcript, and what its owner is told of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pipelines.core import Usage
from pipelines.notes import Note, NoteCode

TranslationState = Literal["written", "parked", "failed"]


@dataclass(frozen=True, kw_only=True)
class TranslationRecord:
    """A translation into ``language`` (a BCP 47 tag), or in ``note`` why there is none (yet).

    ``n_untranslated`` of its ``n_segments`` keep their original text although they should have another.
    """

    language: str
    state: TranslationState
    note: str = ""
    n_segments: int = 0
    n_untranslated: int = 0
    model: str = ""
    usage: Usage | None = None


def replaced(records: Sequence[TranslationRecord], newer: Sequence[TranslationRecord]) -> tuple[TranslationRecord, ...]:
    """Return the records with ``newer`` ones in the places of those of the same language."""
    by_language = {record.language: record for record in (*records, *newer)}
    return tuple(by_language.values())


def notes_of(records: Iterable[TranslationRecord]) -> Iterator[Note]:
    """Yield a note for each translation that is not there or not whole."""
    for record in records:
        if record.state == "parked":
            code, values = NoteCode.TRANSLATION_PARKED, {"language": record.language, "why": record.note}
            yield Note(code=code, values=values)
        elif record.state == "failed":
            code, values = NoteCode.TRANSLATION_FAILED, {"language": record.language, "why": record.note}
            yield Note(code=code, values=values)
        elif record.n_untranslated:
            yield incomplete(record.language, record.n_untranslated, record.n_segments)


def incomplete(language: str, n_untranslated: int, n_segments: int) -> Note:
    """Return the note about segments that keep their original text."""
    return Note(
        code=NoteCode.TRANSLATION_INCOMPLETE,
        values={"language": language, "n_untranslated": n_untranslated, "n_segments": n_segments},
    )
