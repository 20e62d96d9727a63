"""Where a query's terms lie in a text, and how much the text is about them.

The score is BM25 (Robertson and Zaragoza 2009) without inverse document frequency: a passage has all terms anyway, and
frequencies over all documents would tell one tenant of another's. Every index ranks by it, so all rank alike.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.search.query import SearchQuery, Term
from pipelines.search.tokens import Token, tokens, widths_folded

K1 = 1.2
B = 0.75
USUAL_TOKENS = 15
"""Of a passage: what its length is compared with."""


@dataclass(frozen=True)
class TextPart:
    """A piece of a passage; ``match`` where a term of the query stands."""

    text: str
    match: bool


def score(text: str, query: SearchQuery) -> float:
    """Return how well a text answers a query, 0.0 where it does not; rounded, so that equal texts are equal."""
    found = tokens(text)
    if any(_has(found, term) for term in query.unwanted):
        return 0.0
    total = 0.0
    for term in query.wanted:
        n = sum(1 for _ in _places(found, term))
        if not n:
            return 0.0
        total += n * (K1 + 1) / (n + K1 * (1 - B + B * len(found) / USUAL_TOKENS))
    return round(total, 6)


def parts(text: str, query: SearchQuery) -> tuple[TextPart, ...]:
    """Cut a text into what matches and what does not; joined again, they are the text."""
    found = tokens(text)
    folded = widths_folded(text)
    shown = text if len(text) == len(folded) else folded
    hit = sorted(
        (found[start].start, found[end - 1].end) for term in query.wanted for start, end in _places(found, term)
    )
    pieces: list[TextPart] = []
    at = 0
    for start, end in hit:
        if end <= at:
            continue
        start = max(start, at)
        if start > at:
            pieces.append(TextPart(shown[at:start], match=False))
        if pieces and pieces[-1].match and start == at:
            pieces[-1] = TextPart(pieces[-1].text + shown[start:end], match=True)
        else:
            pieces.append(TextPart(shown[start:end], match=True))
        at = end
    if at < len(shown):
        pieces.append(TextPart(shown[at:], match=False))
    return tuple(pieces)


def _has(found: Sequence[Token], term: Term) -> bool:
    return next(_places(found, term), None) is not None


def _places(found: Sequence[Token], term: Term) -> Iterator[tuple[int, int]]:
    """Yield where the term's tokens stand, as half-open ranges of ``found``."""
    first = term.tokens[0]
    if first not in (token.text for token in found) and not (term.prefix and len(term.tokens) == 1):
        return
    n = len(term.tokens)
    for start in range(len(found) - n + 1):
        if all(
            found[start + i].text == token or (term.prefix and i == n - 1 and found[start + i].text.startswith(token))
            for i, token in enumerate(term.tokens)
        ):
            yield start, start + n
