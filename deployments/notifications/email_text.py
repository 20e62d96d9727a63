"""Write the text of an e-mail, in English or Chinese."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.export.labels import Labels, is_chinese, labels_for
from pipelines.notes import Note, NoteCode

MAX_SUBJECT_CHARS = 150


@dataclass(frozen=True, kw_only=True)
class EmailContent:
    """The content of an e-mail.

    ``minutes`` is that of ``minutes.json``; ``links`` are URLs of results by name, ``notes`` those of the recording.
    """

    title: str
    failed: bool
    detail: str
    minutes: Mapping[str, Any] | None
    attached: tuple[str, ...]
    links: Mapping[str, str]
    notes: tuple[Note, ...] = ()

    @property
    def silent(self) -> bool:
        """Whether nothing was said in the recording."""
        return any(note.code is NoteCode.NO_SPEECH for note in self.notes)


@dataclass(frozen=True, kw_only=True)
class _Phrases:
    minutes_of: str
    transcript_of: str
    nothing_in: str
    failure_of: str
    failed: str
    no_minutes: str
    attached: str
    documents: str
    by_machine: str


_ENGLISH = _Phrases(
    minutes_of="Minutes: {}",
    transcript_of="Transcript: {}",
    nothing_in="No speech: {}",
    failure_of="Not transcribed: {}",
    failed="The recording could not be transcribed: {}",
    no_minutes="The recording is transcribed, but there are no minutes of it.",
    attached="Attached: {}",
    documents="All documents:",
    by_machine="Written by a machine from a recording. Check it before relying on it.",
)
_CHINESE = _Phrases(
    minutes_of="会议纪要：{}",
    transcript_of="转写文本：{}",
    nothing_in="无语音：{}",
    failure_of="转写失败：{}",
    failed="录音无法转写：{}",
    no_minutes="录音已转写，但没有会议纪要。",
    attached="附件：{}",
    documents="全部文件：",
    by_machine="本邮件由机器根据录音自动生成，使用前请核对。",
)


def compose(letter: EmailContent, language: str) -> tuple[str, str]:
    """Return subject and text; ``language`` is a BCP 47 tag, all but Chinese get English."""
    phrases = _CHINESE if is_chinese(language) else _ENGLISH
    paragraphs = list(_paragraphs(letter, phrases, labels_for(language)))
    return _subject(letter, phrases).format(letter.title)[:MAX_SUBJECT_CHARS], "\n\n".join(paragraphs) + "\n"


def _subject(letter: EmailContent, phrases: _Phrases) -> str:
    if letter.failed:
        return phrases.failure_of
    if letter.silent:
        return phrases.nothing_in
    return phrases.minutes_of if letter.minutes else phrases.transcript_of


def _paragraphs(letter: EmailContent, phrases: _Phrases, labels: Labels) -> Iterator[str]:
    yield letter.title
    if letter.failed:
        yield phrases.failed.format(letter.detail)
        return
    yield from (labels.note(note) for note in letter.notes)
    if letter.silent:
        yield from _links(letter, phrases)
        return
    if letter.minutes is None:
        yield " ".join(filter(None, (phrases.no_minutes, letter.detail)))
    else:
        yield letter.minutes["summary"] or labels.no_summary
        yield from _recognised(letter.minutes, labels)
    if letter.attached:
        yield phrases.attached.format(labels.list_separator.join(letter.attached))
    yield from _links(letter, phrases)
    yield phrases.by_machine


def _recognised(minutes: Mapping[str, Any], labels: Labels) -> Iterator[str]:
    """Yield decisions and tasks, or why nobody looked for them."""
    if not minutes.get("decisions_recognised", True):
        yield labels.no_cues
        return
    decisions = [_with_names(entry["text"], entry, labels) for entry in minutes["decisions"]]
    yield _list(labels.decisions, decisions) if decisions else labels.no_decisions
    tasks = [_with_names(entry["task"], entry, labels) for entry in minutes["action_items"]]
    yield _list(labels.action_items, tasks) if tasks else labels.no_action_items


def _links(letter: EmailContent, phrases: _Phrases) -> Iterator[str]:
    if letter.links:
        yield "\n".join((phrases.documents, *letter.links.values()))


def _list(heading: str, entries: list[str]) -> str:
    return "\n".join((heading, *(f"- {entry}" for entry in entries)))


def _with_names(text: str, entry: Mapping[str, Any], labels: Labels) -> str:
    """Add who and by when to a decision or task, as far as that was spoken."""
    named = ((labels.owner, entry.get("owner")), (labels.due, entry.get("due")))
    known = labels.list_separator.join(f"{label}{labels.colon}{value}" for label, value in named if value)
    return _marked(f"{text} ({known})" if known else text, entry, labels)


def _marked(text: str, entry: Mapping[str, Any], labels: Labels) -> str:
    """Return an entry's text, with the mark of what nothing in the transcript proves."""
    return text if entry.get("verified", True) else f"{text} [{labels.unverified}]"
