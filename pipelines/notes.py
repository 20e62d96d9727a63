"""`Note`: a finding about a recording that its owner should know although the job succeeded.

One list of codes, for every door: the job, ``transcript.json``, documents, webhooks, e-mail, console, command line.
Parts that look at a recording put notes into `pipelines.core.SourceSummary.notes`, parts that look at its text into
`pipelines.core.Transcript.notes`; from there they reach the job by themselves. A new code takes a member of `NoteCode`
and its `WORDINGS` in English and Chinese.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple

NoteValue = str | int | float
"""A value of a note, as its sentence shows it: whoever makes a note rounds."""


class NoteCode(StrEnum):
    """The kinds of notes; programs may rely on them."""

    NO_SPEECH = "no_speech"


class Wording(NamedTuple):
    """A note's sentence in each language of documents and of the console; ``{name}`` is filled with a value."""

    english: str
    chinese: str


WORDINGS: Mapping[NoteCode, Wording] = MappingProxyType(
    {
        NoteCode.NO_SPEECH: Wording("No speech was recognised in this recording.", "录音中未识别到语音。"),
    }
)


@dataclass(frozen=True, kw_only=True)
class Note:
    """A finding: its code, and the ``values`` that its sentence names (names of seconds end in ``_s``).

    Raises ``KeyError`` without a value that the sentence needs.
    """

    code: NoteCode
    values: Mapping[str, NoteValue] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for sentence in WORDINGS[self.code]:
            sentence.format(**self.values)

    @property
    def text(self) -> str:
        """The sentence in English."""
        return WORDINGS[self.code].english.format(**self.values)


def united(*lists: Sequence[Note]) -> tuple[Note, ...]:
    """Return the notes of several lists in order, each once."""
    found: list[Note] = []
    for notes in lists:
        found += [note for note in notes if note not in found]
    return tuple(found)
