"""Read the name that a phrase begins with."""

import re
from collections.abc import Set
from dataclasses import dataclass

from pipelines.minutes.language.names import ChineseNames
from pipelines.minutes.language.stopwords import ENGLISH
from pipelines.minutes.naming.given_names import MORE_GIVEN_NAMES
from pipelines.minutes.naming.phrases import EN, ZH, NamePhrases
from pipelines.text.given_names import GIVEN_NAMES

MAX_WORDS = 3  # of a name, its title aside

_WORD = re.compile(r"[^\W\d_][^\W\d_'’]*(?:['’-][^\W\d_]+)*")
_GAP = re.compile(r" |\. ")
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
_PUNCTUATION = " ,;:.!?，。！？、"


@dataclass(frozen=True, kw_only=True)
class ReadName:
    """A name as it was spoken, and what the phrase says after it; ``listed``: it is known to be one."""

    name: str
    rest: str
    listed: bool


def read_name(phrase: str, phrases: NamePhrases, known: Set[str], *, certain: bool = False) -> ReadName | None:
    """Return the name at the start of a phrase, None where there is none, or more than one.

    ``known`` are words, in lower case, that have been names before; ``certain``: a name is sure to stand here.
    """
    found = _read(phrase, phrases, known, certain=certain)
    return None if found is None or _goes_on(found, phrases, known) else found


def words_of(name: str) -> tuple[str, ...]:
    """Return what tells a name from another: its words in lower case, without a title."""
    words = tuple(match.group().casefold() for match in _WORD.finditer(name))
    return tuple(word for word in words if word not in _TITLES) or words


_TITLES = EN.titles | frozenset({"herr", "frau", "monsieur", "madame", "señor", "señora"})


def _read(phrase: str, phrases: NamePhrases, known: Set[str], *, certain: bool = False) -> ReadName | None:
    return _read_chinese(phrase, phrases, known) if phrases is ZH else _read_latin(phrase, phrases, known, certain)


def _read_chinese(phrase: str, phrases: NamePhrases, known: Set[str]) -> ReadName | None:
    start = ChineseNames(known=frozenset(known)).at_start(phrase)
    if start is None or start[0] in phrases.no_names:
        return None
    return ReadName(name=start[0], rest=phrase.lstrip(" ，、：:")[len(start[0]) :], listed=True)


def _read_latin(phrase: str, phrases: NamePhrases, known: Set[str], certain: bool) -> ReadName | None:
    words: list[str] = []
    titled = listed = False
    end = 0
    while len(words) < MAX_WORDS + titled:
        gap = _GAP.match(phrase, end) if words else None
        if words and (gap is None or (gap.group() == ". " and not (titled and len(words) == 1))):
            break
        match = _WORD.match(phrase, gap.end() if gap else end)
        if match is None:
            break
        word, folded = match.group(), match.group().casefold()
        if not words and folded in phrases.titles:
            titled = True
        elif _POSSESSIVE.search(word):
            return None
        elif len(words) == titled:  # the first word of the name itself
            given = _is_given(word, phrases, known)
            if not given and not (_is_capital(word, phrases) and _may_be_new(phrases, certain or titled)):
                return None
            listed = given or certain or titled
        elif not (_is_capital(word, phrases) or folded in known):
            break
        words.append(word)
        end = match.end()
    if len(words) == titled:
        return None
    return ReadName(name=_in_capitals(phrase[:end]), rest=phrase[end:], listed=listed)


def _is_given(word: str, phrases: NamePhrases, known: Set[str]) -> bool:
    folded = word.casefold()
    if folded in phrases.no_names:
        return False
    if phrases is EN and folded in GIVEN_NAMES:
        return True  # recognisers forget capital letters; none of these is an English word
    return folded in known or (word[0].isupper() and (folded in GIVEN_NAMES or folded in MORE_GIVEN_NAMES))


def _is_capital(word: str, phrases: NamePhrases) -> bool:
    folded = word.casefold()
    sound = word[0].isupper() and word[1:] != word[1:].upper() and folded not in phrases.no_names
    return sound and (phrases is not EN or folded not in ENGLISH)


def _may_be_new(phrases: NamePhrases, certain: bool) -> bool:
    """Say whether a capital letter is enough for a name that no list knows."""
    return certain or not phrases.nouns_in_capitals


def _goes_on(found: ReadName, phrases: NamePhrases, known: Set[str]) -> bool:
    """Say whether another name follows: whose voice is whose is not told then."""
    rest = found.rest.lstrip(_PUNCTUATION)
    joined = re.match(rf"(?:{phrases.and_word}|&) ?", rest, re.IGNORECASE)
    if joined is None:
        return False
    after = rest[joined.end() :]
    return _read(after, phrases, known) is not None


def _in_capitals(name: str) -> str:
    """Return a name with capital letters, where the recogniser left them out."""
    return _WORD.sub(lambda match: match.group().capitalize(), name) if name.islower() else name
