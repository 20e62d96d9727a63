"""Groups a transcript into turns: what one voice said without a long pause, as documents print it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.core import Coverage, CoverageStatus, Segment, Transcript
from pipelines.text.typography import ends_sentence, join_spoken

MAX_TURN_PAUSE_S = 2.0
FULL_TURN_CHARS = 500
"""A turn this long ends with its sentence."""
MAX_TURN_CHARS = 1000
MAX_TROUBLE_SILENCE_S = 30.0
"""Passages of the same trouble are told as one over a silence this long."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Consecutive segments of one voice, language and health; a failed turn has no segments and no text."""

    speaker: str
    channel: int
    start_s: float
    end_s: float
    text: str
    health: CoverageStatus
    segment_ids: tuple[int, ...] = ()
    language: str = ""


def turns(transcript: Transcript) -> list[Turn]:
    """Return the turns by start, with a failed turn where the coverage ledger has a failed interval."""
    grouped: list[list[Segment]] = []
    for segment in transcript.segments:
        if grouped and _continues(grouped[-1], segment):
            grouped[-1].append(segment)
        else:
            grouped.append([segment])
    found = [_turn(group) for group in grouped]
    found += [
        Turn(
            speaker=_speaker_of(transcript, lost.channel),
            channel=lost.channel,
            start_s=lost.start_s,
            end_s=lost.end_s,
            text="",
            health=CoverageStatus.FAILED,
        )
        for lost in troubles(transcript)
        if lost.health is CoverageStatus.FAILED
    ]
    return sorted(found, key=lambda turn: (turn.start_s, turn.channel))


def troubles(transcript: Transcript) -> list[Coverage]:
    """Suspect and failed intervals by start; those of equal health and note with only silence between them are one."""
    merged: list[Coverage] = []
    for channel in range(transcript.n_channels):
        continues = False
        for interval in (c for c in transcript.coverage if c.channel == channel):
            if interval.health is CoverageStatus.SILENCE:
                continues = continues and interval.end_s - interval.start_s <= MAX_TROUBLE_SILENCE_S
            elif interval.health is CoverageStatus.TRANSCRIBED:
                continues = False
            else:
                last = merged[-1] if continues else None
                if last and (last.health, last.note) == (interval.health, interval.note):
                    merged[-1] = replace(last, end_s=interval.end_s)
                else:
                    merged.append(interval)
                continues = True
    return sorted(merged, key=lambda interval: (interval.start_s, interval.channel))


def _continues(group: Sequence[Segment], segment: Segment) -> bool:
    last = group[-1]
    n_chars = sum(len(part.text) for part in group)
    return (
        (last.channel, last.speaker, last.health) == (segment.channel, segment.speaker, segment.health)
        and last.language == segment.language
        and segment.start_s - last.end_s <= MAX_TURN_PAUSE_S
        and n_chars + len(segment.text) <= MAX_TURN_CHARS
        and not (n_chars >= FULL_TURN_CHARS and ends_sentence(last.text))
    )


def _turn(group: Sequence[Segment]) -> Turn:
    first = group[0]
    return Turn(
        speaker=first.speaker,
        channel=first.channel,
        start_s=first.start_s,
        end_s=group[-1].end_s,
        text=join_spoken(segment.text for segment in group),
        health=first.health,
        segment_ids=tuple(segment.id for segment in group),
        language=first.language,
    )


def _speaker_of(transcript: Transcript, channel: int) -> str:
    """Return the name of a channel as its segments have it; its number where it has none or several."""
    names = {segment.speaker for segment in transcript.segments if segment.channel == channel}
    if len(names) == 1:
        return names.pop()
    return f"Channel {channel + 1}" if transcript.n_channels > 1 else ""
