"""Rank sentences by how much they say of what a meeting was about."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.stopwords import MIXED, StopWords
from pipelines.minutes.language.terms import inverse_document_frequency, terms
from pipelines.minutes.language.wording import tokens

Scores = npt.NDArray[np.float64]

DAMPING = 0.85
MAX_ITERATIONS = 50
TOLERANCE = 1e-6
# A sentence is at its best between these many tokens: shorter ones lack context, longer ones ramble.
SHORT, LONG = 20, 50
EARLY_GAIN = 0.6
EARLY_SHARE = 0.1
LENGTH_DISCOUNT = 0.65
FLOOR = 0.02
MAX_OVERLAP = 0.5
# "Yes, I agree" stands for nothing.
MIN_TERMS = 2


def rank(sentences: Sequence[Sentence], weights: Mapping[int, float] | None = None, stops: StopWords = MIXED) -> Scores:
    """Return a score per sentence, shape ``(n_sentences,)``, 0 for one without content, higher is more central.

    The product of LexRank, likeness to what the whole meeting repeats, an early position (meetings open with their
    purpose), a good length, and the caller's ``weights`` by ``Sentence.index``, 1 where absent.
    """
    documents = [terms(sentence.clean, stops) for sentence in sentences]
    if not any(documents):
        return np.zeros(len(sentences))
    lengths = np.array([max(1, len(tokens(sentence.clean))) for sentence in sentences], dtype=np.float64)
    fit = np.minimum(1.0, lengths / SHORT) * np.minimum(1.0, LONG / lengths)
    position = np.arange(len(sentences)) / len(sentences)
    early = 1 + EARLY_GAIN * np.exp(-position / EARLY_SHARE)
    given = np.array([(weights or {}).get(sentence.index, 1.0) for sentence in sentences])
    result: Scores = _lex_rank(documents) * _centrality(documents, lengths) * early * fit * given
    return result


def _lex_rank(documents: Sequence[Sequence[str]]) -> Scores:
    """Score sentences by LexRank (Erkan and Radev 2004) with continuous weights.

    The similarity matrix is never formed, so time and memory grow with the number of words, not with the square of
    the number of sentences.
    """
    rows, columns, weights, n_terms = _sparse(documents)
    n_sentences = len(documents)

    def spread(values: Scores) -> Scores:
        """Multiply by the matrix of cosine similarities."""
        by_term = np.bincount(columns, weights * values[rows], n_terms)
        by_sentence: Scores = np.bincount(rows, weights * by_term[columns], n_sentences).astype(np.float64)
        return by_sentence

    degree = spread(np.ones(n_sentences))
    safe = np.where(degree > 0, degree, 1.0)
    scores = np.full(n_sentences, 1.0 / n_sentences)
    for _ in range(MAX_ITERATIONS):
        updated = (1 - DAMPING) / n_sentences + DAMPING * spread(scores / safe)
        settled = float(np.abs(updated - scores).sum()) < TOLERANCE
        scores = updated
        if settled:
            break
    result: Scores = np.where(degree > 0, scores * n_sentences, 0.0)
    return result


def _centrality(documents: Sequence[Sequence[str]], lengths: Scores) -> Scores:
    """Score the share of terms that the meeting repeats, between `FLOOR` and 1; long sentences get a discount."""
    idf = inverse_document_frequency(documents)
    counts = Counter(term for document in documents for term in document)
    spread = Counter(term for document in documents for term in set(document))
    worth = {term: count * (idf[term] - 1) for term, count in counts.items() if spread[term] > 1}
    sums = np.array([sum(worth.get(term, 0.0) for term in set(document)) for document in documents])
    shares = sums / lengths**LENGTH_DISCOUNT
    result: Scores = FLOOR + (1 - FLOOR) * shares / (shares.max() or 1.0)
    return result


def _sparse(documents: Sequence[Sequence[str]]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Scores, int]:
    """Return rows, columns and values of the unit-length tf-idf vectors, and the number of terms."""
    idf = inverse_document_frequency(documents)
    column_of = {term: column for column, term in enumerate(idf)}
    rows: list[int] = []
    columns: list[int] = []
    weights: list[float] = []
    for row, document in enumerate(documents):
        counts = Counter(document)
        values = [(1 + math.log(count)) * idf[term] for term, count in counts.items()]
        norm = math.sqrt(sum(value * value for value in values)) or 1.0
        rows.extend([row] * len(counts))
        columns.extend(column_of[term] for term in counts)
        weights.extend(value / norm for value in values)
    return np.array(rows, dtype=np.intp), np.array(columns, dtype=np.intp), np.array(weights), len(idf)


def select(sentences: Sequence[Sentence], scores: Scores, max_tokens: int, stops: StopWords = MIXED) -> list[Sentence]:
    """Return the best sentences of at most ``max_tokens`` tokens together, in the order of speaking.

    A sentence most of whose terms are already there is passed over.
    """
    chosen: list[Sentence] = []
    covered: set[str] = set()
    n_left = max_tokens
    for index in sorted(range(len(sentences)), key=lambda index: (-scores[index], index)):
        sentence = sentences[index]
        if scores[index] <= 0:
            break
        content, size = set(terms(sentence.clean, stops)), len(tokens(sentence.clean))
        if len(content) < MIN_TERMS or size > n_left or len(content & covered) > MAX_OVERLAP * len(content):
            continue
        chosen.append(sentence)
        covered |= content
        n_left -= size
    if not chosen and len(sentences) and scores.max() > 0:
        chosen.append(sentences[int(scores.argmax())])
    return sorted(chosen, key=lambda sentence: sentence.index)
