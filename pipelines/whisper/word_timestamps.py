"""Words with times for a row's segments, from the alignment of its tokens with the audio. Pure."""

from collections.abc import Sequence
from statistics import fmean

from pipelines.core import Word
from pipelines.whisper.timestamps import Interval, TokenSegment, place_words, to_seconds, token_starts
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
