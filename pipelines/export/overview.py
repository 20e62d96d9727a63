"""Decide what of long minutes stands on their first page: the summary, the first decisions and tasks, the topics."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from pipelines.core import Minutes
from pipelines.text.typography import HAN, HANGUL, KANA

# Of the first page, at the size in which documents are printed.
PAGE_LINES = 47
LINE_UNITS = 92
# A table's column for decisions and tasks.
COLUMN_UNITS = LINE_UNITS // 2
# Minutes up to this length need no overview of themselves.
MAX_PAGES = 1.25
TITLE_LINES = 5
HEADING_LINES = 2.5
ROW_LINES = 1.4
ROW_GAP = 0.6
NOTE_LINES = 3
MAX_ENTRY_CHARS = 170
_WIDE = re.compile(f"[{HAN}{KANA}{HANGUL}]")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """How many entries of each section the first page holds."""

    decisions: int
    action_items: int
    topics: int


def n_lines(text: str, units: int = LINE_UNITS) -> float:
    """Estimate how many printed lines of so many letters a text takes; an ideograph is as wide as two letters."""
    return sum(ceil((len(line) + len(_WIDE.findall(line))) / units) or 1 for line in text.splitlines())


def fits_first_page(minutes: Minutes, n_facts: int) -> bool:
    """Say whether everything but the transcript fits little more than a page, quotes and topics' summaries included."""
    claims = [(decision.text, decision.evidence.quote) for decision in minutes.decisions]
    claims += [(item.task, item.evidence.quote) for item in minutes.action_items]
    rows = sum(ROW_GAP + sum(n_lines(text, COLUMN_UNITS) for text in claim) for claim in claims)
    topics = sum(ROW_LINES + n_lines(topic.summary) for topic in minutes.topics)
    questions = sum(n_lines(question.text) for question in minutes.open_questions)
    headings = sum(map(bool, (minutes.topics, minutes.open_questions))) + 3
    whole = _head(minutes, n_facts) + rows + topics + questions + HEADING_LINES * headings
    return whole <= MAX_PAGES * PAGE_LINES


def shown_first(minutes: Minutes, n_facts: int) -> Shown:
    """Divide the room below the summary among decisions, tasks and topics, in turns; each keeps one at least."""
    room = PAGE_LINES - _head(minutes, n_facts) - 3 * (HEADING_LINES + ROW_LINES)
    sections: list[Sequence[float]] = [
        [_entry_lines(decision.text, decision.owner, decision.due) for decision in minutes.decisions],
        [_entry_lines(item.task, item.owner, item.due) for item in minutes.action_items],
        [n_lines(topic.title) for topic in minutes.topics],
    ]
    taken = [min(1, len(section)) for section in sections]
    room -= sum(section[0] for section in sections if section)
    open_sections = [n for n, section in enumerate(sections) if len(section) > 1]
    while open_sections:
        for n in tuple(open_sections):
            lines = sections[n][taken[n]]
            if lines > room:
                open_sections.remove(n)
                continue
            room -= lines
            taken[n] += 1
            if taken[n] == len(sections[n]):
                open_sections.remove(n)
    return Shown(decisions=taken[0], action_items=taken[1], topics=taken[2])


def shorten(text: str, n_chars: int) -> str:
    """Return the text, cut to so many characters with an ellipsis."""
    return text if len(text) <= n_chars else f"{text[: n_chars - 1].rstrip()}…"


def _head(minutes: Minutes, n_facts: int) -> float:
    return TITLE_LINES + NOTE_LINES + ROW_LINES * n_facts + HEADING_LINES + n_lines(minutes.summary)


def _entry_lines(text: str, owner: str | None, due: str | None) -> float:
    named = "".join(value for value in (owner, due) if value)
    return ROW_LINES * n_lines(text[:MAX_ENTRY_CHARS] + named)
