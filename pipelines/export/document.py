"""The content of a minutes document, independent of its format.

Markdown, docx and pdf print the same blocks in the same order, so they cannot come to disagree.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Literal

from pipelines.core import (
    ActionItem,
    CoverageStatus,
    Decision,
    Evidence,
    Minutes,
    NameSource,
    Segment,
    Speaker,
    Topic,
    Transcript,
)
from pipelines.export.labels import Labels, labels_for
from pipelines.export.overview import MAX_ENTRY_CHARS, fits_first_page, shorten, shown_first
from pipelines.export.times import clock
from pipelines.export.turns import Turn, troubles, turns
from pipelines.minutes.language.registry import decisions_recognised
from pipelines.text.cleaning import one_line
from pipelines.text.direction import is_right_to_left
from pipelines.transcript.coverage import health_s
from pipelines.transcript.findings import with_findings

MAX_CITED_TIMES = 3
MAX_TITLE_CHARS = 200

Look = Literal["plain", "strong", "faint"]
Kind = Literal["body", "bullet", "item", "note", "warning"]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Text of one look; ``link`` names the transcript turn it leads to."""

    text: str
    look: Look = "plain"
    link: str = ""


Line = tuple[Run, ...]
Cell = tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A section's heading, 1 the highest level; ``new_page`` starts the details of long minutes, and the appendices:
    quality notes, if any, and the transcript."""

    text: str
    level: int = 1
    new_page: bool = False


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """One or more lines kept together; a ``note`` is set apart from the text.

    An ``item`` belongs to a list: ``mark`` is its number or bullet, "" where it goes on; ``depth`` counts from 0;
    ``leads`` keeps it on the page of what comes next.
    """

    lines: tuple[Line, ...]
    kind: Kind = "body"
    mark: str = ""
    depth: int = 0
    leads: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells of lines, the ``header`` empty where there is none; ``shares`` of the width add up to 1."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    shares: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Holds the title, "" where the template writes none, and the blocks below it."""

    title: str
    blocks: tuple[Heading | Paragraph | Table, ...]


@dataclass(frozen=True, kw_only=True)
class SpokenTurn:
    """A line of the transcript; ``anchor`` is where links to it lead."""

    anchor: str
    time: str
    speaker: str
    text: Line


Block = Heading | Paragraph | Table | SpokenTurn


@dataclass(frozen=True, kw_only=True)
class Content:
    """A document: title, facts about it, and its blocks."""

    title: str
    language: str
    labels: Labels
    facts: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]


def minutes_content(transcript: Transcript, minutes: Minutes, title: str) -> Content:
    """Lay out the minutes of a recording called ``title``, with its transcript as an appendix."""
    return Composer(transcript, minutes, title).content()


