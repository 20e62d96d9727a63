"""Parse what somebody asks: words, "phrases", prefix*, -without."""

import re
from dataclasses import dataclass

from pipelines.errors import OptionError
from pipelines.search.tokens import is_unspaced, tokens

MAX_QUERY = 400  # characters
MAX_TERMS = 16
MIN_PREFIX = 2
"""Letters that a prefix has at least: with one, nearly every passage is a hit."""

_PART = re.compile(r'(?P<without>(?<!\S)-)?(?:"(?P<phrase>[^"]*)(?:"|$)|(?P<word>[^\s"]+))(?P<star>\*)?')
_QUOTES = str.maketrans("“”„«»「」『』", '"""""""""')  # as people type them


@dataclass(frozen=True)
class Term:
    """Tokens that follow each other; the last one may be the beginning of a word."""

    tokens: tuple[str, ...]
    prefix: bool = False


@dataclass(frozen=True)
class SearchQuery:
    """Terms that a passage has, every one of them, and terms that it has not."""

    wanted: tuple[Term, ...]
    unwanted: tuple[Term, ...] = ()


def parse(text: str) -> SearchQuery:
    """Parse a query; raises `OptionError` for one that is too long or asks for nothing.

    A word that has several tokens (``e-mail``, ``預算``) is a phrase. A prefix too short to narrow anything is a word.
    """
    if len(text) > MAX_QUERY:
        raise OptionError(f"q: a query has at most {MAX_QUERY} characters")
    wanted: list[Term] = []
    unwanted: list[Term] = []
    for part in _PART.finditer(text.translate(_QUOTES)):
        said = part["phrase"] if part["phrase"] is not None else part["word"]
        found = tuple(token.text for token in tokens(said))
        if not found:
            continue
        star = bool(part["star"]) or said.rstrip().endswith("*")
        prefix = star and not is_unspaced(found[-1]) and len(found[-1]) >= MIN_PREFIX
        term = Term(found, prefix)
        (unwanted if part["without"] else wanted).append(term)
    if not wanted:
        raise OptionError("q: a query names at least one word to look for")
    if len(wanted) + len(unwanted) > MAX_TERMS:
        raise OptionError(f"q: a query has at most {MAX_TERMS} words and phrases")
    return SearchQuery(tuple(dict.fromkeys(wanted)), tuple(dict.fromkeys(unwanted)))
