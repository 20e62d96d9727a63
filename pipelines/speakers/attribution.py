"""Give words their speakers, each word for itself, and part segments where the voice changes."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from pipelines.core import Segment, Word
from pipelines.speakers.voices import SpeakerTurn
from pipelines.text.typography import ends_sentence

MAX_DISTANCE_S = 1.0
"""A word that no turn covers belongs to the nearest turn up to so far away."""
OVERLAP_SHARE = 0.5  # of a word during which two voices must speak at once to mark it
EDGE_S = 0.3  # of a turn: a single word that only touches so much of it stays with its neighbours
SHORT_TURN_S = 0.5  # a turn below takes no word out of a sentence at the edge of a segment
SAME_BREATH_S = 0.3  # pause within which a word at an edge belongs to its sentence
MIN_WORD_S = 0.02  # a word without length is asked for at its middle


@dataclass(frozen=True, kw_only=True)
class SpokenWord:
    """A word and its speaker, None where nobody was heard near it; ``overlap``: another voice speaks as well."""

    word: Word
    speaker: int | None
    overlap: bool = False


@dataclass(frozen=True, kw_only=True)
class SpokenSegment:
    """A segment of one speaker; ``overlaps``: for each of its words whether another voice speaks at the same time.

    Without words, one mark stands for the segment.
    """

    segment: Segment
    speaker: int | None
    overlaps: tuple[bool, ...] = ()


def assign_words(words: Sequence[Word], turns: Sequence[SpeakerTurn]) -> tuple[SpokenWord, ...]:
    """Give each word the speaker who talks for most of it, or else nearest to it; clocks are the recording's.

    A single word between words of one other speaker becomes theirs where it merely touches the edge of a turn; the
    first and the last one do where they are of one sentence and breath with their neighbour and their turn is short.
    """
    return _assigned(words, _TurnIndex(turns))


def _assigned(words: Sequence[Word], by_time: "_TurnIndex") -> tuple[SpokenWord, ...]:
    spoken = [_spoken(word, by_time) for word in words]
    for i in range(1, len(spoken) - 1):
        before, word, after = spoken[i - 1], spoken[i], spoken[i + 1]
        if before.speaker == after.speaker != word.speaker and before.speaker is not None:
            covered = by_time.covered(word.word.start_s, word.word.end_s)
            own = covered.get(word.speaker, 0.0) if word.speaker is not None else 0.0
            if own < min(EDGE_S, word.word.end_s - word.word.start_s):
                spoken[i] = replace(word, speaker=before.speaker)
    if len(spoken) > 2:
        for edge, inner in ((0, 1), (-1, -2)):
            if _continues(spoken[min(edge, inner)], spoken[max(edge, inner)]) and by_time.only_short(spoken[edge]):
                spoken[edge] = replace(spoken[edge], speaker=spoken[inner].speaker)
    return tuple(spoken)


def _continues(first: SpokenWord, second: SpokenWord) -> bool:
    """Tell whether two words are of one sentence and breath."""
    return not ends_sentence(first.word.text) and second.word.start_s - first.word.end_s < SAME_BREATH_S


def split_segments(segments: Sequence[Segment], turns: Sequence[SpeakerTurn]) -> tuple[SpokenSegment, ...]:
    """Part segments where the voice changes and number them anew from 0.

    A segment without words stays whole and gets the speaker who talks for most of it. ``Segment.speaker`` is left as
    it is: who names speakers sets it.
    """
    by_time = _TurnIndex(turns)
    parts: list[SpokenSegment] = []
    for segment in segments:
        for part in _parts(segment, by_time):
            parts.append(replace(part, segment=replace(part.segment, id=len(parts))))
    return tuple(parts)


def _parts(segment: Segment, by_time: "_TurnIndex") -> list[SpokenSegment]:
    if not segment.words:
        whole = Word(text=segment.text, start_s=segment.start_s, end_s=segment.end_s, probability=1.0)
        spoken = _spoken(whole, by_time)
        return [SpokenSegment(segment=segment, speaker=spoken.speaker, overlaps=(spoken.overlap,))]
    words = _with_neighbours(_assigned(segment.words, by_time))
    groups = [(speaker, tuple(group)) for speaker, group in groupby(words, key=lambda word: word.speaker)]
    if len(groups) == 1:
        speaker, group = groups[0]
        return [SpokenSegment(segment=segment, speaker=speaker, overlaps=tuple(word.overlap for word in group))]
    return [
        SpokenSegment(
            segment=replace(
                segment,
                start_s=segment.start_s if i == 0 else group[0].word.start_s,
                end_s=segment.end_s if i == len(groups) - 1 else group[-1].word.end_s,
                text="".join(word.word.text for word in group),
                words=tuple(word.word for word in group),
            ),
            speaker=speaker,
            overlaps=tuple(word.overlap for word in group),
        )
        for i, (speaker, group) in enumerate(groups)
    ]


def _with_neighbours(words: Sequence[SpokenWord]) -> list[SpokenWord]:
    """Give words without a speaker that of the word before, else of the next one that has one."""
    last = next((word.speaker for word in words if word.speaker is not None), None)
    filled = []
    for word in words:
        last = last if word.speaker is None else word.speaker
        filled.append(replace(word, speaker=last))
    return filled


def _spoken(word: Word, turns: "_TurnIndex") -> SpokenWord:
    middle = (word.start_s + word.end_s) / 2
    half = max(MIN_WORD_S, word.end_s - word.start_s) / 2
    covered = turns.covered(middle - half, middle + half)
    if not covered:
        return SpokenWord(word=word, speaker=turns.nearest(middle, half + MAX_DISTANCE_S))
    most = max(covered, key=lambda speaker: (covered[speaker], -speaker))
    second = max((seconds for speaker, seconds in covered.items() if speaker != most), default=0.0)
    overlap = covered[most] + second - 2 * half >= OVERLAP_SHARE * 2 * half
    return SpokenWord(word=word, speaker=most, overlap=overlap)


class _TurnIndex:
    """Finds turns by time."""

    def __init__(self, turns: Sequence[SpeakerTurn]) -> None:
        self._turns = sorted(turns, key=lambda turn: turn.start_s)
        self._starts = [turn.start_s for turn in self._turns]
        self._longest = max((turn.end_s - turn.start_s for turn in self._turns), default=0.0)

    def _near(self, start_s: float, end_s: float) -> Sequence[SpeakerTurn]:
        first = bisect_left(self._starts, start_s - self._longest)
        return self._turns[first : bisect_left(self._starts, end_s)]

    def covered(self, start_s: float, end_s: float) -> dict[int, float]:
        """Return the seconds that each speaker talks between two times."""
        seconds: dict[int, float] = {}
        for turn in self._near(start_s, end_s):
            shared = min(end_s, turn.end_s) - max(start_s, turn.start_s)
            if shared > 0:
                seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + shared
        return seconds

    def only_short(self, word: SpokenWord) -> bool:
        """Tell whether a word's speaker has only turns below `SHORT_TURN_S` during it."""
        return all(
            turn.end_s - turn.start_s < SHORT_TURN_S
            for turn in self._near(word.word.start_s, word.word.end_s)
            if turn.speaker == word.speaker and turn.end_s > word.word.start_s
        )

    def nearest(self, at_s: float, within_s: float) -> int | None:
        """Return the speaker of the turn nearest to a time."""
        distances = [
            (max(turn.start_s - at_s, at_s - turn.end_s, 0.0), turn.speaker)
            for turn in self._near(at_s - within_s, at_s + within_s)
        ]
        best = min(distances, default=None)
        return best[1] if best is not None and best[0] <= within_s else None
