"""From tokens to times: segments from timestamp tokens, words from the alignment of tokens with audio. Pure.

Times are counted in ticks of 20 ms, the step of Whisper's timestamps and of its encoder, on the window's clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np
import numpy.typing as npt

TICKS_PER_S = 50
SAMPLES_PER_TICK = 320
"""16 kHz over 50 ticks."""

MAX_MEDIAN_WORD_TICKS = 35  # 0.7 s: slower speech than this is a wrong alignment
MAX_WORD_MEDIANS = 2  # a word next to a pause may last this many median words, the rest is the pause
LOUD_QUANTILE = 0.9
AUDIBLE_POWER = 1e-4  # 40 dB below the loud parts: speech fades to there, recorded silence mostly does not
SEGMENT_SLACK_TICKS = 25  # 0.5 s: how far the alignment may leave the segment that the model itself gave


@dataclass(frozen=True, kw_only=True)
class TokenSegment:
    """Text tokens and their interval in ticks; ``closed`` says that the model gave the end."""

    start: int
    end: int
    tokens: tuple[int, ...]
    closed: bool = True


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Half-open interval in ticks."""

    start: int
    end: int


def sounding(pcm: npt.NDArray[np.int16] | npt.NDArray[np.float32]) -> Interval:
    """The row from its first to its last audible tick, at least one tick; the whole row where nothing stands out.

    Whisper likes to start the first word at 0, whatever silence there is before it.
    """
    ticks = audible_ticks(pcm)
    audible = np.flatnonzero(ticks)
    if not len(audible):
        return Interval(start=0, end=len(ticks))
    return Interval(start=int(audible[0]), end=int(audible[-1]) + 1)


def audible_ticks(pcm: npt.NDArray[np.int16] | npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Return for each of at least one tick whether it stands out from the quiet between loud parts."""
    n_ticks = max(1, len(pcm) // SAMPLES_PER_TICK)
    samples = pcm[: n_ticks * SAMPLES_PER_TICK].astype(np.float32)
    if len(samples) < SAMPLES_PER_TICK:
        return np.zeros(n_ticks, np.bool_)
    power = np.square(samples).reshape(n_ticks, SAMPLES_PER_TICK).mean(axis=1)
    audible: npt.NDArray[np.bool_] = power > AUDIBLE_POWER * np.quantile(power, LOUD_QUANTILE)
    return audible


def to_seconds(ticks: int) -> float:
    """Ticks as seconds, exact to the hundredth."""
    return ticks * 2 / 100


def split_segments(tokens: Sequence[int], *, eot: int, timestamp_begin: int, sound: Interval) -> list[TokenSegment]:
    """Cut decoded tokens at timestamp tokens.

    Times are clamped to ``sound`` (see `sounding`) and never run backwards. Text after the last timestamp, or without
    any, lasts to its end. Text that the model puts behind its end joins the segment before.
    Every text token lands in exactly one segment, in order.
    """
    segments: list[TokenSegment] = []
    text: list[int] = []
    start = sound.start

    def close(end: int, closed: bool) -> None:
        since = max(start, segments[-1].end if segments else sound.start)
        if segments and since >= sound.end:
            last = segments.pop()
            segments.append(TokenSegment(start=last.start, end=last.end, tokens=(*last.tokens, *text)))
        else:
            since = min(since, sound.end - 1)
            segments.append(TokenSegment(start=since, end=max(end, since + 1), tokens=tuple(text), closed=closed))
        text.clear()

    for token in tokens:
        if token < eot:
            text.append(token)
        elif token >= timestamp_begin:
            tick = min(token - timestamp_begin, sound.end)
            if text:
                close(tick, closed=True)
            start = tick
    if text:
        close(sound.end, closed=False)
    return segments


def token_starts(alignment: Sequence[tuple[int, int]]) -> list[int]:
    """First tick of each text token, and of the end after them, from a path of (token, tick) pairs."""
    starts: list[int] = []
    for token, tick in alignment:
        if token == len(starts):
            starts.append(tick)
    return starts


def place_words(spans: Sequence[Interval], *, start: int, end: int, sound: Interval) -> list[Interval]:
    """Turn aligned intervals of a segment's words into disjoint, ascending ones of at least one tick.

    The segment is ``[start, end)``. The first word is cut short when it reaches back into a pause, the last when it
    reaches forward. Words stay within ``sound``, which starts where the words before ended, and within half a second
    of the segment. More words than ticks share the room evenly, some with no length.
    """
    if not spans:
        return []
    longest = MAX_WORD_MEDIANS * min(
        MAX_MEDIAN_WORD_TICKS, max(1, round(median(max(1, span.end - span.start) for span in spans)))
    )
    low = max(sound.start, start - SEGMENT_SLACK_TICKS)
    high = min(sound.end, end + SEGMENT_SLACK_TICKS)
    if high - low < len(spans):
        low, high = sound.start, sound.end
    if high - low < len(spans):
        edges = [low + (high - low) * i // len(spans) for i in range(len(spans) + 1)]
        return [Interval(start=left, end=right) for left, right in pairwise(edges)]
    placed = []
    cursor = low
    for i, span in enumerate(spans):
        room = high - (len(spans) - 1 - i)  # the words that follow need a tick each
        word_start, word_end = span.start, span.end
        if i == 0 and word_end - word_start > longest:
            word_start = word_end - longest
        if i == len(spans) - 1 and word_end - word_start > longest:
            word_end = word_start + longest
        word_start = min(max(word_start, cursor), room - 1)
        word_end = min(max(word_end, word_start + 1), room)
        placed.append(Interval(start=word_start, end=word_end))
        cursor = word_end
    return placed
