"""Wait for the hours of low prices, as long as that is in time."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.errors import MinutesParked
from pipelines.minutes.provider.pricing import next_off_peak


@dataclass(frozen=True, kw_only=True)
class OffPeak:
    """The longest ``wait`` after something was first requested; ``clock`` gives aware times."""

    wait: timedelta
    clock: Callable[[], datetime]

    def check(self, asked_at_s: float | None) -> None:
        """Raise `MinutesParked` until prices are low again, if that is in time; what is wanted now (None) never waits.

        ``asked_at_s`` is in Unix seconds.
        """
        if asked_at_s is None:
            return
        now = self.clock()
        low = next_off_peak(now)
        if low > now and low.timestamp() <= asked_at_s + self.wait.total_seconds():
            raise MinutesParked(f"prices are low again at {low:%H:%M} UTC", low.timestamp())
