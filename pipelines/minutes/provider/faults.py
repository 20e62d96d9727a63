"""Faults of calls to a language model, and the reaction to each.

| fault | seen as | action |
|---|---|---|
| bad_request | 400, 404, 413, 422 | fail |
| bad_key | 401, 403 | stop calling, park |
| no_balance | 402 | stop calling, park |
| overloaded | 429, 503 | fewer calls at once, again later |
| server_error | 500, 502, 504, other | again, a few times |
| unreachable | no connection, or it broke before the first payload | again, a few times |
| stalled | no payload within its limit | again, a few times |
| cut_off | the stream ended without ``finish_reason`` | again, a few times |
| blank | ``finish_reason`` stop with nothing but spaces: what DeepSeek sends instead of broken JSON | again |
| interrupted | ``finish_reason`` insufficient_system_resource or aborted | again, a few times |
| too_long | ``finish_reason`` length: the answer is truncated, never a success | smaller pieces |
| refused | ``finish_reason`` content_filter | fail |
"""

import random
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from pipelines.backoff import Backoff, Uniform
from pipelines.errors import MinutesError

REPETITIONS = Backoff(first_s=0.5, longest_s=30.0)


class Fault(StrEnum):
    """The reason why a call gave no answer."""

    BAD_REQUEST = "bad_request"
    BAD_KEY = "bad_key"
    NO_BALANCE = "no_balance"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    UNREACHABLE = "unreachable"
    STALLED = "stalled"
    CUT_OFF = "cut_off"
    BLANK = "blank"
    INTERRUPTED = "interrupted"
    TOO_LONG = "too_long"
    REFUSED = "refused"

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self not in (Fault.BAD_REQUEST, Fault.BAD_KEY, Fault.NO_BALANCE, Fault.TOO_LONG, Fault.REFUSED)

    @property
    def of_the_answer(self) -> bool:
        """Whether the provider answered, so that it works, whatever it said."""
        return self in (Fault.BLANK, Fault.TOO_LONG, Fault.REFUSED, Fault.BAD_REQUEST)

    @property
    def closes_account(self) -> bool:
        """Whether every other call would fail as well until somebody acts."""
        return self in (Fault.BAD_KEY, Fault.NO_BALANCE)


_BY_STATUS = MappingProxyType(
    {
        **dict.fromkeys((400, 404, 405, 413, 415, 422), Fault.BAD_REQUEST),
        401: Fault.BAD_KEY,
        403: Fault.BAD_KEY,
        402: Fault.NO_BALANCE,
        429: Fault.OVERLOADED,
        503: Fault.OVERLOADED,
    }
)


class CallFailed(MinutesError):
    """A call to the language model gave no usable answer; ``retry_after_s`` is what the server asked for, or None."""

    def __init__(self, message: str, fault: Fault, retry_after_s: float | None = None) -> None:
        super().__init__(message, fault, retry_after_s)
        self.fault = fault
        self.retry_after_s = retry_after_s


def fault_of_status(status: int) -> Fault:
    """Return what an HTTP status that is not 200 means."""
    return _BY_STATUS.get(status, Fault.SERVER_ERROR)


@dataclass(frozen=True, kw_only=True)
class Failures:
    """The failures of a call so far: refusals of an overloaded server are counted apart from other faults."""

    n_faults: int = 0
    n_overloads: int = 0

    @property
    def n(self) -> int:
        """All of them."""
        return self.n_faults + self.n_overloads

    def and_one(self, fault: Fault) -> "Failures":
        """Count one more."""
        if fault is Fault.OVERLOADED:
            return replace(self, n_overloads=self.n_overloads + 1)
        return replace(self, n_faults=self.n_faults + 1)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Make the call again after ``after_s`` seconds."""

    after_s: float


@dataclass(frozen=True)
class Park:
    """The provider does not work at the moment: every call may be made again once it does."""


@dataclass(frozen=True)
class Fail:
    """The provider works, and this call gets no usable answer from it."""


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """The number of attempts of a call, and the delays between them.

    Being overloaded is no fault of the call and does not count as an attempt, up to ``max_overloads``.
    """

    max_attempts: int = 5
    max_overloads: int = 8
    backoff: Backoff = REPETITIONS

    def decide(
        self, error: CallFailed, failures: Failures, *, probing: bool = False, uniform: Uniform = random.uniform
    ) -> Retry | Park | Fail:
        """Say what follows from the last of a call's ``failures``.

        A ``probing`` call finds out for all others whether the provider works again: it is not repeated to see.
        """
        fault = error.fault
        is_last = not fault.retryable or failures.n_faults >= self.max_attempts
        if fault.of_the_answer and is_last:
            return Fail()
        if not fault.of_the_answer and (is_last or probing or failures.n_overloads >= self.max_overloads):
            return Park()
        least_s = error.retry_after_s or 0.0
        return Retry(after_s=self.backoff.delay_s(failures.n, least_s=least_s, uniform=uniform))