class Composer:
    """Arranges the minutes of one recording; its parts serve templates too."""

    def __init__(self, transcript: Transcript, minutes: Minutes, title: str) -> None:
        self._transcript = with_findings(transcript, transcript.notes)
        self._minutes = minutes
        self._title = one_line(title)
        self._labels = labels_for(minutes.language)
        self._with_hours = transcript.duration_s >= 3600
        self._turns = turns(transcript)
        self._segments = {segment.id: segment for segment in transcript.segments}
        self._anchors = {i: _anchor(n) for n, turn in enumerate(self._turns) for i in turn.segment_ids}

    def content(self) -> Content:
        labels = self._labels
        return Content(
            title=_shortened(one_line(self._minutes.title) or self._title or labels.minutes_of_meeting),
            language=self._minutes.language,
            labels=labels,
            facts=tuple(self._facts()),
            blocks=(*self._notes(), *self._sections(), *self._quality(), *self._appendix()),
        )

    def _sections(self) -> Iterator[Block]:
        if self._minutes.writer == "none":
            yield _nothing(self._labels.unwritten)
            return
        yield from self._summary()
        details = [*self._decisions(), *self._action_items(), *self._topics(), *self._open_questions()]
        if fits_first_page(self._minutes, len(tuple(self._facts()))):
            yield from details
            return
        yield from self._overview()
        yield Heading(text=self._labels.details, new_page=True)
        yield from (replace(block, level=2) if isinstance(block, Heading) else block for block in details)

    def _overview(self) -> Iterator[Block]:
        """Yield the rest of the first page: the first decisions, tasks and topics of minutes that go on after it."""
        labels, minutes = self._labels, self._minutes
        shown = shown_first(minutes, len(tuple(self._facts())))
        decisions = [self._entry(entry.text, entry) for entry in minutes.decisions]
        tasks = [self._entry(entry.task, entry) for entry in minutes.action_items]
        topics = [(Run(text=self._title_of(topic)), *self._interval(topic)) for topic in minutes.topics]
        for heading, entries, n_shown in (
            (labels.decisions, decisions, shown.decisions),
            (labels.action_items, tasks, shown.action_items),
            (labels.topics, topics, shown.topics),
        ):
            if not entries:
                continue
            yield Heading(text=heading)
            for n, line in enumerate(entries[:n_shown], start=1):
                yield Paragraph(lines=(line,), kind="item", mark=f"{n}.")
            if len(entries) > n_shown:
                yield _nothing(labels.more_below.format(len(entries) - n_shown))

    def _entry(self, text: str, entry: Decision | ActionItem) -> Line:
        """Return a decision or task in one line, with who and by when, its time, and a mark when nothing proves it."""
        labels = self._labels
        # Between letters of a script that runs to the left, a date in digits would be read backwards.
        due = entry.due if is_right_to_left(self._minutes.language) else entry.due_date or entry.due
        who = entry.owner or (entry.by if isinstance(entry, Decision) else None)
        named = labels.list_separator.join(filter(None, (self.person(who), one_line(due or ""))))
        return (
            Run(text=shorten(one_line(text), MAX_ENTRY_CHARS)),
            *((Run(text=" – "), Run(text=named, look="strong")) if named else ()),
            *self._doubt(entry.verified),
            Run(text="  "),
            *self.times(entry.evidence),
        )

    def _title_of(self, topic: Topic) -> str:
        return one_line(topic.title) or self._labels.unknown

    def _interval(self, topic: Topic) -> Line:
        """Return when a topic was talked about, and the mark of one that nothing proves."""
        interval = Run(text=f"{self.clock(topic.start_s)}–{self.clock(topic.end_s)}", look="faint")
        return (
            Run(text="  "),
            replace(interval, link=self._link(topic.evidence)),
            *self._doubt(topic.verified),
        )

    def arranged(self, title: str, blocks: Sequence[Block]) -> Content:
        """Return a document whose blocks somebody else arranged, with the notes and appendices that every one has."""
        content = self.content()
        return replace(
            content,
            title=_shortened(one_line(title) or content.title),
            facts=(),
            blocks=(*blocks, *self._notes(), *self._quality(), *self._appendix()),
        )

    @property
    def duration(self) -> str:
        return self.clock(self._transcript.duration_s)

    def _facts(self) -> Iterator[tuple[str, str]]:
        labels, minutes, transcript = self._labels, self._minutes, self._transcript
        participants = [self.person(name) for name in minutes.participants]
        facts = [
            (labels.recording, self._title),
            (labels.date, minutes.held_on),
            (labels.duration, self.duration),
            (labels.language, self._languages()),
            (labels.chair, one_line(minutes.chair.text) if minutes.chair else ""),
            (labels.place, one_line(minutes.place.text) if minutes.place else ""),
            (labels.participants, labels.list_separator.join(name for name in participants if name)),
            (labels.distribution, labels.list_separator.join(one_line(fact.text) for fact in minutes.distribution)),
            (labels.transcribed_with, one_line(transcript.model.name) if self._turns else ""),
            (labels.written_by, self._writer()),
        ]
        yield from (fact for fact in facts if fact[1])

    def person(self, name: str | None) -> str:
        """Write the name of a participant or owner, marked where it was inferred; "" for nobody."""
        written = self._labels.speaker(one_line(name or ""))
        return self._labels.inferred.format(written) if name in self._inferences else written

    @cached_property
    def _inferences(self) -> Mapping[str, Speaker]:
        return {each.name: each for each in self._transcript.speakers if each.source is NameSource.INFERRED}

    def _inferred(self, speaker: Speaker) -> Line:
        """Return a name and the words it was inferred from."""
        proof = speaker.evidence[0]
        quote = self._labels.quote.format(one_line(proof.quote))
        return (Run(text=f"{one_line(speaker.name)} – {quote} "), *self.times(proof))

    def _listed(self, phrase: str, entries: Sequence[Line]) -> Iterator[Run]:
        """Yield a phrase with the entries in its braces."""
        before, _, after = phrase.partition("{}")
        yield Run(text=before)
        for n, entry in enumerate(entries):
            if n:
                yield Run(text=self._labels.list_separator)
            yield from entry
        yield Run(text=after)

    def _writer(self) -> str:
        """Name what wrote the minutes, "" where nobody did."""
        labels = self._labels
        names = {
            "extractive": labels.extractive_writer,
            "llm": labels.model_writer.format(one_line(self._minutes.model)).strip(),
            "none": "",
        }
        return names[self._minutes.writer]

    def _languages(self) -> str:
        codes = [self._transcript.language, *(vote.language for vote in self._transcript.languages)]
        return self._labels.list_separator.join(
            dict.fromkeys(self._labels.language_name(one_line(code)) for code in codes if code)
        )

    def _notes(self) -> Iterator[Block]:
        """Yield what is to be known of the recording, who wrote this, and what of the recording is missing."""
        labels = self._labels
        for found in self._transcript.notes:
            yield _paragraph(one_line(labels.note(found)), kind="warning")
        if names := [self._inferred(speaker) for speaker in self._inferences.values()]:
            yield Paragraph(lines=(tuple(self._listed(labels.inferred_names, names)),), kind="note")
        writers = {"extractive": labels.extractive_note, "llm": labels.model_note}
        if self._minutes.writer in writers:
            yield _paragraph(writers[self._minutes.writer], kind="note")
        if self._without_cues:
            yield _paragraph(labels.no_cues, kind="note")
        losses = labels.list_separator.join(
            phrase.format(self.clock(ceil(seconds)))
            for phrase, seconds in (
                (labels.suspect_s, health_s(self._transcript, CoverageStatus.SUSPECT)),
                (labels.failed_s, health_s(self._transcript, CoverageStatus.FAILED)),
            )
            if seconds
        )
        if losses:
            yield _paragraph(labels.warning.format(losses, labels.quality), kind="warning")

    def _summary(self) -> Iterator[Block]:
        labels = self._labels
        yield Heading(text=labels.summary)
        yield from list(_prose(self._minutes.summary)) or [_nothing(labels.no_summary)]

    @property
    def _without_cues(self) -> bool:
        return not decisions_recognised(self._minutes)

    def _decisions(self) -> Iterator[Block]:
        labels = self._labels
        if self._without_cues:
            return
        yield Heading(text=labels.decisions)
        decisions = self._minutes.decisions
        named = any(decision.owner or decision.due for decision in decisions)
        told = any(decision.by for decision in decisions)
        rows = [
            (
                self._claim(decision.text, decision.evidence, decision.verified),
                *([_cell(self.person(decision.by) or labels.unknown)] if told else []),
                *((_cell(self.person(decision.owner) or labels.unknown), self._due(decision)) if named else ()),
                (self.times(decision.evidence),),
            )
            for decision in decisions
        ]
        header = (
            labels.decision,
            *((labels.decided_by,) if told else ()),
            *((labels.owner, labels.due) if named else ()),
            labels.time,
        )
        shares = {
            (False, False): (0.06, 0.78, 0.16),
            (True, False): (0.06, 0.62, 0.17, 0.15),
            (False, True): (0.06, 0.48, 0.15, 0.17, 0.14),
            (True, True): (0.06, 0.36, 0.15, 0.14, 0.16, 0.13),
        }[told, named]
        yield _numbered(header, rows, shares) if rows else _nothing(labels.no_decisions)

    def _action_items(self) -> Iterator[Block]:
        labels = self._labels
        if self._without_cues:
            return
        yield Heading(text=labels.action_items)
        rows = [
            (
                self._claim(item.task, item.evidence, item.verified),
                _cell(self.person(item.owner) or labels.unknown),
                self._due(item),
                (self.times(item.evidence),),
            )
            for item in self._minutes.action_items
        ]
        header = (labels.task, labels.owner, labels.due, labels.time)
        yield _numbered(header, rows, (0.06, 0.48, 0.15, 0.17, 0.14)) if rows else _nothing(labels.no_action_items)

    def _topics(self) -> Iterator[Block]:
        if self._minutes.topics:
            yield Heading(text=self._labels.topics)
        for topic in self._minutes.topics:
            yield Paragraph(lines=self._topic_lines(topic))

    def _topic_lines(self, topic: Topic) -> tuple[Line, ...]:
        heading = (Run(text=self._title_of(topic), look="strong"), *self._interval(topic))
        summary = one_line(topic.summary)
        return (heading, (Run(text=summary),)) if summary else (heading,)

    def _open_questions(self) -> Iterator[Block]:
        if self._minutes.open_questions:
            yield Heading(text=self._labels.open_questions)
        for question in self._minutes.open_questions:
            times = self.times(question.evidence)
            line = (Run(text=one_line(question.text)), Run(text="  "), *times, *self._doubt(question.verified))
            yield Paragraph(lines=(line,), kind="bullet")

    def _quality(self) -> Iterator[Block]:
        found = troubles(self._transcript)
        if not found:
            return
        labels = self._labels
        yield Heading(text=labels.quality, new_page=True)
        yield _paragraph(labels.quality_intro)
        split = self._transcript.n_channels > 1
        rows = tuple(
            (
                _cell(f"{self.clock(trouble.start_s)}–{self.clock(trouble.end_s)}"),
                *([_cell(str(trouble.channel + 1))] if split else []),
                _cell(labels.failed if trouble.health is CoverageStatus.FAILED else labels.suspect),
                _cell(labels.reason_text(one_line(trouble.note))),
            )
            for trouble in found
        )
        header = (labels.time, *([labels.channel] if split else []), labels.state, labels.reason)
        yield Table(header=header, rows=rows, shares=(0.22, 0.13, 0.2, 0.45) if split else (0.25, 0.22, 0.53))

    def _appendix(self) -> Iterator[Block]:
        labels = self._labels
        if not self._turns:  # a note on top says so
            return
        yield Heading(text=labels.transcript, new_page=not troubles(self._transcript))
        for n, turn in enumerate(self._turns):
            yield SpokenTurn(
                anchor=_anchor(n),
                time=self.clock(turn.start_s),
                speaker=labels.speaker(one_line(turn.speaker)),
                text=(*self._language_mark(n), *self._turn_text(turn)),
            )

    def _language_mark(self, n: int) -> Line:
        """Name the language of a turn where it changes; a recording in one language needs no names."""
        before = next((turn.language for turn in reversed(self._turns[:n]) if turn.language), self._transcript.language)
        language = self._turns[n].language
        if not language or language == before:
            return ()
        return (Run(text=f"[{self._labels.language_name(one_line(language))}] ", look="faint"),)

    def _turn_text(self, turn: Turn) -> Line:
        if turn.health is CoverageStatus.FAILED:
            until = f"{self.clock(turn.start_s)}–{self.clock(turn.end_s)}"
            return (Run(text=f"[{until} {self._labels.failed_here}]", look="faint"),)
        text = Run(text=one_line(turn.text))
        if turn.health is CoverageStatus.SUSPECT:
            return text, Run(text=f" [{self._labels.suspect_here}]", look="faint")
        return (text,)

    def _due(self, item: Decision | ActionItem) -> tuple[Line, ...]:
        """Return the day, where it is known, and the words that named it."""
        spoken = one_line(item.due or "")
        if not item.due_date:
            return _cell(spoken or self._labels.unknown)
        return (Run(text=item.due_date),), (Run(text=spoken, look="faint"),)

    def _claim(self, text: str, evidence: Evidence, verified: bool) -> tuple[Line, ...]:
        """Return a decision or task, the words that prove it where they say more, and a mark when nothing proves it."""
        lines: list[Line] = [(Run(text=one_line(text)),)]
        quote = one_line(evidence.quote)
        if quote and quote.casefold().rstrip(".。") != one_line(text).casefold().rstrip(".。"):
            lines.append((Run(text=self._labels.quote.format(quote), look="faint"),))
        if not verified:
            lines.append((Run(text=marked(self._labels), look="strong"),))
        return tuple(lines)

    def _doubt(self, verified: bool) -> Line:
        """Return the mark of an entry that nothing proves, after what stands before it in the line."""
        return () if verified else (Run(text="  "), Run(text=marked(self._labels), look="strong"))

    def times(self, evidence: Evidence) -> Line:
        """Return the times of the turns that hold the evidence, each a link there; at most three."""
        runs: list[Run] = []
        for segment in self._cited(evidence)[:MAX_CITED_TIMES]:
            if runs:
                runs.append(Run(text=self._labels.list_separator, look="faint"))
            runs.append(Run(text=self.clock(segment.start_s), look="faint", link=self._anchors[segment.id]))
        return tuple(runs) or (Run(text=self._labels.unknown, look="faint"),)

    def _cited(self, evidence: Evidence) -> Sequence[Segment]:
        """Return segments of the evidence by time, one for each turn they lie in; unknown ids are skipped."""
        by_turn: dict[str, Segment] = {}
        for i in sorted(set(evidence.segment_ids)):
            if i in self._segments:
                by_turn.setdefault(self._anchors[i], self._segments[i])
        return list(by_turn.values())

    def _link(self, evidence: Evidence) -> str:
        cited = self._cited(evidence)
        return self._anchors[cited[0].id] if cited else ""

    def clock(self, seconds: float) -> str:
        """Return a time as this document writes it."""
        return clock(seconds, with_hours=self._with_hours)


