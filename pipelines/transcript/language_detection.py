"""Which languages a channel speaks: its first rows vote, and what they say is expected of the rest.

One row is not enough: music, a greeting or a foreign name in the first 30 seconds mislead Whisper. Rows that voted are
decoded already; those that the vote contradicts, and that were unsure, are decoded again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from pipelines.core import DOUBTFUL_BELOW, Chunk, LanguagePassage, LanguageVote

VOTING_ROWS = 4
"""A vote of more rows hardly changes, and the others of the channel wait for it."""
SURE = 0.9
"""Probability from which a passage stays in its language whatever the channel voted."""
_LEAST_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class LanguagePolicy:
    """What a tenant's recordings may be in (empty: anything), and the probability below which text is doubtful."""

    allowed: tuple[str, ...] = ()
    doubtful_below: float = DOUBTFUL_BELOW


@dataclass
class ChannelVote:
    """Collects one channel's chunks until there are enough to vote, then the votes until all are in.

    Chunks wait in ``held`` until the vote is known. ``asked`` are those that vote. ``kept`` are chunks that an earlier
    Coordinator had decoded without a vote.
    """

    channel: int
    held: list[Chunk] = field(default_factory=list)
    asked: tuple[Chunk, ...] = ()
    kept: set[int] = field(default_factory=set)
    _votes: dict[int, Sequence[LanguagePassage] | None] = field(default_factory=dict)

    def hold(self, chunk: Chunk) -> None:
        """Keep a chunk until the vote is known."""
        self.held.append(chunk)

    def choose_rows(self, *, complete: bool) -> tuple[Chunk, ...]:
        """Choose the chunks that vote, once: when enough wait, or when no more will come (``complete``)."""
        if self.asked or not self.held or (len(self.held) < VOTING_ROWS and not complete):
            return ()
        step = max(1, len(self.held) // VOTING_ROWS)
        self.asked = tuple(self.held[::step][:VOTING_ROWS])
        return self.asked

    def add(self, index: int, passages: Sequence[LanguagePassage] | None) -> bool:
        """Take in a row's passages, none where nobody speaks, None where it was given up; True when all are in."""
        self._votes[index] = passages
        return len(self._votes) >= len(self.asked)

    def result(self) -> LanguageVote:
        """Return the languages by their seconds and probability; the vote of no passages is English, with 0."""
        mass: defaultdict[str, float] = defaultdict(float)
        for passage in (passage for passages in self._votes.values() for passage in passages or ()):
            mass[passage.language] += passage.probability * passage.duration_s
            mass[passage.runner_up] += passage.runner_up_probability * passage.duration_s
        mass.pop("", None)
        total = sum(mass.values()) or 1.0
        ranked = sorted(mass.items(), key=lambda each: (-each[1], each[0]))
        shares = tuple((code, round(part / total, 3)) for code, part in ranked if part >= _LEAST_SHARE * total)
        language, probability = shares[0] if shares else ("en", 0.0)
        return LanguageVote(
            channel=self.channel,
            language=language,
            probability=probability,
            shares=shares,
            standing=tuple(sorted(self.kept.union(i for i in self._votes if self._agrees(i, language)))),
        )

    def again(self, vote: LanguageVote) -> list[Chunk]:
        """Return the chunks that wait for a vote, and those that it contradicts."""
        return [chunk for chunk in self.held if chunk.index not in vote.standing]

    def finished(self, vote: LanguageVote) -> list[Chunk]:
        """Return the chunks that voted and stand; those that were given up are finished already."""
        return [chunk for chunk in self.asked if chunk.index in vote.standing and self._votes[chunk.index] is not None]

    def _agrees(self, index: int, language: str) -> bool:
        return all(each.language == language or each.probability >= SURE for each in self._votes[index] or ())
