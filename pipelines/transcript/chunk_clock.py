"""The offset arithmetic of a chunk: from its window's clock to samples on the recording's clock.

A chunk's window joins pieces of speech end to end, so each piece has its own offset:

    recording   ──[ piece 0 ]───────[ piece 1 ]────[ piece 2 ]──
    window        [ piece 0 ][ piece 1 ][ piece 2 ]

Times are rounded to whole samples first; from there on the arithmetic is exact.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

from pipelines.core import SAMPLE_RATE, SpeechInterval

MAX_INNER_SILENCE_S = 0.5
"""Longest silence, in seconds, that may be cut out inside one word or one transcript segment."""

MAX_INNER_SILENCE = round(MAX_INNER_SILENCE_S * SAMPLE_RATE)


class ChunkTimeline:
    """Maps times in a chunk's window to samples on the recording's clock, and knows the silence cut out."""

    def __init__(self, pieces: Sequence[SpeechInterval]) -> None:
        """Take the chunk's pieces, ascending and not overlapping; raises ValueError when there is none."""
        if not pieces:
            raise ValueError("a chunk without pieces has no clock")
        self._pieces = pieces
        self._offsets = [0]
        for piece in pieces:
            self._offsets.append(self._offsets[-1] + piece.n_samples)

    @property
    def n_samples(self) -> int:
        """Length of the window in samples."""
        return self._offsets[-1]

    def start(self, window_s: float) -> int:
        """Sample where something that starts at ``window_s`` starts; at a join, in the later piece."""
        position = self._position(window_s)
        return self._at(position, self._later_piece(position))

    def end(self, window_s: float) -> int:
        """Sample where something that ends at ``window_s`` ends; at a join, in the earlier piece."""
        position = self._position(window_s)
        return self._at(position, self._earlier_piece(position))

    def interval(self, start_s: float, end_s: float) -> tuple[int, int]:
        """Half-open sample range of a stretch of the window; an end before its start is lifted to it."""
        start = self.start(start_s)
        return start, max(start, self.end(end_s))

    def sides(self, start_s: float, end_s: float) -> list[tuple[int, int]]:
        """Return the half-open sample ranges of a stretch of the window that long silences leave, at least one."""
        start, end = self.interval(start_s, end_s)
        sides = [(start, end)]
        for before, after in pairwise(self._pieces):
            if sides[-1][0] < before.end and after.start < end and after.start - before.end > MAX_INNER_SILENCE:
                sides[-1:] = [(sides[-1][0], before.end), (after.start, end)]
        return sides

    def word_interval(self, start_s: float, end_s: float) -> tuple[int, int]:
        """Like `interval`, but a word blurred over a long silence keeps only the side it mostly lies on."""
        start, end = self.interval(start_s, end_s)
        if self.silence_within(start, end) <= MAX_INNER_SILENCE:
            return start, end
        held = [(max(start, piece.start), min(end, piece.end)) for piece in self._pieces]
        return max(held, key=lambda side: side[1] - side[0])

    def silence_within(self, start: int, end: int) -> int:
        """Longest silence, in samples, cut out between samples ``start`` and ``end`` of the recording."""
        first = max(bisect_right(self._pieces, start, key=lambda piece: piece.start) - 1, 0)
        last = bisect_left(self._pieces, end, key=lambda piece: piece.end)
        return max((b.start - a.end for a, b in pairwise(self._pieces[first : last + 1])), default=0)

    def _position(self, window_s: float) -> int:
        return min(max(round(window_s * SAMPLE_RATE), 0), self._offsets[-1])

    def _later_piece(self, position: int) -> int:
        return min(bisect_right(self._offsets, position) - 1, len(self._pieces) - 1)

    def _earlier_piece(self, position: int) -> int:
        return max(bisect_left(self._offsets, position) - 1, 0)

    def _at(self, position: int, piece: int) -> int:
        return self._pieces[piece].start + position - self._offsets[piece]
