"""Compute how long to wait before an attempt is repeated: exponential backoff with jitter, and ``Retry-After``."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

Uniform = Callable[[float, float], float]
"""Draws a number from an interval, as `random.uniform` does."""

LEAST_SHARE = 0.1  # of the ceiling: a delay of nearly nothing would hammer a server that has just failed
MAX_DOUBLINGS = 30
MAX_DIGITS = 9  # of a ``Retry-After`` in seconds: 31 years


@dataclass(frozen=True, kw_only=True)
class Backoff:
    """Delays in seconds whose ceiling doubles from ``first_s`` up to ``longest_s``.

    Each is drawn below its ceiling (full jitter: Brooker, "Exponential Backoff And Jitter", 2015): all that met the
    same outage would otherwise come back in the same instant.
    """

    first_s: float
    longest_s: float

    def ceiling_s(self, n_failures: int) -> float:
        """Return the longest delay after the n-th failure in a row, counted from 1."""
        return min(self.longest_s, self.first_s * 2.0 ** min(n_failures - 1, MAX_DOUBLINGS))

    def delay_s(self, n_failures: int, *, least_s: float = 0.0, uniform: Uniform = random.uniform) -> float:
        """Draw the delay after the n-th failure in a row, counted from 1; ``least_s`` is what the server asked for."""
        return max(least_s, uniform(LEAST_SHARE, 1.0) * self.ceiling_s(n_failures))

    def steady_delay_s(self, n_failures: int, *, uniform: Uniform = random.uniform) -> float:
        """Draw from the upper half (equal jitter), so that counted attempts last through what is over after a while."""
        return self.delay_s(n_failures, least_s=uniform(0.5, 1.0) * self.ceiling_s(n_failures), uniform=uniform)


def between_lost_calls(pause_s: float = 1.0) -> Backoff:
    """Return the pauses after calls that were lost with their replica: five attempts take 30 s and more.

    Where all replicas are being replaced, or a busy machine starts the next one slowly, the same call is lost again and
    again; a recording that ends its replica must not do so for ever. ``pause_s`` scales the pauses.
    """
    return Backoff(first_s=4.0 * pause_s, longest_s=32.0 * pause_s)


def retry_after_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Read ``Retry-After`` in either form (RFC 9110, section 10.2.3) as seconds to wait; None where it is not legible.

    A date counts from the answer's own ``Date``, where it has one: the server's clock may differ from ours, ``now_s``.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:MAX_DIGITS])
    at_s = _unix_s(value)
    if at_s is None:
        return None
    sent_s = _unix_s(headers.get("date", ""))
    return max(0.0, at_s - (now_s if sent_s is None else sent_s))


def _unix_s(date: str) -> float | None:
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
