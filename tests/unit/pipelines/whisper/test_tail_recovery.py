"""Tails that a decoding left out: when they are decoded, and how they are joined."""

import numpy as np
import pytest
from pipelines.whisper.tail_recovery import find_tail, join_tail

from pipelines.core import ChunkResult, DecodedSegment, Word
from pipelines.whisper.options import Pcm
from pipelines.whisper.timestamps import TokenSegment


def sound(seconds: float, loudness: float = 0.1) -> Pcm:
    return np.random.default_rng(1).normal(0, loudness, round(seconds * 16_000)).astype(np.float32)


def closed(end: int) -> TokenSegment:
    return TokenSegment(start=0, end=end, tokens=(1,))


def heard(*texts: str, suspect: tuple[str, ...] = (), error: str = "") -> ChunkResult:
    segments = tuple(
        DecodedSegment(
            start_s=float(i),
            end_s=i + 1.0,
            text=text,
            words=(Word(text=text, start_s=float(i), end_s=i + 0.5, probability=1.0),),
        )
        for i, text in enumerate(texts)
    )
    return ChunkResult(
        index=3,
        language="en",
        segments=segments,
        avg_logprob=-0.2,
        no_speech_prob=0.0,
        compression_ratio=1.0,
        temperature=0.0,
        suspect=suspect,
        error=error,
    )


def test_loud_tail_after_a_closed_segment_is_found() -> None:
    """Ten seconds of sound behind the last timestamp want decoding."""
    assert find_tail([closed(500)], sound(20)) == 500


@pytest.mark.parametrize(
    ("segments", "pcm"),
    [
        ([], sound(20)),
        ([closed(950)], sound(20)),
        ([TokenSegment(start=0, end=500, tokens=(1,), closed=False)], sound(20)),
        ([closed(500)], np.concatenate([sound(10), sound(10, 0.001)])),
    ],
    ids=["no text", "short tail", "open segment", "quiet tail"],
)
def test_nothing_is_continued_without_reason(segments: list[TokenSegment], pcm: Pcm) -> None:
    """Short or quiet tails, and rows without a last timestamp, are left alone."""
    assert find_tail(segments, pcm) is None


def test_tail_is_appended_on_the_rows_clock() -> None:
    """Segments and words of the tail move by where it starts."""
    whole = join_tail(heard(" one two"), heard(" three four"), 500, 1000)
    assert [(s.start_s, s.end_s, s.text) for s in whole.segments] == [
        (0.0, 1.0, " one two"),
        (10.0, 11.0, " three four"),
    ]
    assert whole.segments[1].words[0].start_s == 10.0
    assert whole.index == 3


def test_tail_that_was_heard_before_is_dropped() -> None:
    """When the text was complete and only its timestamp wrong, nothing is doubled."""
    head = heard(" we agreed to ship on friday and tell the customer")
    assert join_tail(head, heard(" And tell the customers."), 500, 1000) is head


def test_failed_or_empty_tail_leaves_the_head_suspect() -> None:
    """A tail that could not be decoded does not cost the head, and is not hidden."""
    head = heard(" one two")
    whole = join_tail(head, heard(suspect=("too_little_text",), error="device lost"), 500, 1000)
    assert whole.segments == head.segments
    assert whole.suspect == ("too_little_text",)
    assert whole.error == ""
