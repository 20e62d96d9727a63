"""The diarization error rate, exact: no collar, overlapped speech counted, the best pairing of speakers.

Equal to pyannote.metrics' `DiarizationErrorRate(collar=0, skip_overlap=False)`.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

Turn = tuple[str, float, float]
"""Speaker, start and end in seconds."""


@dataclass(frozen=True, kw_only=True)
class DiarizationErrors:
    """Seconds of speech that were missed, heard where nobody spoke, or given to another speaker; ``total``: spoken."""

    missed_s: float
    false_s: float
    confused_s: float
    total_s: float

    @property
    def rate(self) -> float:
        """Return the diarization error rate, 0 for nothing said and nothing heard."""
        wrong = self.missed_s + self.false_s + self.confused_s
        return wrong / self.total_s if self.total_s else float(wrong > 0)


def diarization_errors(reference: Sequence[Turn], hypothesis: Sequence[Turn]) -> DiarizationErrors:
    """Compare two lists of turns; a speaker's own turns may overlap and count once."""
    cuts = sorted({time for _, start, end in (*reference, *hypothesis) for time in (start, end)})
    spoken, heard = _active(reference, cuts), _active(hypothesis, cuts)
    missed = false = both = total = 0.0
    shared: dict[tuple[str, str], float] = {}
    for i, (start, end) in enumerate(pairwise(cuts)):
        length, n_spoken, n_heard = end - start, len(spoken[i]), len(heard[i])
        total += length * n_spoken
        missed += length * max(0, n_spoken - n_heard)
        false += length * max(0, n_heard - n_spoken)
        both += length * min(n_spoken, n_heard)
        for one in spoken[i]:
            for other in heard[i]:
                shared[one, other] = shared.get((one, other), 0.0) + length
    return DiarizationErrors(
        missed_s=missed, false_s=false, confused_s=max(0.0, both - best_pairing(shared)), total_s=total
    )


def _active(turns: Sequence[Turn], cuts: Sequence[float]) -> list[set[str]]:
    active: list[set[str]] = [set() for _ in cuts]
    for speaker, start, end in turns:
        for i in range(bisect_left(cuts, start), bisect_left(cuts, end)):
            active[i].add(speaker)
    return active


def best_pairing(shared: dict[tuple[str, str], float]) -> float:
    """Return the most seconds that speakers paired one to one share: the Hungarian method with potentials."""
    names = sorted({one for one, _ in shared})
    others = sorted({other for _, other in shared})
    if len(names) > len(others):
        return best_pairing({(other, one): seconds for (one, other), seconds in shared.items()})
    cost = [[-shared.get((one, other), 0.0) for other in others] for one in names]
    n_columns = len(others)
    row_potential, column_potential = [0.0] * (len(names) + 1), [0.0] * (n_columns + 1)
    row_of = [0] * (n_columns + 1)  # 1-based; column 0 holds the row that is being placed
    for row in range(1, len(names) + 1):
        row_of[0], column = row, 0
        least, came_from, done = [float("inf")] * (n_columns + 1), [0] * (n_columns + 1), [False] * (n_columns + 1)
        while row_of[column]:
            done[column] = True
            current = row_of[column]
            for j in range(1, n_columns + 1):
                reduced = cost[current - 1][j - 1] - row_potential[current] - column_potential[j]
                if not done[j] and reduced < least[j]:
                    least[j], came_from[j] = reduced, column
            following = min((j for j in range(1, n_columns + 1) if not done[j]), key=lambda j: least[j])
            step = least[following]
            for j in range(n_columns + 1):
                if done[j]:
                    row_potential[row_of[j]] += step
                    column_potential[j] -= step
                else:
                    least[j] -= step
            column = following
        while column:
            row_of[column] = row_of[came_from[column]]
            column = came_from[column]
    return -sum(cost[row_of[j] - 1][j - 1] for j in range(1, n_columns + 1) if row_of[j])
