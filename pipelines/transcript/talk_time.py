"""Who spoke how long, by channel and, where several are told apart on one, by speaker: talk, silence. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from pipelines.core import CoverageStatus, Segment, Transcript

MAX_BREATH_S = 0.5
"""Pauses up to this long lie within what somebody says."""
MIN_OVERLAP_S = 0.5
"""Who starts so long after another began and before that one ends, interrupts."""

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class SpeakerTalk:
    """What one speaker did on a channel, in seconds.

    ``share`` is the part of all talk. ``silence_s`` is the rest of what was heard of the channel, ``overlap_s`` the
    talk during which another one talked as well; ``longest_s`` the longest talk without a pause. ``interruptions``
    counts how often the speaker began while another was talking. Speakers of one channel never overlap: their words
    stand one after the other.
    """

    channel: int
    speaker: str
    talk_s: float
    share: float
    silence_s: float
    overlap_s: float
    longest_s: float
    interruptions: int


def talk_of(transcript: Transcript) -> tuple[SpeakerTalk, ...]:
    """Describe every speaker by channel, in the order in which they are heard; silent channels as well."""
    voices = [(channel, speaker) for channel in range(transcript.n_channels) for speaker in _heard(transcript, channel)]
    spoken = [_spoken(transcript.segments, channel, speaker) for channel, speaker in voices]
    totals = [sum(end - start for start, end in intervals) for intervals in spoken]
    whole_s = sum(totals)
    return tuple(
        SpeakerTalk(
            channel=channel,
            speaker=speaker,
            talk_s=totals[i],
            share=totals[i] / whole_s if whole_s else 0.0,
            silence_s=_rest_s(transcript, spoken[i], {channel}),
            overlap_s=_overlap_s(spoken[i], _union(_others(spoken, i))),
            longest_s=max((end - start for start, end in spoken[i]), default=0.0),
            interruptions=sum(any(_interrupts(start, other) for other in _others(spoken, i)) for start, _ in spoken[i]),
        )
        for i, (channel, speaker) in enumerate(voices)
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


def _heard(transcript: Transcript, channel: int) -> Collection[str]:
    """Return the speakers of a channel; a silent one has one without a name."""
    return dict.fromkeys(s.speaker for s in transcript.segments if s.channel == channel) or ("",)


def _spoken(segments: Sequence[Segment], channel: int, speaker: str | None = None) -> list[Interval]:
    """Stretches of a speaker's talk, ascending, without overlap; short pauses are part of them. None: of everybody's.

    A pause in which another one of the channel speaks is no part.
    """
    own = [s for s in segments if s.channel == channel and s.end_s > s.start_s]
    own.sort(key=lambda s: (s.start_s, s.end_s))
    runs = [
        _joined([(s.start_s, s.end_s) for s in run], MAX_BREATH_S)
        for who, run in groupby(own, key=lambda s: s.speaker if speaker is not None else None)
        if who == speaker
    ]
    return [interval for run in runs for interval in run]


def _others(spoken: Sequence[Sequence[Interval]], voice: int) -> list[Interval]:
    return [interval for other, intervals in enumerate(spoken) if other != voice for interval in intervals]


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
