"""Going on where a decoding stopped early. Pure.

Whisper sometimes ends its text well before the speech in the window ends. Sequential decoders recover by starting the
next window at the last timestamp; a row of a batch has no next window, so its tail becomes a row of its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

import numpy as np

from pipelines.core import SAMPLE_RATE, ChunkResult, DecodedSegment
from pipelines.whisper.options import Pcm
from pipelines.whisper.quality import compression_ratio, split_units
from pipelines.whisper.timestamps import SAMPLES_PER_TICK, TICKS_PER_S, TokenSegment

MIN_TAIL_S = 3.0  # rows are cut in silence, and end in less than this of it
MIN_TAIL_LOUDNESS = 0.25  # of the loudness before the tail; speech after speech is seldom quieter
SAME_TEXT = 0.6  # share of units in common from which a tail's text counts as heard before


def find_tail(segments: Sequence[TokenSegment], pcm: Pcm) -> int | None:
    """Return the tick from which a row wants to be decoded again, None if its text reaches the end of its speech."""
    if not segments or not segments[-1].closed:
        return None
    start = segments[-1].end
    samples = pcm.astype(np.float32)
    head, tail = samples[: start * SAMPLES_PER_TICK], samples[start * SAMPLES_PER_TICK :]
    if not len(head) or len(tail) < MIN_TAIL_S * SAMPLE_RATE:
        return None
    return start if _loudness(tail) >= MIN_TAIL_LOUDNESS * _loudness(head) else None


def _loudness(samples: Pcm) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def join_tail(head: ChunkResult, tail: ChunkResult, tail_tick: int, n_ticks: int) -> ChunkResult:
    """Append what was heard in the tail, unless the head's text held it already with a wrong timestamp.

    The tail's times count from its own start. The whole's likelihood is weighted by length, its temperature the higher
    one, and it is suspect for what either is suspect of.
    """
    suspect = tuple(dict.fromkeys((*head.suspect, *tail.suspect)))
    heard, again = (split_units("".join(segment.text for segment in result.segments)) for result in (head, tail))
    if tail.error or not again:
        return replace(head, suspect=suspect)
    if SequenceMatcher(None, heard[-len(again) :], again, autojunk=False).ratio() >= SAME_TEXT:
        return head
    offset_s = tail_tick / TICKS_PER_S
    segments = (*head.segments, *(shift(segment, offset_s) for segment in tail.segments))
    share = tail_tick / n_ticks
    return replace(
        head,
        segments=segments,
        avg_logprob=share * head.avg_logprob + (1 - share) * tail.avg_logprob,
        compression_ratio=compression_ratio("".join(segment.text for segment in segments)),
        temperature=max(head.temperature, tail.temperature),
        n_attempts=max(head.n_attempts, tail.n_attempts),
        suspect=suspect,
    )


def shift(segment: DecodedSegment, offset_s: float) -> DecodedSegment:
    """Move a segment and its words later by ``offset_s``."""
    return replace(
        segment,
        start_s=round(segment.start_s + offset_s, 2),
        end_s=round(segment.end_s + offset_s, 2),
        words=tuple(
            replace(word, start_s=round(word.start_s + offset_s, 2), end_s=round(word.end_s + offset_s, 2))
            for word in segment.words
        ),
    )
