"""Content terms: the units in which sentences are compared, English words and Chinese character pairs."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from pipelines.minutes.language.stopwords import CHINESE_CHARACTERS, CHINESE_WORDS, ENGLISH
from pipelines.text.typography import HAN

_CHINESE_STOPS = re.compile("|".join(map(re.escape, CHINESE_WORDS)) + f"|[{''.join(sorted(CHINESE_CHARACTERS))}]")
_RUN = re.compile(f"[{HAN}]+|(?:(?![{HAN}])[^\\W_])+(?:['’-](?:(?![{HAN}])[^\\W_])+)*")
_IDEOGRAPHS = re.compile(f"[{HAN}]+")
_VOWEL = re.compile(r"[aeiouy]")


def terms(text: str) -> list[str]:
    """Return the content terms of a text in their order, with repetitions.

    Chinese is written without spaces: each pair of neighbouring characters counts, after function words are taken
    out. English words lose their endings, so that "decisions" meets "decision".
    """
    return list(_terms(text))


def _terms(text: str) -> Iterator[str]:
    for match in _RUN.finditer(text):
        run = match.group()
        if not _IDEOGRAPHS.match(run):
            word = run.casefold().replace("’", "'")
            if word not in ENGLISH and (len(word) > 2 or (run.isupper() and len(word) == 2)) and not word.isdigit():
                yield stem(word)
            continue
        for piece in content_runs(run):
            yield from (piece[index : index + 2] for index in range(len(piece) - 1))


def content_runs(ideographs: str) -> list[str]:
    """Return the runs of ideographs that remain between function words."""
    return [piece for piece in _CHINESE_STOPS.split(ideographs) if piece]


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
