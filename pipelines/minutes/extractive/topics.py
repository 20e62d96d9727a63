"""Split a meeting into topics: TextTiling (Hearst 1997) over sentences, helped by what speakers announce."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.minutes.extractive.keyphrases import as_spoken, count_phrases, key_phrases
from pipelines.minutes.extractive.questions import asks
from pipelines.minutes.language.cues import Cues, first_match
from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.stopwords import ENGLISH, MIXED, StopWords
from pipelines.minutes.language.terms import inverse_document_frequency, terms
from pipelines.minutes.language.wording import sentence_case, tokens

TERMS_PER_BLOCK = 40
BLOCKS_PER_WINDOW = 6
MAX_VOCABULARY = 1500
MIN_BLOCKS = 2 * BLOCKS_PER_WINDOW
MIN_SENTENCES = 3
# Announced topics are the chair's own; those found by their words are guesses, and fewer.
MAX_TOPICS = 15
MAX_ANNOUNCED = 60
MAX_TITLE_WORDS = 6
MAX_TITLE_IDEOGRAPHS = 16


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Consecutive sentences on one subject; ``announced`` is what a speaker called it, "" if nobody did."""

    sentences: tuple[Sentence, ...]
    announced: str = ""


def split_topics(sentences: Sequence[Sentence], cues: Cues) -> tuple[Stretch, ...]:
    """Cut a meeting into stretches on one subject each; every sentence is in exactly one, in order."""
    if not sentences:
        return ()
    announced = {
        index: title
        for index, sentence in enumerate(sentences)
        if not asks(sentence, cues) and (title := _announced(sentence, cues))
    }
    starts = [0]
    for index in sorted(announced):
        if (
            index - starts[-1] >= MIN_SENTENCES
            and len(sentences) - index >= MIN_SENTENCES
            and len(starts) < MAX_ANNOUNCED
        ):
            starts.append(index)
    for index in _lexical_starts(sentences, cues.stops):
        if len(starts) >= MAX_TOPICS:
            break
        if all(abs(index - start) >= _min_distance(len(sentences)) for start in starts):
            starts.append(index)
    starts.sort()
    bounds = zip(starts, [*starts[1:], len(sentences)], strict=True)
    return tuple(
        Stretch(
            sentences=tuple(sentences[start:end]),
            announced=next((announced[index] for index in range(start, min(start + 2, end)) if index in announced), ""),
        )
        for start, end in bounds
    )


