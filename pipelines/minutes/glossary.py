"""Names and terms as the submitter spells them: what a recogniser wrote apart or in other case is written so."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipelines.core import Fact, Minutes

MAX_TERMS = 200

_SKIPPED = r"[\s\-_.’']*"  # may stand between the letters of a term: "meet memo" for "MeetMemo"


def spelled(minutes: Minutes, terms: Sequence[str]) -> Minutes:
    """The minutes with every term in its given spelling; quotes stay as they were recognised.

    Only letter case and the gaps inside a term differ from what the writer wrote, so that nothing unsaid comes in.
    """
    spell = _speller(terms)
    if spell is None:
        return minutes
    return replace(
        minutes,
        title=spell(minutes.title),
        summary=spell(minutes.summary),
        participants=tuple(map(spell, minutes.participants)),
        topics=tuple(
            replace(topic, title=spell(topic.title), summary=spell(topic.summary)) for topic in minutes.topics
        ),
        decisions=tuple(replace(decision, text=spell(decision.text)) for decision in minutes.decisions),
        action_items=tuple(
            replace(item, task=spell(item.task), owner=spell(item.owner) if item.owner else item.owner)
            for item in minutes.action_items
        ),
        open_questions=tuple(replace(question, text=spell(question.text)) for question in minutes.open_questions),
        chair=_spelled_fact(minutes.chair, spell),
        place=_spelled_fact(minutes.place, spell),
        distribution=tuple(replace(fact, text=spell(fact.text)) for fact in minutes.distribution),
    )


def _spelled_fact(fact: Fact | None, spell: Callable[[str], str]) -> Fact | None:
    return replace(fact, text=spell(fact.text)) if fact else None


def _speller(terms: Sequence[str]) -> Callable[[str], str] | None:
    by_letters = {_letters(term): term.strip() for term in terms if _letters(term)}
    if not by_letters:
        return None
    # The longest first: "MeetMemo Cloud" before "MeetMemo".
    patterns = (_SKIPPED.join(map(re.escape, letters)) for letters in sorted(by_letters, key=len, reverse=True))
    # Ideographs have no word boundaries; a term of letters must not begin or end inside a word.
    found = re.compile("|".join(_bounded(pattern) for pattern in patterns), re.IGNORECASE)
    return lambda text: found.sub(lambda match: by_letters.get(_letters(match[0]), match[0]), text)


def _bounded(pattern: str) -> str:
    return rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"


def _letters(term: str) -> str:
    return "".join(character for character in term.casefold() if character.isalnum())
