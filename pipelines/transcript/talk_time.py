"""Who spoke how long on a recording whose channels are speakers: talk time, silence, interruptions. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pipelines.core import CoverageStatus, Segment, Transcript

MAX_BREATH_S = 0.5
"""Pauses up to this long lie within what somebody says."""
MIN_OVERLAP_S = 0.5
"""Who starts so long after another began and before that one ends, interrupts."""

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ChannelTalk:
    """What one channel did, in seconds.

    ``share`` is its part of all talk. ``silence_s`` is the rest of what was heard of it, ``overlap_s`` the talk during
    which another channel talked as well; ``longest_s`` the longest it talked without a pause. ``interruptions`` counts
    how often it began while another was talking.
    """

    channel: int
    speaker: str
    talk_s: float
    share: float
    silence_s: float
    overlap_s: float
    longest_s: float
    interruptions: int


def talk_of(transcript: Transcript) -> tuple[ChannelTalk, ...]:
    """Describe every channel, silent ones as well."""
    spoken = [_spoken(transcript.segments, channel) for channel in range(transcript.n_channels)]
    totals = [sum(end - start for start, end in intervals) for intervals in spoken]
    whole_s = sum(totals)
    return tuple(
        ChannelTalk(
            channel=channel,
            speaker=next((s.speaker for s in transcript.segments if s.channel == channel), ""),
            talk_s=totals[channel],
            share=totals[channel] / whole_s if whole_s else 0.0,
            silence_s=_rest_s(transcript, intervals, {channel}),
            overlap_s=_overlap_s(intervals, _union(_others(spoken, channel))),
            longest_s=max((end - start for start, end in intervals), default=0.0),
            interruptions=sum(
                any(_interrupts(start, other) for other in _others(spoken, channel)) for start, _ in intervals
            ),
        )
        for channel, intervals in enumerate(spoken)
    )


def silence_s(transcript: Transcript) -> float:
    """Return seconds in which nobody talks, as far as all was heard: what failed is no silence."""
    channels = range(transcript.n_channels)
    talk = [each for channel in channels for each in _spoken(transcript.segments, channel)]
    return _rest_s(transcript, talk, channels)


def _rest_s(transcript: Transcript, talk: Iterable[Interval], channels: Collection[int]) -> float:
    """Return the length of what is neither talk nor failed on any of the channels."""
    failed = [
        (interval.start_s, interval.end_s)
        for interval in transcript.coverage
        if interval.health is CoverageStatus.FAILED and interval.channel in channels
    ]
    return max(0.0, transcript.duration_s - sum(end - start for start, end in _union([*talk, *failed])))


def _spoken(segments: Sequence[Segment], channel: int) -> list[Interval]:
    """Stretches of a channel's talk, ascending, without overlap; short pauses are part of them."""
    own = sorted((s.start_s, s.end_s) for s in segments if s.channel == channel and s.end_s > s.start_s)
    return _joined(own, MAX_BREATH_S)


def _others(spoken: Sequence[Sequence[Interval]], channel: int) -> list[Interval]:
    return [interval for other, intervals in enumerate(spoken) if other != channel for interval in intervals]


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    return _joined(sorted(intervals), 0.0)


def _joined(ordered: Sequence[Interval], gap_s: float) -> list[Interval]:
    joined: list[Interval] = []
    for start, end in ordered:
        if joined and start - joined[-1][1] <= gap_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _overlap_s(mine: Sequence[Interval], others: Sequence[Interval]) -> float:
    return sum(max(0.0, min(end, b) - max(start, a)) for start, end in mine for a, b in others)


def _interrupts(start_s: float, other: Interval) -> bool:
    return other[0] + MIN_OVERLAP_S <= start_s <= other[1] - MIN_OVERLAP_S
