"""Stops calling a provider that cannot help at the moment, and finds out when it can again."""

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.backoff import Backoff
from pipelines.minutes.provider.faults import Fault

PROBES = Backoff(first_s=15.0, longest_s=300.0)


@dataclass(frozen=True, kw_only=True)
class BreakerOptions:
    """Thresholds and probe intervals of a breaker; probes of an account have no jitter, there is one at a time.

    A closed account (bad key, no balance) opens the breaker at once, other faults after ``n_failures`` calls in a
    row that failed for the last time.
    """

    n_failures: int = 3
    probes: Backoff = PROBES


class Breaker:
    """Lets calls through when closed and none when open; when half open, one call probes, and its outcome decides.

    Belongs to one event loop; ``clock`` gives monotonic seconds.
    """

    def __init__(self, options: BreakerOptions, clock: Callable[[], float]) -> None:
        self._options = options
        self._clock = clock
        self._n_failures = 0
        self._why = ""
        self._probe_at_s = 0.0
        self._n_probes = 1
        self._probing = False

    @property
    def reason(self) -> str:
        """The reason for refusing calls, for people; "" while none are refused."""
        return self._why

    def allows(self) -> bool:
        """Return whether a call may be made now. In the open state, True makes the caller the probe: it must report."""
        if not self._why:
            return True
        if self._probing or self._clock() < self._probe_at_s:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """Close the breaker: a call was answered."""
        self._n_failures = 0
        self._why = ""
        self._probing = False
        self._n_probes = 1

    def failed(self, fault: Fault, why: str) -> None:
        """Count a call whose last attempt failed by the provider's fault; open the breaker after too many."""
        self._n_failures += 1
        if self._why:
            self._n_probes += 1
        elif not fault.closes_account and self._n_failures < self._options.n_failures:
            return
        self._why = why
        self._probing = False
        self._probe_at_s = self._clock() + self._options.probes.ceiling_s(self._n_probes)

    def undecided(self) -> None:
        """End a probe without a verdict on the provider (cancelled, or its own fault)."""
        self._probing = False

    def resume(self) -> None:
        """Let the next call probe at once, because somebody says that the provider works again."""
        self._probe_at_s = self._clock()
        self._n_probes = 1
