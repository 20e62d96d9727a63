"""Notes about the text of a transcript, and whether there are words in it at all. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from pipelines.core import Transcript
from pipelines.notes import Note, NoteCode, united
from pipelines.text.typography import is_spoken

FOUND_HERE = frozenset({NoteCode.NO_SPEECH})
"""The codes that are decided by a transcript's text; all others come with the recording."""


def has_words(transcript: Transcript) -> bool:
    """Return whether anything was understood of a recording."""
    return any(is_spoken(segment.text) for segment in transcript.segments)


def with_findings(transcript: Transcript, notes: Iterable[Note]) -> Transcript:
    """Return a transcript with the ``notes`` of its recording and those about its text, which are found anew."""
    of_recording = [note for note in notes if note.code not in FOUND_HERE]
    of_text = [] if has_words(transcript) else [Note(code=NoteCode.NO_SPEECH)]
    return replace(transcript, notes=united(of_text, of_recording))
