"""Delays before an attempt is repeated: they grow, no two callers keep the same time, and servers are heeded."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.backoff import LEAST_SHARE, Backoff, retry_after_s

BACKOFF = Backoff(first_s=0.5, longest_s=15.0)
SENT_S = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(("n_failures", "ceiling_s"), [(1, 0.5), (2, 1.0), (5, 8.0), (6, 15.0), (10_000, 15.0)])
def test_the_ceiling_doubles_up_to_the_longest(n_failures: int, ceiling_s: float) -> None:
    """However long an outage lasts, the number stays finite."""
    assert BACKOFF.ceiling_s(n_failures) == ceiling_s
    assert BACKOFF.delay_s(n_failures, uniform=lambda low, high: high) == ceiling_s
    assert BACKOFF.delay_s(n_failures, uniform=lambda low, high: low) == LEAST_SHARE * ceiling_s


@given(n_failures=st.integers(1, 10_000), least_s=st.floats(0, 100), seed=st.integers())
def test_delays(n_failures: int, least_s: float, seed: int) -> None:
    """A delay is never next to nothing, never less than was asked for, nor above the longest unless more was."""
    delay_s = BACKOFF.delay_s(n_failures, least_s=least_s, uniform=random.Random(seed).uniform)
    assert max(least_s, LEAST_SHARE * BACKOFF.first_s) <= delay_s <= max(BACKOFF.longest_s, least_s)


def test_callers_do_not_come_back_in_the_same_instant() -> None:
    """A hundred that met the same fault spread their next attempts over the whole delay."""
    delays = sorted(BACKOFF.delay_s(10) for _ in range(100))
    assert len(set(delays)) == 100
    assert delays[-1] - delays[0] > BACKOFF.longest_s / 2


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", "", 120.0),
        (" 0 ", "", 0.0),
        ("9" * 400, "", 999_999_999.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", "", 60.0),
        ("Sun, 06 Nov 1994 08:50:37 -0000", "", 60.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:50:07 -0000", 30.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", "yesterday", 60.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", "", 0.0),
        ("", "", None),
        ("soon", "", None),
        ("-1", "", None),
        ("²", "", None),
    ],
)
def test_what_a_server_asks_for(value: str, date: str, seconds: float | None) -> None:
    """Seconds or a date, which counts from the answer's own date; nothing else is believed."""
    headers = {"retry-after": value, **({"date": date} if date else {})}
    assert retry_after_s(headers, SENT_S) == seconds


def test_no_header_asks_for_nothing() -> None:
    """An answer without the header leaves the delay to the client."""
    assert retry_after_s({}, SENT_S) is None
