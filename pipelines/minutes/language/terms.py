"""Content terms, in which sentences are compared: words, and pairs of characters where no spaces are written."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from pipelines.minutes.language.stopwords import CHINESE_CHARACTERS, CHINESE_WORDS, MIXED, StopWords
from pipelines.text.typography import HAN, HANGUL, KANA, KATAKANA, MARKS, MYANMAR, THAI_LAO_KHMER, TIBETAN

# Chinese tokens are characters, of which a sentence needs more than of words.
TOKENS_PER_WORD_ZH = 1.6

_CHINESE_STOPS = re.compile("|".join(map(re.escape, CHINESE_WORDS)) + f"|[{''.join(sorted(CHINESE_CHARACTERS))}]")
UNSPACED = THAI_LAO_KHMER + MYANMAR + TIBETAN
_LETTERS = f"(?:(?![{HAN}{KANA}{UNSPACED}])[^\\W_][{MARKS}]*)+"
WORD = f"{_LETTERS}(?:['’-]{_LETTERS})*"
_RUN = re.compile(f"[{HAN}]+|[{KATAKANA}]+|[{UNSPACED}]+|{WORD}")
_IDEOGRAPHS = re.compile(f"[{HAN}]+")
_RUN_OF_UNSPACED = re.compile(f"[{UNSPACED}]+")
_HANGUL = re.compile(f"[{HANGUL}]")
_VOWEL = re.compile(r"[aeiouy]")


def terms(text: str, stops: StopWords = MIXED) -> list[str]:
    """Return the content terms of a text in their order, with repetitions.

    Chinese is written without spaces: each pair of neighbouring characters counts, after function words are taken
    out; so it is in Thai and its like, function words and all. Of Japanese ideographs and katakana count. English words
    lose their endings, so that "decisions" meets "decision".
    """
    return list(_terms(text, stops))


def _terms(text: str, stops: StopWords) -> Iterator[str]:
    for match in _RUN.finditer(text):
        run = match.group()
        if _IDEOGRAPHS.match(run):
            for piece in content_runs(run, stops):
                yield from _pairs(piece)
        elif _RUN_OF_UNSPACED.match(run):
            yield from _pairs(run)
        else:
            word = run.casefold().replace("’", "'")
            short = is_short(word) and not (run.isupper() and len(word) == 2)
            if word not in stops.words and not short and not word.isdigit():
                yield stem(word) if stops.english else word


def _pairs(run: str) -> Iterator[str]:
    return (run[index : index + 2] for index in range(len(run) - 1))


def is_short(word: str) -> bool:
    """Say whether a word is too short to carry a subject: two letters; a letter of Hangul is a syllable."""
    return len(word) < (2 if _HANGUL.match(word) else 3)


def content_runs(ideographs: str, stops: StopWords = MIXED) -> list[str]:
    """Return the runs of ideographs that remain between function words."""
    return [piece for piece in _CHINESE_STOPS.split(ideographs) if piece] if stops.chinese else [ideographs]


def stem(word: str) -> str:
    """Return an English word without its plural, past or -ing ending; only what cannot go badly wrong."""
    word = word.removesuffix("'s")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        base = word.removesuffix(ending)
        if base != word and len(base) > 2 and _VOWEL.search(base):
            if len(base) > 3 and base[-1] == base[-2] and base[-1] not in "lsz":
                return base[:-1]
            return base
    return word.removesuffix("e") if len(word) > 4 else word


def inverse_document_frequency(documents: Iterable[Iterable[str]]) -> dict[str, float]:
    """Compute ln((1 + N) / (1 + n)) + 1 per term over the documents (Salton and Buckley 1988, smoothed)."""
    counts: Counter[str] = Counter()
    n_documents = 0
    for document in documents:
        n_documents += 1
        counts.update(set(document))
    return {term: math.log((1 + n_documents) / (1 + count)) + 1 for term, count in counts.items()}
