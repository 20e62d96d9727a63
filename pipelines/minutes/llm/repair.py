"""Describe a draft's faults to the model that wrote it, and combine the draft with its corrections."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from pipelines.core import ActionItem, Decision, Evidence, Minutes, OpenQuestion, Segment, Topic, Transcript
from pipelines.minutes.language.numbers import numbers_in
from pipelines.minutes.language.wording import tokens
from pipelines.minutes.repetition import distinct
from pipelines.minutes.verification import Verdict, check_quote, verify

MAX_FAULTS = 40
# A correction shares this much of its words with what it corrects (Jaccard).
LIKE = 0.75

Entry = TypeVar("Entry", Decision, ActionItem)


def find_faults(draft: Minutes, transcript: Transcript) -> tuple[str, ...]:
    """Describe each decision, task, question and topic that `verify` would drop, mark or change; at most 40 lines."""
    return tuple(_faults(draft, verify(draft, transcript), transcript))[:MAX_FAULTS]


def combine(draft: Minutes, repaired: Minutes, transcript: Transcript) -> Minutes:
    """Return the verified minutes after a repair.

    What was right in the draft stays; corrections count where they are verified; what is still doubtful stays,
    marked, unless a correction says the same or quotes the same words.
    """
    checked, fixed = verify(draft, transcript), verify(repaired, transcript)
    decisions = tuple(decision for decision in fixed.decisions if decision.verified)
    items = tuple(item for item in fixed.action_items if item.verified)
    topics = distinct((*checked.topics, *fixed.topics), lambda topic: topic.title)
    return replace(
        checked,
        title=checked.title or fixed.title,
        summary=checked.summary or fixed.summary,
        participants=checked.participants or fixed.participants,
        topics=tuple(sorted(topics, key=lambda topic: topic.start_s)),
        decisions=distinct((*_standing(checked.decisions, decisions), *decisions), lambda decision: decision.text),
        action_items=distinct(
            (*_standing(checked.action_items, items), *items), lambda item: item.task, lambda item: item.owner
        ),
        open_questions=distinct((*checked.open_questions, *fixed.open_questions), lambda question: question.text),
    )


def _standing(entries: Iterable[Entry], corrections: Sequence[Entry]) -> tuple[Entry, ...]:
    return tuple(
        entry for entry in entries if entry.verified or not any(_same(entry, correction) for correction in corrections)
    )


def _same(entry: Decision | ActionItem, correction: Decision | ActionItem) -> bool:
    return _alike(_text(entry), _text(correction)) or _alike(entry.evidence.quote, correction.evidence.quote)


def _alike(one: str, other: str) -> bool:
    """Return whether one text may correct the other, judged by their words; other numbers make another matter."""
    if numbers_in(one) != numbers_in(other):
        return False
    ours, theirs = set(tokens(one)), set(tokens(other))
    return bool(ours or theirs) and len(ours & theirs) >= LIKE * len(ours | theirs)


def _text(entry: Decision | ActionItem | OpenQuestion | Topic) -> str:
    match entry:
        case ActionItem():
            return entry.task
        case Topic():
            return entry.title
        case _:
            return entry.text


def _faults(draft: Minutes, checked: Minutes, transcript: Transcript) -> Iterator[str]:
    segments = {segment.id: segment for segment in transcript.segments}
    kept: set[Decision | ActionItem | OpenQuestion | Topic] = {
        *checked.decisions,
        *checked.action_items,
        *checked.open_questions,
        *checked.topics,
    }
    kinds: tuple[tuple[str, Sequence[Decision | ActionItem | OpenQuestion | Topic]], ...] = (
        ("decisions", draft.decisions),
        ("action_items", draft.action_items),
        ("open_questions", draft.open_questions),
        ("topics", draft.topics),
    )
    for kind, entries in kinds:
        for entry in entries:
            if entry not in kept:
                yield f"{kind} {_text(entry)!r}, lines {list(entry.evidence.segment_ids)}: {_why(entry, segments)}"


def _why(entry: Decision | ActionItem | OpenQuestion | Topic, segments: Mapping[int, Segment]) -> str:
    evidence: Evidence = entry.evidence
    unknown = [segment_id for segment_id in evidence.segment_ids if segment_id not in segments]
    if unknown or not evidence.segment_ids:
        return f"there are no lines {unknown}" if unknown else "it names no lines"
    verdict = check_quote(evidence, segments)
    if verdict is Verdict.FAILS:
        return f"the quote {evidence.quote!r} does not stand in these lines"
    if verdict is Verdict.DOUBTFUL:
        return f"the quote {evidence.quote!r} is not literally what these lines say"
    if isinstance(entry, Topic):
        return "its first and last line, or numbers in its summary, are not in the transcript"
    if isinstance(entry, ActionItem) and (entry.owner or entry.due):
        return (
            f"its owner {entry.owner!r}, its due date {entry.due!r}, or names or numbers in it are not in these lines"
        )
    return "names or numbers in it are not in these lines"
