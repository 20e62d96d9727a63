"""Words with times for a row's segments, from the alignment of its tokens with the audio. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean, median

import numpy as np
import numpy.typing as npt

from pipelines.core import Word
from pipelines.whisper.sentences import ends_clause
from pipelines.whisper.timestamps import (
    MAX_MEDIAN_WORD_TICKS,
    MAX_WORD_MEDIANS,
    TICKS_PER_S,
    Interval,
    TokenSegment,
    place_words,
    to_seconds,
    token_starts,
)
from pipelines.whisper.tokenizer import Vocabulary


def time_words(
    segments: Sequence[TokenSegment],
    path: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
    vocabulary: Vocabulary,
    sound: Interval,
) -> list[tuple[Word, ...]]:
    """Return each segment's words, every one timed, on the window's clock.

    ``path`` aligns the text tokens of all segments, joined, with encoder steps; ``probabilities`` has one for each
    token; words stay within ``sound``. Joined, a segment's words are its text.
    """
    starts = token_starts(path)
    timed: list[tuple[Word, ...]] = []
    first_token, first_tick = 0, sound.start
    for segment in segments:
        words = vocabulary.split_words(segment.tokens)
        ranges = [word.timed or (word.start, word.end) for word in words]
        spans = [Interval(start=starts[first_token + i], end=starts[first_token + j]) for i, j in ranges]
        placed = place_words(
            spans, start=segment.start, end=segment.end, sound=Interval(start=first_tick, end=sound.end)
        )
        timed.append(
            tuple(
                Word(
                    text=word.text,
                    start_s=to_seconds(place.start),
                    end_s=to_seconds(place.end),
                    probability=fmean(probabilities[first_token + i : first_token + j]),
                )
                for word, place, (i, j) in zip(words, placed, ranges, strict=True)
            )
        )
        first_token += len(segment.tokens)
        first_tick = placed[-1].end if placed else first_tick
    return timed


def without_pauses(words: Sequence[Word], audible: npt.NDArray[np.bool_]) -> list[Word]:
    """Take pauses out of words: the alignment puts a pause on the word before it or on the one after it.

    A word's inaudible ends go. One that is still too long keeps its beginning where it ends a clause, else its end.
    ``audible`` has one entry for each tick of the row.
    """
    if not words:
        return []
    longest_s = MAX_WORD_MEDIANS * min(MAX_MEDIAN_WORD_TICKS / TICKS_PER_S, median(w.end_s - w.start_s for w in words))
    return [_shortened(_audible_part(word, audible), max(longest_s, 1 / TICKS_PER_S)) for word in words]


def _audible_part(word: Word, audible: npt.NDArray[np.bool_]) -> Word:
    start, end = round(word.start_s * TICKS_PER_S), round(word.end_s * TICKS_PER_S)
    heard = np.flatnonzero(audible[start:end])
    if not len(heard):
        return word
    return replace(word, start_s=to_seconds(start + int(heard[0])), end_s=to_seconds(start + int(heard[-1]) + 1))


def _shortened(word: Word, longest_s: float) -> Word:
    if word.end_s - word.start_s <= longest_s:
        return word
    if ends_clause(word.text):
        return replace(word, end_s=round(word.start_s + longest_s, 2))
    return replace(word, start_s=round(word.end_s - longest_s, 2))