def marked(labels: Labels) -> str:
    """Return the mark of what is not verified."""
    return f"[{labels.unverified}]"


def _anchor(turn_number: int) -> str:
    return f"turn_{turn_number + 1}"


def _shortened(title: str) -> str:
    return shorten(title, MAX_TITLE_CHARS)


def _cell(text: str, look: Look = "plain") -> Cell:
    return ((Run(text=text, look=look),),)


def _paragraph(text: str, kind: Kind = "body") -> Paragraph:
    return Paragraph(lines=_cell(text), kind=kind)


def _nothing(text: str) -> Paragraph:
    """Say that a section has nothing to say."""
    return Paragraph(lines=_cell(text, "faint"))


def _numbered(header: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], shares: tuple[float, ...]) -> Table:
    """Build a table with the numbers of its rows in a column before the others."""
    numbered = tuple((_cell(str(n), "faint"), *row) for n, row in enumerate(rows, start=1))
    return Table(header=("#", *header), rows=numbered, shares=shares)


def _prose(text: str) -> Iterator[Paragraph]:
    """Yield the paragraphs of a summary; lines that begin with a list mark become bullets."""
    for line in text.splitlines():
        body = one_line(line)
        bullet = body.startswith(("- ", "* ", "• ", "– "))
        body = body[2:].strip() if bullet else body.lstrip("#").strip() if body.startswith("#") else body
        if body:
            yield _paragraph(body, "bullet" if bullet else "body")
