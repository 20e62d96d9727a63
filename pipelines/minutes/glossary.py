"""Names and terms as the submitter spells them: what a recogniser wrote apart or in other case is written so."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from pipelines.core import Fact, Minutes

_GAPS = "-_.’'"  # may stand between the letters of a term, as spaces may: "meet memo" for "MeetMemo"
_LATIN_BESIDES = "İıſ\u212a"  # whose other case is a letter of ASCII


def spelled(minutes: Minutes, terms: Sequence[str]) -> Minutes:
    """Return the minutes with every term in its given spelling; quotes stay as they were recognised.

    Only letter case and the gaps inside a term differ from what the writer wrote, so that nothing unsaid comes in.
    """
    spell = speller(terms)
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
        decisions=tuple(
            replace(each, text=spell(each.text), by=spell(each.by) if each.by else each.by)
            for each in minutes.decisions
        ),
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


def speller(terms: Sequence[str]) -> Callable[[str], str] | None:
    """Return a function that writes terms as they are spelled, None for no terms.

    The longest is taken where several begin: "MeetMemo Cloud" before "MeetMemo".

    Letters are looked up by their number, never matched by a pattern of all terms: what a job's terms are made of
    cannot make it slow.
    """
    by_letters = {_letters(term): term.strip() for term in terms if _letters(term)}
    if not by_letters:
        return None
    lengths = sorted({len(letters) for letters in by_letters}, reverse=True)
    return lambda text: "".join(_pieces(text, by_letters, lengths))


def _pieces(text: str, by_letters: Mapping[str, str], lengths: Sequence[int]) -> Iterator[str]:
    """Yield the text in pieces, terms in their spelling; ``lengths`` are how many letters terms have, descending."""
    at = [n for n, character in enumerate(text) if character.isalnum()]
    letters = "".join(_folded(text[n]) for n in at)
    first_letters = {term[0] for term in by_letters}
    joined = _joined(text, at)
    written = n = 0
    while n < len(at):
        end = n + 1
        if letters[n] in first_letters and not _is_latin(text, at[n] - 1):
            for length in lengths:
                last = n + length - 1
                if last >= len(at) or joined[n] < last or _is_latin(text, at[last] + 1):
                    continue
                if (spelled_so := by_letters.get(letters[n : last + 1])) is not None:
                    yield text[written : at[n]] + spelled_so
                    written, end = at[last] + 1, last + 1
                    break
        n = end
    yield text[written:]


def _joined(text: str, at: Sequence[int]) -> list[int]:
    """Find for each letter the last one that a term beginning there may reach: only gaps lie between them."""
    joined = list(range(len(at)))
    for n in range(len(at) - 2, -1, -1):
        if all(character in _GAPS or character.isspace() for character in text[at[n] + 1 : at[n + 1]]):
            joined[n] = joined[n + 1]
    return joined


def _is_latin(text: str, n: int) -> bool:
    """Say whether a word of letters goes on there. Ideographs have no word boundaries."""
    return 0 <= n < len(text) and ((text[n].isascii() and text[n].isalnum()) or text[n] in _LATIN_BESIDES)


def _letters(term: str) -> str:
    return "".join(character for character in term.casefold() if character.isalnum())


def _folded(character: str) -> str:
    """Return a letter whatever its case, one for one."""
    folded = _letters(character)
    return folded if len(folded) == 1 else character
