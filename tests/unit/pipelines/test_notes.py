"""Notes about recordings: one list of codes, worded alike wherever they are told."""

import json
import re
from pathlib import Path
from string import Formatter

import pytest

from pipelines.codec import decode, encode
from pipelines.export.render import render
from pipelines.notes import WORDINGS, Note, NoteCode, united
from pipelines.transcript.findings import with_findings
from tests.support.export_samples import call, nothing

CONSOLE = Path(__file__).parents[3] / "deployments/console"
SILENT = Note(code=NoteCode.NO_SPEECH)


def named(sentence: str) -> set[str]:
    """The values that a sentence names, none with a format of its own: the console knows none."""
    fields = [field for field in Formatter().parse(sentence) if field[1] is not None]
    assert not any(spec or conversion for _, _, spec, conversion in fields)
    return {name for _, name, _, _ in fields if name}


@pytest.mark.parametrize("code", NoteCode)
def test_every_code_is_worded_in_both_languages_and_in_the_console(code: NoteCode) -> None:
    """Sentences name the same values, and the console has the same ones."""
    english, chinese = WORDINGS[code]
    assert named(english) == named(chinese)
    messages = (CONSOLE / "js/lib/i18n.js").read_text(encoding="utf-8")
    found = re.search(rf"\bnote_{code}: (\[.*\]),\n", messages)
    assert found is not None
    assert json.loads(found[1]) == [english, chinese]


def test_a_note_survives_storage() -> None:
    """Decoded, it is the same and reads the same."""
    note = Note(code=NoteCode.NO_SPEECH, values={"a_s": 1.5, "n": 2, "name": "x"})
    assert decode(Note, encode(note)) == note


def test_each_note_is_told_once() -> None:
    """A note that two lists hold stands where it came first."""
    note = Note(code=NoteCode.NO_SPEECH)
    assert united([note], [note, note]) == (note,)


def test_a_recording_without_words_says_so_until_it_has_some() -> None:
    """Whether there are words is found anew each time; notes about the recording stay."""
    transcript, _, _ = nothing()
    told = with_findings(transcript, ())
    assert told.notes == (SILENT,)
    spoken, _, _ = call()
    assert with_findings(spoken, told.notes).notes == ()


def test_documents_of_the_transcript_begin_with_its_notes() -> None:
    """JSON has code, text and values; plain text begins with the sentence; WebVTT has it as a comment, SubRip not."""
    transcript, _, _ = nothing()
    transcript = with_findings(transcript, ())
    documents = {name: render(f"transcript.{name}", transcript, None, "").decode() for name in ("txt", "vtt", "srt")}
    assert documents == {"txt": f"[{SILENT.text}]\n", "vtt": f"WEBVTT\n\nNOTE {SILENT.text}\n", "srt": ""}
    layout = json.loads(render("transcript.json", transcript, None, ""))
    assert layout["notes"] == [{"code": "no_speech", "text": SILENT.text, "values": {}}]
