"""`DamageLog`: what of a recording was lost, on its clock."""

from pipelines.core import SAMPLE_RATE, Damage

MIN_EDGE_S = 0.1  # less is lost where a recorder began or stopped within a frame
MERGE_S = 0.25  # what is left between two damaged stretches is no use to anybody
TAIL_TOLERANCE_S = 0.25
"""Lengths in headers count what encoders put before and behind the sound: they differ so much without any loss."""
MAX_STRETCHES = 4_000
"""Most stretches of a recording that are told apart; beyond, near ones are told as one."""


class DamageLog:
    """Collects damaged stretches of a track while it is decoded; memory is bounded by ``max_stretches``.

    ``declared_s`` is the track's length where its container knows it.
    """

    def __init__(self, max_stretches: int = MAX_STRETCHES) -> None:
        self.declared_s: float | None = None
        self._max_stretches = max_stretches
        self._found: list[Damage] = []
        self._merge = round(MERGE_S * SAMPLE_RATE)

    def add(self, start: int, end: int) -> None:
        """Take in samples ``[start, end)`` as lost; stretches come in order."""
        if end <= start:
            return
        self._found.append(Damage(start=start, end=end))
        self._join_last()
        while len(self._found) > self._max_stretches:
            self._merge *= 2
            found, self._found = self._found, []
            for damage in found:
                self._found.append(damage)
                self._join_last()

    def stretches(self, n_samples: int) -> tuple[Damage, ...]:
        """Return the stretches of a track of so many samples, ascending, apart, without short ones at its edges."""
        least = round(MIN_EDGE_S * SAMPLE_RATE)
        return tuple(
            damage
            for damage in self._found
            if damage.end - damage.start >= least or (damage.start > 0 and damage.end < n_samples)
        )

    def _join_last(self) -> None:
        if len(self._found) > 1 and self._found[-1].start - self._found[-2].end <= self._merge:
            last = self._found.pop()
            self._found[-1] = Damage(start=self._found[-1].start, end=max(self._found[-1].end, last.end))