def _min_distance(n_sentences: int) -> int:
    return max(MIN_SENTENCES, n_sentences // (2 * MAX_TOPICS))


def _announced(sentence: Sentence, cues: Cues) -> str:
    match = first_match(cues.topic_shift, sentence.clean)
    if match is None:
        return ""
    what = re.split(r"[,.;:?!，。；：？！]| in the | because | so that | and then ", match.group("what"))[0].strip()
    if cues.chinese:
        return what if terms(what) and len(what) <= MAX_TITLE_IDEOGRAPHS else ""
    words = what.split()
    while words and words[0].casefold() in ENGLISH:
        words = words[1:]
    while words and words[-1].casefold() in ENGLISH:
        words = words[:-1]
    return " ".join(words) if 0 < len(words) <= MAX_TITLE_WORDS and terms(" ".join(words)) else ""


def _lexical_starts(sentences: Sequence[Sentence], stops: StopWords) -> list[int]:
    """Return the sentence indices at which the words change most, deepest valley first."""
    blocks: list[list[str]] = [[]]
    starts = [0]
    for index, sentence in enumerate(sentences):
        if len(blocks[-1]) >= TERMS_PER_BLOCK:
            blocks.append([])
            starts.append(index)
        blocks[-1].extend(terms(sentence.clean, stops))
    if len(blocks) < MIN_BLOCKS:
        return []
    depths = _depths(_similarities(_vectors(blocks)))
    threshold = depths.mean() + 0.5 * depths.std()
    peaks = [
        gap
        for gap in range(len(depths))
        if depths[gap] > threshold and depths[gap] == depths[max(0, gap - 2) : gap + 3].max()
    ]
    n_wanted = round(math.sqrt(len(blocks)) / 2.5)
    peaks.sort(key=lambda gap: (-depths[gap], gap))
    return [starts[gap + 1] for gap in peaks[:n_wanted]]


def _vectors(blocks: Sequence[Sequence[str]]) -> npt.NDArray[np.float64]:
    """Compute tf-idf of the most frequent terms that several blocks share, shape ``(n_blocks, n_terms)``."""
    idf = inverse_document_frequency(blocks)
    spread = Counter(term for block in blocks for term in set(block))
    shared = [term for term, count in spread.most_common(MAX_VOCABULARY) if count > 1]
    column_of = {term: column for column, term in enumerate(shared)}
    vectors = np.zeros((len(blocks), max(1, len(shared))))
    for row, block in enumerate(blocks):
        for term, count in Counter(block).items():
            if term in column_of:
                vectors[row, column_of[term]] = (1 + math.log(count)) * idf[term]
    return vectors


def _similarities(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Compute the cosine of the windows before and after each gap between blocks, shape ``(n_blocks - 1,)``."""
    sums = np.vstack([np.zeros(vectors.shape[1]), np.cumsum(vectors, axis=0)])
    n_blocks = len(vectors)
    result = np.zeros(n_blocks - 1)
    for gap in range(n_blocks - 1):
        left = sums[gap + 1] - sums[max(0, gap + 1 - BLOCKS_PER_WINDOW)]
        right = sums[min(n_blocks, gap + 1 + BLOCKS_PER_WINDOW)] - sums[gap + 1]
        norm = float(np.linalg.norm(left) * np.linalg.norm(right))
        result[gap] = float(left @ right) / norm if norm else 0.0
    return result


def _depths(similarities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return how far each gap lies below the peaks to its left and right."""
    depths = np.zeros(len(similarities))
    for gap, value in enumerate(similarities):
        left = right = float(value)
        for index in range(gap - 1, -1, -1):
            if similarities[index] < left:
                break
            left = float(similarities[index])
        for index in range(gap + 1, len(similarities)):
            if similarities[index] < right:
                break
            right = float(similarities[index])
        depths[gap] = left + right - 2 * value
    # A window that is cut off by the start or the end tells little.
    edge = min(BLOCKS_PER_WINDOW // 2, len(depths) // 4)
    depths[:edge] = depths[len(depths) - edge :] = 0.0
    return depths


def meeting_name(sentences: Iterable[Sentence], cues: Cues) -> str:
    """Return what the chair calls the meeting when it opens, "" if nobody says."""
    for sentence in sentences:
        match = first_match(cues.meeting_name, sentence.clean)
        if match:
            return sentence_case(match.group("what"))
    return ""


def topic_titles(
    stretches: Sequence[Stretch], fallback: str, people: Iterable[str] = (), stops: StopWords = MIXED
) -> list[str]:
    """Return a title per stretch: as announced, else its key phrases (no ``people``), else ``fallback``.

    Where no stop words are known, what is said most is function words: there are no key phrases then, and titles "".
    """
    if not stops.is_listed:
        return [sentence_case(stretch.announced) for stretch in stretches]
    names = frozenset(name.casefold() for name in people)
    counts = [count_phrases(stretch.sentences, names, stops) for stretch in stretches]
    idf = inverse_document_frequency(counts)
    titles = []
    for stretch, phrases in zip(stretches, counts, strict=True):
        joint = "、" if any(len(tokens(phrase)) > 1 and " " not in phrase for phrase in phrases) else ", "
        title = stretch.announced or joint.join(as_spoken(key_phrases(phrases, idf, 2), stretch.sentences, stops))
        titles.append(sentence_case(title) or fallback)
    return titles
