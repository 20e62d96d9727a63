"""What can go wrong with a call to a language model, and what is done about it.

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
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from pipelines.errors import MinutesError


class Fault(StrEnum):
    """Why a call gave no answer."""

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

    def __str__(self) -> str:
        return str(self.args[0])


def fault_of_status(status: int) -> Fault:
    """What an HTTP status that is not 200 means."""
    return _BY_STATUS.get(status, Fault.SERVER_ERROR)


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """How often and how far apart a call is repeated; seconds.

    Being overloaded is no fault of the call and does not count as an attempt, up to ``max_overloads``.
    """

    max_attempts: int = 5
    max_overloads: int = 8
    first_delay_s: float = 0.5
    longest_delay_s: float = 30.0

    def delay_s(self, n_failures: int, retry_after_s: float | None, rng: random.Random) -> float:
        """Seconds to wait after the n-th failure (from 1): exponential with full jitter, at least what was asked for.

        Full jitter as in Brooker, "Exponential Backoff And Jitter" (2015).
        """
        ceiling = min(self.longest_delay_s, self.first_delay_s * 2.0 ** min(n_failures - 1, 30))
        return max(retry_after_s or 0.0, rng.uniform(0.1, 1.0) * ceiling)
