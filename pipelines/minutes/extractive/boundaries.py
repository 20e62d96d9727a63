"""Weigh the evidence that a topic starts at a sentence: new words, other speakers, thanks before, an opening phrase.

The evidence is a sum of weighted signs, as in Hsueh and Moore 2006; words alone (TextTiling, Hearst 1997) cut free
speech worse than not at all.
"""

from collections import Counter
from collections.abc import Sequence
from math import log
from re import Pattern

import numpy as np
import numpy.typing as npt

from pipelines.minutes.language.cues import Cues, first_match
from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.stopwords import StopWords
from pipelines.minutes.language.terms import inverse_document_frequency, terms

Values = npt.NDArray[np.float64]

TERMS_PER_BLOCK = 40
BLOCKS_PER_WINDOW = 6
MAX_VOCABULARY = 1500
MIN_BLOCKS = 2 * BLOCKS_PER_WINDOW
# Windows of words before and after a sentence, in which speakers are compared.
SPEAKER_WINDOW_WORDS = 150
# Weights by logistic regression on the development part of `scripts/eval-minutes`, rounded.
LEXICAL_WEIGHT = 0.4
SPEAKER_WEIGHT = 0.8
OPENING_WEIGHT = 1.1
CLOSING_WEIGHT = 1.8
THRESHOLD = 2.5
# No meeting of the evaluation has two neighbouring windows that share so little: their words alone are proof.
NOTHING_SHARED = 0.05
N_CLOSING_SENTENCES = 4
N_OPENING_SENTENCES = 2


def boundary_evidence(sentences: Sequence[Sentence], n_words: Values, cues: Cues) -> Values:
    """Return the evidence for a topic's start at each sentence, shape ``(n_sentences,)``; proof from `THRESHOLD` on.

    ``n_words`` is the length of each sentence.
    """
    return (
        _lexical(sentences, cues.stops)
        + SPEAKER_WEIGHT * _speaker_change([sentence.speaker for sentence in sentences], n_words)
        + OPENING_WEIGHT * _near(_found(sentences, cues.topic_opening), 0, N_OPENING_SENTENCES)
        + CLOSING_WEIGHT * _near(_found(sentences, cues.topic_closing), 1 - N_CLOSING_SENTENCES, 1)
    )


def _found(sentences: Sequence[Sentence], patterns: Sequence[Pattern[str]]) -> Values:
    return np.array([first_match(patterns, sentence.clean) is not None for sentence in sentences], dtype=np.float64)


def _near(found: Values, first: int, last: int) -> Values:
    """Return 1 where one of the sentences from ``first`` until before ``last``, relative to each, is found."""
    n = len(found)
    return np.array([found[max(0, index + first) : index + last].max(initial=0.0) for index in range(n)])


def _speaker_change(speakers: Sequence[str], n_words: Values) -> Values:
    """Return 1 minus the cosine of the words that each speaker says before and after a sentence's start."""
    column_of = {speaker: column for column, speaker in enumerate(dict.fromkeys(speakers))}
    said = np.zeros((len(speakers) + 1, len(column_of)))
    for row, speaker in enumerate(speakers):
        said[row + 1, column_of[speaker]] = n_words[row]
    said = said.cumsum(axis=0)
    clock = said.sum(axis=1)
    change = np.zeros(len(speakers))
    for index in range(1, len(speakers)):
        first = int(np.searchsorted(clock, clock[index] - SPEAKER_WINDOW_WORDS))
        last = min(len(speakers), int(np.searchsorted(clock, clock[index] + SPEAKER_WINDOW_WORDS)))
        change[index] = 1 - _cosine(said[index] - said[first], said[last] - said[index], empty=1.0)
    return change


def _cosine(one: Values, other: Values, *, empty: float) -> float:
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norm if norm else empty


def _lexical(sentences: Sequence[Sentence], stops: StopWords) -> Values:
    """Return the weighted evidence of the words: how deep the valley of likeness is, in standard deviations."""
    blocks: list[list[str]] = [[]]
    starts = [0]
    for index, sentence in enumerate(sentences):
        if len(blocks[-1]) >= TERMS_PER_BLOCK:
            blocks.append([])
            starts.append(index)
        blocks[-1].extend(terms(sentence.clean, stops))
    if len(blocks) < MIN_BLOCKS:
        return np.zeros(len(sentences))
    similarities = _similarities(_vectors(blocks))
    depths = _depths(similarities)
    evidence = LEXICAL_WEIGHT * (depths - depths.mean()) / (depths.std() or 1.0)
    evidence[(similarities < NOTHING_SHARED) & (depths > 0)] += THRESHOLD
    positions: Values = np.interp(np.arange(len(sentences)), starts[1:], evidence)
    return positions


def _vectors(blocks: Sequence[Sequence[str]]) -> Values:
    """Compute tf-idf of the most frequent terms that several blocks share, shape ``(n_blocks, n_terms)``."""
    idf = inverse_document_frequency(blocks)
    spread = Counter(term for block in blocks for term in set(block))
    shared = [term for term, count in spread.most_common(MAX_VOCABULARY) if count > 1]
    column_of = {term: column for column, term in enumerate(shared)}
    vectors = np.zeros((len(blocks), max(1, len(shared))))
    for row, block in enumerate(blocks):
        for term, count in Counter(block).items():
            if term in column_of:
                vectors[row, column_of[term]] = (1 + log(count)) * idf[term]
    return vectors


def _similarities(vectors: Values) -> Values:
    """Compute the cosine of the windows before and after each gap between blocks, shape ``(n_blocks - 1,)``."""
    sums = np.vstack([np.zeros(vectors.shape[1]), np.cumsum(vectors, axis=0)])
    n_blocks = len(vectors)
    result = np.zeros(n_blocks - 1)
    for gap in range(n_blocks - 1):
        left = sums[gap + 1] - sums[max(0, gap + 1 - BLOCKS_PER_WINDOW)]
        right = sums[min(n_blocks, gap + 1 + BLOCKS_PER_WINDOW)] - sums[gap + 1]
        result[gap] = _cosine(left, right, empty=0.0)
    return result


def _depths(similarities: Values) -> Values:
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
