"""What follows from a call that failed, and how a provider's account is shared by calls that fail."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from pipelines.backoff import Backoff
from pipelines.core import Usage
from pipelines.errors import MinutesParked, StoreUnavailable
from pipelines.minutes.provider.adaptive_limit import AdaptiveLimit
from pipelines.minutes.provider.budget import Budget, DailyLimits
from pipelines.minutes.provider.calls import Provider
from pipelines.minutes.provider.chat import ChatMessage, ChatRequest, Completion
from pipelines.minutes.provider.circuit_breaker import Breaker, BreakerOptions
from pipelines.minutes.provider.endpoints import JsonMode
from pipelines.minutes.provider.faults import CallFailed, Fail, Failures, Fault, Park, Retry, RetryPolicy
from pipelines.minutes.provider.json_support import JsonCapability
from pipelines.minutes.provider.pricing import price_of
from tests.fakes.store import MemoryStore

POLICY = RetryPolicy(max_attempts=3, max_overloads=5, backoff=Backoff(first_s=1.0, longest_s=10.0))
REQUEST = ChatRequest(messages=(ChatMessage(role="user", content="minutes, please"),), max_tokens=100)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
GOOD = Completion(text="{}", finish_reason="stop", model="m", usage=Usage(n_calls=1))
BLANK = Completion(text=" ", finish_reason="stop", model="m", usage=Usage(n_calls=1))


def after(seconds: float) -> Retry:
    return Retry(after_s=seconds)


@pytest.mark.parametrize(
    ("fault", "n_faults", "n_overloads", "asked_s", "probing", "expected"),
    [
        # Passing faults: again, a few times; a probe is not repeated.
        (Fault.SERVER_ERROR, 1, 0, None, False, after(1.0)),
        (Fault.SERVER_ERROR, 2, 0, None, False, after(2.0)),
        (Fault.SERVER_ERROR, 3, 0, None, False, Park()),
        (Fault.SERVER_ERROR, 1, 0, None, True, Park()),
        (Fault.UNREACHABLE, 3, 0, None, False, Park()),
        (Fault.STALLED, 3, 0, None, False, Park()),
        (Fault.CUT_OFF, 3, 0, None, False, Park()),
        (Fault.INTERRUPTED, 3, 0, None, False, Park()),
        # Overload has a count of its own, and the server says how long.
        (Fault.OVERLOADED, 2, 1, None, False, after(4.0)),
        (Fault.OVERLOADED, 0, 4, None, False, after(8.0)),
        (Fault.OVERLOADED, 0, 4, 60.0, False, after(60.0)),
        (Fault.OVERLOADED, 0, 4, 0.5, False, after(8.0)),
        (Fault.OVERLOADED, 0, 5, None, False, Park()),
        (Fault.OVERLOADED, 0, 1, None, True, Park()),
        # Closed accounts: nothing more until somebody acts.
        (Fault.BAD_KEY, 1, 0, None, False, Park()),
        (Fault.NO_BALANCE, 1, 0, None, True, Park()),
        # Faults of one answer say nothing about the provider, not even from a probe.
        (Fault.BLANK, 1, 0, None, False, after(1.0)),
        (Fault.BLANK, 1, 0, None, True, after(1.0)),
        (Fault.BLANK, 3, 0, None, False, Fail()),
        (Fault.TOO_LONG, 1, 0, None, False, Fail()),
        (Fault.REFUSED, 1, 0, None, True, Fail()),
        (Fault.BAD_REQUEST, 1, 0, None, False, Fail()),
    ],
)
def test_what_follows_from_a_failure(
    fault: Fault, n_faults: int, n_overloads: int, asked_s: float | None, probing: bool, expected: object
) -> None:
    """Each fault has its consequence, by how often the call failed before and whether it was a probe."""
    decided = POLICY.decide(
        CallFailed("no", fault, asked_s),
        Failures(n_faults=n_faults, n_overloads=n_overloads),
        probing=probing,
        uniform=lambda low, high: high,
    )
    assert decided == expected


def test_failures_are_counted_apart() -> None:
    """Overload counts for itself."""
    failures = Failures()
    for fault in (Fault.OVERLOADED, Fault.BLANK, Fault.OVERLOADED):
        failures = failures.and_one(fault)
    assert failures == Failures(n_faults=1, n_overloads=2)
    assert failures.n == 3


class Script:
    """Answers one call after the other as it is told."""

    def __init__(self, *outcomes: Completion | CallFailed) -> None:
        self.outcomes = list(outcomes)

    async def complete(self, request: ChatRequest, json_mode: JsonMode) -> Completion:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, CallFailed):
            raise outcome
        return outcome


def provider(
    client: Script,
    *,
    breaker: Breaker | None = None,
    store: MemoryStore | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Provider:
    return Provider(
        client,
        capability=JsonCapability(JsonMode.OBJECT),
        limit=AdaptiveLimit(4),
        breaker=breaker or Breaker(BreakerOptions(), lambda: 0.0),
        budget=Budget(DailyLimits(), lambda: NOON, store),
        price=price_of("deepseek-flash"),
        clock=lambda: NOON,
        retries=POLICY,
        sleep=sleep,
    )


async def test_a_call_is_repeated_until_it_is_answered() -> None:
    """Pauses lie between the attempts, all that was answered is counted, and every outcome is told once."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    asked = provider(Script(CallFailed("busy", Fault.OVERLOADED, 7.0), BLANK, GOOD), sleep=sleep)
    answer = await asked.ask(REQUEST, "acme")
    assert answer.completion == GOOD
    assert answer.usage.n_calls == 2
    assert slept[0] == 7.0
    assert len(slept) == 2
    assert asked.take_calls() == {"overloaded": 1, "blank": 1, "ok": 1}


async def test_a_probe_whose_spending_is_not_written_lets_others_go() -> None:
    """The provider has answered, so it works: a store that is away then must not keep the breaker open for ever."""
    now_s = 0.0
    breaker = Breaker(BreakerOptions(), lambda: now_s)
    store = MemoryStore()
    asked = provider(Script(CallFailed("no balance", Fault.NO_BALANCE), GOOD, GOOD), breaker=breaker, store=store)
    with pytest.raises(MinutesParked):
        await asked.ask(REQUEST, "acme")
    now_s = 1000.0
    store.outage = "away"
    with pytest.raises(StoreUnavailable):
        await asked.ask(REQUEST, "acme")
    store.outage = ""
    assert (await asked.ask(REQUEST, "acme")).completion == GOOD
