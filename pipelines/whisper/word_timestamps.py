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

MAX_FADE_S = 0.4
"""How long the last sound of a clause may go on after the alignment's end of it."""


def time_words(
    segments: Sequence[TokenSegment],
    path: Sequence[tuple[int, int]],
    probabilities: Sequence[float],
    vocabulary: Vocabulary,
    sound: Interval,
) -> list[tuple[Word, ...]]:
    """Return each segment's words, every one timed, on the window's clock.

    ``path`` aligns the text tokens of all segments, joined, with encoder steps; ``probabilities`` has one for each
    token; words stay within ``sound``. The last word of a segment whose end the model wrote lasts up to there, for
    `MAX_FADE_S` more at most: the alignment ends it at its last stressed sound. Joined, a segment's words are its text.
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
        if segment.closed and placed:
            last = placed[-1]
            fading = min(segment.end, last.end + round(MAX_FADE_S * TICKS_PER_S))
            placed[-1] = replace(last, end=max(last.end, fading))
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

    A word's inaudible ends go. One that is still too long keeps its beginning where it ends a clause, else its end;
    figures may take that long each. A word that ends a clause fades on while it can be heard, for `MAX_FADE_S` at most.
    ``audible`` has one entry for each tick of the row.
    """
    if not words:
        return []
    usual_s = MAX_WORD_MEDIANS * min(MAX_MEDIAN_WORD_TICKS / TICKS_PER_S, median(w.end_s - w.start_s for w in words))
    longest_s = max(usual_s, 1 / TICKS_PER_S)
    shortened = [_shortened(_audible_part(word, audible), longest_s * _n_figures(word.text)) for word in words]
    nexts_s = [*(word.start_s for word in shortened[1:]), len(audible) / TICKS_PER_S]
    return [_faded(word, audible, next_s) for word, next_s in zip(shortened, nexts_s, strict=True)]


def _n_figures(text: str) -> int:
    return max(1, sum(character.isdigit() for character in text))


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


def _faded(word: Word, audible: npt.NDArray[np.bool_], next_s: float) -> Word:
    """Let a word that ends a clause last while it can be heard: the alignment ends it at its last stressed sound."""
    if not ends_clause(word.text):
        return word
    end = round(word.end_s * TICKS_PER_S)
    rest = audible[end : round(min(next_s, word.end_s + MAX_FADE_S) * TICKS_PER_S)]
    quiet = np.flatnonzero(~rest)
    return replace(word, end_s=to_seconds(end + (int(quiet[0]) if len(quiet) else len(rest))))
