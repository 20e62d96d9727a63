"""One set of minutes from those of a meeting's parts."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from pipelines.core import Minutes, Topic
from pipelines.minutes.language.numbers import numbers_in
from pipelines.minutes.language.wording import join, tokens

# Two texts say the same when they share this much of their words (Jaccard).
SAME = 0.75

T = TypeVar("T")


def merge(parts: Sequence[Minutes]) -> Minutes:
    """Join the minutes of consecutive parts, at least one: entries in order, what is said twice once.

    The summaries are joined; a topic that goes on over a cut becomes one.
    """
    first, *rest = parts
    if not rest:
        return first
    return replace(
        first,
        title=next((part.title for part in parts if part.title), ""),
        summary=join(part.summary for part in parts),
        participants=_names(name for part in parts for name in part.participants),
        chair=next((part.chair for part in parts if part.chair), None),
        place=next((part.place for part in parts if part.place), None),
        distribution=distinct((fact for part in parts for fact in part.distribution), lambda fact: fact.text),
        topics=_topics(topic for part in parts for topic in part.topics),
        decisions=distinct((decision for part in parts for decision in part.decisions), lambda entry: entry.text),
        action_items=distinct(
            (item for part in parts for item in part.action_items), lambda entry: entry.task, lambda entry: entry.owner
        ),
        open_questions=distinct(
            (question for part in parts for question in part.open_questions), lambda entry: entry.text
        ),
    )


def distinct(
    entries: Iterable[T], text: Callable[[T], str], kind: Callable[[T], Hashable] = lambda entry: None
) -> tuple[T, ...]:
    """Return the entries without those that say what an earlier one of the same kind says; a verified one wins."""
    kept: list[T] = []
    for entry in entries:
        same = next(
            (
                index
                for index, other in enumerate(kept)
                if kind(other) == kind(entry) and alike(text(other), text(entry))
            ),
            None,
        )
        if same is None:
            kept.append(entry)
        elif getattr(entry, "verified", True) and not getattr(kept[same], "verified", True):
            kept[same] = entry
    return tuple(kept)


def alike(one: str, other: str) -> bool:
    """Return whether two texts say the same, judged by their words; other numbers make another matter."""
    if numbers_in(one) != numbers_in(other):
        return False
    ours, theirs = set(tokens(one)), set(tokens(other))
    return bool(ours or theirs) and len(ours & theirs) >= SAME * len(ours | theirs)


def _names(names: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.casefold(), name)
    return tuple(found.values())


def _topics(topics: Iterable[Topic]) -> tuple[Topic, ...]:
    merged: list[Topic] = []
    for topic in topics:
        if merged and alike(merged[-1].title, topic.title):
            before = merged[-1]
            merged[-1] = replace(
                before, summary=join((before.summary, topic.summary)), end_s=max(before.end_s, topic.end_s)
            )
        else:
            merged.append(topic)
    return tuple(merged)
