"""One set of minutes from those of a meeting's parts."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipelines.core import ActionItem, Minutes, Topic
from pipelines.minutes.language.wording import join
from pipelines.minutes.repetition import distinct, says_the_same


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
        action_items=_tasks(item for part in parts for item in part.action_items),
        open_questions=distinct(
            (question for part in parts for question in part.open_questions), lambda entry: entry.text
        ),
    )


def _names(names: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(name.casefold(), name)
    return tuple(found.values())


def _tasks(items: Iterable[ActionItem]) -> tuple[ActionItem, ...]:
    """Return the tasks, each once for each owner; a doubtful one of nobody yields to the same of somebody."""
    kept = distinct(items, lambda item: item.task, lambda item: item.owner)
    sure = [item for item in kept if item.verified]
    return tuple(
        item
        for item in kept
        if item.verified or item.owner or not any(says_the_same(item.task, other.task) for other in sure)
    )


def _topics(topics: Iterable[Topic]) -> tuple[Topic, ...]:
    merged: list[Topic] = []
    for topic in topics:
        if merged and says_the_same(merged[-1].title, topic.title):
            before = merged[-1]
            merged[-1] = replace(
                before, summary=join((before.summary, topic.summary)), end_s=max(before.end_s, topic.end_s)
            )
        else:
            merged.append(topic)
    return tuple(merged)
