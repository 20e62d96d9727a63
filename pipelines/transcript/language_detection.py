"""Which language a channel speaks: asked of several speech windows, once per job and channel.

One window is not enough: music, a greeting or a foreign name in the first 30 seconds mislead Whisper.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.core import Chunk, LanguageVote

SAMPLE_WINDOWS = 4  # a vote over more windows hardly changes, and each costs a pass of the encoder


@dataclass
class LanguageDetector:
    """Collects one channel's chunks until there are enough to vote, then the votes until all are in.

    Chunks wait in ``held`` until the language is known. ``asked`` are the chunks whose windows vote.
    """

    channel: int
    held: list[Chunk] = field(default_factory=list)
    asked: tuple[Chunk, ...] = ()
    _votes: dict[int, Mapping[str, float]] = field(default_factory=dict)

    def hold(self, chunk: Chunk) -> None:
        """Keep a chunk until the language is known."""
        self.held.append(chunk)

    def choose_windows(self, *, complete: bool) -> tuple[Chunk, ...]:
        """Choose the windows to ask, once: when enough wait, or when no more will come (``complete``)."""
        if self.asked or not self.held or (len(self.held) < SAMPLE_WINDOWS and not complete):
            return ()
        step = max(1, len(self.held) // SAMPLE_WINDOWS)
        self.asked = tuple(self.held[::step][:SAMPLE_WINDOWS])
        return self.asked

    def add_window(self, index: int, probabilities: Mapping[str, float]) -> bool:
        """Take in one window's probabilities (empty: it could not be asked); True when all are in."""
        self._votes[index] = probabilities
        return len(self._votes) >= len(self.asked)

    def result(self) -> LanguageVote | None:
        """The language with most probability mass, weighted by seconds of speech; None if no window could be asked."""
        mass: dict[str, float] = {}
        for chunk in self.asked:
            for language, probability in self._votes.get(chunk.index, {}).items():
                mass[language] = mass.get(language, 0.0) + probability * chunk.n_samples
        total = sum(mass.values())
        if not total:
            return None
        best = max(mass, key=lambda language: mass[language])
        return LanguageVote(channel=self.channel, language=best, probability=mass[best] / total)
