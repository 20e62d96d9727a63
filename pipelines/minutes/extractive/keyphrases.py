"""Key phrases of a stretch of speech, for the titles of topics."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipelines.minutes.extractive.whole_words import NO_SUBJECT, whole_words
from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.stopwords import MIXED, StopWords
from pipelines.minutes.language.terms import UNSPACED, WORD, content_runs, is_short, stem
from pipelines.text.typography import HAN, KANA, KATAKANA, MARKS

MAX_WORDS = 3
MAX_IDEOGRAPHS = 6
# A longer phrase replaces a shorter one that is said hardly more often.
ABSORBED = 0.6

# The last one breaks phrases: punctuation, hiragana, and scripts of which no words are known.
_PIECE = re.compile(f"[{HAN}]+|[{KATAKANA}]+|{WORD}|[{KANA}{UNSPACED}]|(?![{MARKS}])[^\\w\\s]")
_IDEOGRAPHS = re.compile(f"[{HAN}]+")


def count_phrases(
    sentences: Iterable[Sentence], names: frozenset[str] = frozenset(), stops: StopWords = MIXED
) -> Counter[str]:
    """Return how often each phrase is said; words in lower case, Chinese as runs of 2 to 6 characters.

    ``names`` (lower case) are left out: a title says what was talked about, not who talked.
    """
    counts: Counter[str] = Counter()
    for sentence in sentences:
        counts.update(phrase for phrase in _phrases(sentence.clean, names, stops) if phrase not in names)
    return counts


def _phrases(text: str, names: frozenset[str], stops: StopWords) -> Iterator[str]:
    words: list[str] = []
    for match in _PIECE.finditer(text):
        piece = match.group()
        if _IDEOGRAPHS.fullmatch(piece):
            yield from _ideographic(piece, stops)
            words = []
            continue
        word = piece.casefold()
        if word in stops.words or word in names or is_short(word) or not word[0].isalpha():
            words = []
            continue
        words = [*words, word][-MAX_WORDS:]
        yield from (" ".join(words[start:]) for start in range(len(words)))


def _ideographic(text: str, stops: StopWords) -> Iterator[str]:
    for run in content_runs(text, stops):
        for start in range(len(run)):
            for size in range(2, min(MAX_IDEOGRAPHS, len(run) - start) + 1):
                phrase = run[start : start + size]
                if not phrase.startswith(NO_SUBJECT) and not phrase.endswith(NO_SUBJECT):
                    yield phrase


def key_phrases(counts: Counter[str], idf: Mapping[str, float], n_phrases: int) -> list[str]:
    """Return the phrases that mark these sentences off from others, best first; none contains another.

    ``idf`` weighs a phrase by how few topics hold it.
    """
    repeated = {phrase: count for phrase, count in counts.items() if count > 1} or dict(counts)
    best: dict[str, float] = {}
    for phrase, count in repeated.items():
        n_units = len(phrase) / 2 if _IDEOGRAPHS.fullmatch(phrase) else 1 + phrase.count(" ")
        best[phrase] = count * idf.get(phrase, 1.0) * (1 + 1.2 * (n_units - 1))
    ranked = sorted(best, key=lambda phrase: (-best[phrase], phrase))
    chosen: list[str] = []
    for phrase in ranked[:200]:
        longer = [other for other in ranked[:400] if phrase in other and other != phrase]
        if any(repeated[other] >= ABSORBED * repeated[phrase] for other in longer):
            continue
        if not any(_alike(phrase, other) for other in chosen):
            chosen.append(phrase)
        if len(chosen) == n_phrases:
            break
    return chosen


def as_spoken(phrases: Iterable[str], sentences: Sequence[Sentence]) -> list[str]:
    """Return phrases as they are written most often, and ideographs with those that belong to the same word."""
    text = "\n".join(sentence.clean for sentence in sentences)
    spoken = [
        whole_words(phrase, text) if _IDEOGRAPHS.fullmatch(phrase) else _written(phrase, text) for phrase in phrases
    ]
    return list(dict.fromkeys(spoken))


def _written(phrase: str, text: str) -> str:
    pattern = re.compile(rf"(?<!\w){re.escape(phrase)}(?!\w)".replace("ss", "(?:ss|ß)"), re.IGNORECASE)
    forms = Counter(match.group() for match in pattern.finditer(text))
    return max(forms, key=lambda form: forms[form], default=phrase)


def _alike(one: str, other: str) -> bool:
    if one in other or other in one:
        return True
    return bool(_stems(one.split()) & _stems(other.split()))


def _stems(words: Sequence[str]) -> set[str]:
    return {stem(word) for word in words}
