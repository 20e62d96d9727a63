"""Lays out the minutes themselves: summary, decisions, tasks, topics and questions, an overview of long ones first."""

from collections.abc import Iterator
from dataclasses import replace

from pipelines.core import ActionItem, Decision, Evidence, Topic
from pipelines.export.blocks import Block, Heading, Line, Paragraph, Run, cell, faint, numbered, paragraph
from pipelines.export.front_matter import facts
from pipelines.export.material import Material, marked
from pipelines.export.overview import MAX_ENTRY_CHARS, fits_first_page, shorten, shown_first
from pipelines.minutes.language.registry import decisions_recognised
from pipelines.text.cleaning import one_line
from pipelines.text.direction import is_right_to_left


def sections(material: Material) -> Iterator[Block]:
    """Yield the minutes; those longer than a page after an overview of themselves."""
    if material.minutes.writer == "none":
        yield faint(material.labels.unwritten)
        return
    yield from _summary(material)
    n_facts = len(tuple(facts(material)))
    details = [*_decisions(material), *_action_items(material), *_topics(material), *_open_questions(material)]
    if fits_first_page(material.minutes, n_facts):
        yield from details
        return
    yield from _overview(material, n_facts)
    yield Heading(text=material.labels.details, new_page=True)
    yield from (replace(block, level=2) if isinstance(block, Heading) else block for block in details)


def _summary(material: Material) -> Iterator[Block]:
    labels = material.labels
    yield Heading(text=labels.summary)
    yield from list(_prose(material.minutes.summary)) or [faint(labels.no_summary)]


def _overview(material: Material, n_facts: int) -> Iterator[Block]:
    """Yield the rest of the first page: the first decisions, tasks and topics of minutes that go on after it."""
    labels, minutes = material.labels, material.minutes
    shown = shown_first(minutes, n_facts)
    decisions = [_entry(material, entry.text, entry) for entry in minutes.decisions]
    tasks = [_entry(material, entry.task, entry) for entry in minutes.action_items]
    topics = [(Run(text=_title_of(material, topic)), *_interval(material, topic)) for topic in minutes.topics]
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
            yield faint(labels.more_below.format(len(entries) - n_shown))


def _decisions(material: Material) -> Iterator[Block]:
    labels = material.labels
    if not decisions_recognised(material.minutes):
        return
    yield Heading(text=labels.decisions)
    decisions = material.minutes.decisions
    named = any(decision.owner or decision.due for decision in decisions)
    told = any(decision.by for decision in decisions)
    rows = [
        (
            _claim(material, decision.text, decision.evidence, decision.verified),
            *([cell(material.person(decision.by) or labels.unknown)] if told else []),
            *((cell(material.person(decision.owner) or labels.unknown), _due(material, decision)) if named else ()),
            (material.times(decision.evidence),),
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
    yield numbered(header, rows, shares) if rows else faint(labels.no_decisions)


def _action_items(material: Material) -> Iterator[Block]:
    labels = material.labels
    if not decisions_recognised(material.minutes):
        return
    yield Heading(text=labels.action_items)
    rows = [
        (
            _claim(material, item.task, item.evidence, item.verified),
            cell(material.person(item.owner) or labels.unknown),
            _due(material, item),
            (material.times(item.evidence),),
        )
        for item in material.minutes.action_items
    ]
    header = (labels.task, labels.owner, labels.due, labels.time)
    yield numbered(header, rows, (0.06, 0.48, 0.15, 0.17, 0.14)) if rows else faint(labels.no_action_items)


def _topics(material: Material) -> Iterator[Block]:
    if material.minutes.topics:
        yield Heading(text=material.labels.topics)
    for topic in material.minutes.topics:
        yield Paragraph(lines=_topic_lines(material, topic))


def _open_questions(material: Material) -> Iterator[Block]:
    if material.minutes.open_questions:
        yield Heading(text=material.labels.open_questions)
    for question in material.minutes.open_questions:
        times = material.times(question.evidence)
        line = (Run(text=one_line(question.text)), material.gap, *times, *material.doubt(question.verified))
        yield Paragraph(lines=(line,), kind="bullet")


def _entry(material: Material, text: str, entry: Decision | ActionItem) -> Line:
    """Return a decision or task in one line, with who and by when, its time, and a mark when nothing proves it."""
    labels = material.labels
    # Between letters of a script that runs to the left, a date in digits would be read backwards.
    due = entry.due if is_right_to_left(material.minutes.language) else entry.due_date or entry.due
    who = entry.owner or (entry.by if isinstance(entry, Decision) else None)
    named = labels.list_separator.join(filter(None, (material.person(who), one_line(due or ""))))
    return (
        Run(text=shorten(one_line(text), MAX_ENTRY_CHARS)),
        *((Run(text=" – "), Run(text=named, look="strong")) if named else ()),
        *material.doubt(entry.verified),
        material.gap,
        *material.times(entry.evidence),
    )


def _title_of(material: Material, topic: Topic) -> str:
    return one_line(topic.title) or material.labels.unknown


def _interval(material: Material, topic: Topic) -> Line:
    """Return when a topic was talked about, and the mark of one that nothing proves."""
    interval = Run(text=f"{material.clock(topic.start_s)}–{material.clock(topic.end_s)}", look="faint")
    return (
        material.gap,
        replace(interval, link=material.link(topic.evidence)),
        *material.doubt(topic.verified),
    )


def _topic_lines(material: Material, topic: Topic) -> tuple[Line, ...]:
    heading = (Run(text=_title_of(material, topic), look="strong"), *_interval(material, topic))
    summary = one_line(topic.summary)
    return (heading, (Run(text=summary),)) if summary else (heading,)


def _due(material: Material, item: Decision | ActionItem) -> tuple[Line, ...]:
    """Return the day, where it is known, and the words that named it."""
    spoken = one_line(item.due or "")
    if not item.due_date:
        return cell(spoken or material.labels.unknown)
    return (Run(text=item.due_date),), (Run(text=spoken, look="faint"),)


def _claim(material: Material, text: str, evidence: Evidence, verified: bool) -> tuple[Line, ...]:
    """Return a decision or task, the words that prove it where they say more, and a mark when nothing proves it."""
    lines: list[Line] = [(Run(text=one_line(text)),)]
    quote = one_line(evidence.quote)
    if quote and quote.casefold().rstrip(".。") != one_line(text).casefold().rstrip(".。"):
        lines.append((Run(text=material.labels.quote.format(quote), look="faint"),))
    if not verified:
        lines.append((Run(text=marked(material.labels), look="strong"),))
    return tuple(lines)


def _prose(text: str) -> Iterator[Paragraph]:
    """Yield the paragraphs of a summary; lines that begin with a list mark become bullets."""
    for line in text.splitlines():
        body = one_line(line)
        bullet = body.startswith(("- ", "* ", "• ", "– "))
        body = body[2:].strip() if bullet else body.lstrip("#").strip() if body.startswith("#") else body
        if body:
            yield paragraph(body, "bullet" if bullet else "body")
