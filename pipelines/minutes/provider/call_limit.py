"""The arithmetic of a limit on calls at once: additive increase, multiplicative decrease (Chiu and Jain 1989).

Between the limit it fell to and the one at which it was refused, the limit comes back quickly (as in CUBIC, RFC 9438),
and a refusal now and then, which any busy server has, shrinks nothing: it must not keep a long queue waiting.
"""

from dataclasses import dataclass, replace

LEAST = 1
DECREASE = 0.85
# Of a place, for each success below the limit that was refused last.
RETURN = 0.25
# More than this many refusals in a round, as a share of the limit, are too many; one is always borne.
BORNE = 0.02


@dataclass(frozen=True, kw_only=True)
class CallLimit:
    """A limit as it is now, in calls; ``refused_at`` is the one that was too high last.

    The limit shrinks at most once for each ``round``: calls that were already on their way when it shrank say nothing
    about the new one. ``pressure`` counts the round's refusals, which successes wear off.
    """

    value: float
    refused_at: float
    round: int = 0
    pressure: float = 0.0

    @classmethod
    def starting_at(cls, n_calls: int) -> "CallLimit":
        """Return a limit that nothing is known of yet."""
        return cls(value=float(n_calls), refused_at=float(n_calls))

    @property
    def n_calls(self) -> int:
        """Calls allowed at once."""
        return max(LEAST, int(self.value))

    def at_most(self, most: int) -> "CallLimit":
        """Return the limit under a bound that may have changed."""
        return replace(self, value=min(self.value, float(most)))

    def answered(self, most: int) -> "CallLimit":
        """Return the limit after a call that succeeded: higher, up to ``most``."""
        step = RETURN if self.value < self.refused_at - 1 else 1.0 / max(1.0, self.value)
        return replace(
            self,
            value=min(float(most), self.value + step),
            pressure=self.pressure * (1 - 1 / max(1.0, self.value)),
        )

    def refused(self, round_: int, n_running: int) -> "CallLimit":
        """Return the limit after a refusal for overload: lower if there were too many of the current round."""
        if round_ != self.round:
            return self
        pressure = self.pressure + 1
        if pressure <= 1 + BORNE * self.value:
            return replace(self, pressure=pressure)
        return CallLimit(
            value=max(float(LEAST), min(self.value, float(n_running)) * DECREASE),
            refused_at=self.value,
            round=self.round + 1,
        )
