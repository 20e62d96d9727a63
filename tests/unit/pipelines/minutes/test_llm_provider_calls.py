"""What follows from a call that failed, and how a provider's account is shared by calls that fail."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipelines.backoff import Backoff
from pipelines.core import Usage
from pipelines.errors import LedgerUnavailable, MinutesParked
from pipelines.minutes.provider.adaptive_limit import AdaptiveLimit
from pipelines.minutes.provider.budget import LATER_S, Budget
from pipelines.minutes.provider.calls import Provider
from pipelines.minutes.provider.chat import ChatMessage, ChatRequest, Completion
from pipelines.minutes.provider.circuit_breaker import Breaker, BreakerOptions
from pipelines.minutes.provider.endpoints import JsonMode
from pipelines.minutes.provider.faults import CallFailed, Fail, Failures, Fault, Park, Retry, RetryPolicy
from pipelines.minutes.provider.json_support import JsonCapability
from pipelines.minutes.provider.pricing import price_of
from pipelines.minutes.provider.spending_book import DailyLimits, SpendingBook
from pipelines.minutes.provider.token_count import estimate_tokens
from tests.fakes.spending import MemorySpending

POLICY = RetryPolicy(max_attempts=3, max_overloads=5, backoff=Backoff(first_s=1.0, longest_s=10.0))
REQUEST = ChatRequest(messages=(ChatMessage(role="user", content="minutes, please"),), max_tokens=100)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CEILING = estimate_tokens("minutes, please") + REQUEST.max_tokens
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
    book: SpendingBook | None = None,
    limits: DailyLimits | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Provider:
    return Provider(
        client,
        capability=JsonCapability(JsonMode.OBJECT),
        limit=AdaptiveLimit(4),
        breaker=breaker or Breaker(BreakerOptions(), lambda: 0.0),
        budget=Budget(limits or DailyLimits(), lambda: NOON, book or MemorySpending()),
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


async def test_a_paid_answer_is_not_lost_with_the_ledger() -> None:
    """The provider has answered, so it works, and the answer is paid for: a ledger that is away then costs neither.

    What was set aside for the call stays so. A call that cannot be set aside is put off, and lets others probe.
    """
    now_s, away = 0.0, False

    def check() -> None:
        if away:
            raise LedgerUnavailable("away")

    class Leaving(Script):
        async def complete(self, request: ChatRequest, json_mode: JsonMode) -> Completion:
            nonlocal away
            away = len(self.outcomes) == 2
            return await super().complete(request, json_mode)

    breaker, book = Breaker(BreakerOptions(), lambda: now_s), MemorySpending(check=check)
    client = Leaving(CallFailed("no balance", Fault.NO_BALANCE), GOOD, GOOD)
    limits = DailyLimits(tokens=2 * CEILING)
    asked = provider(client, breaker=breaker, book=book, limits=limits)
    with pytest.raises(MinutesParked, match="no balance"):
        await asked.ask(REQUEST, "acme")
    now_s, away = 1000.0, True
    with pytest.raises(MinutesParked, match="away"):
        await asked.ask(REQUEST, "acme")
    away = False
    assert (await asked.ask(REQUEST, "acme")).completion == GOOD
    assert (away, breaker.reason) == (True, "")
    away = False
    assert book.spent("acme", NOON.date()) == Usage()
    assert (await asked.ask(REQUEST, "acme")).completion == GOOD
    small = provider(Script(GOOD), book=book, limits=DailyLimits(tokens=2 * CEILING - 1))
    with pytest.raises(MinutesParked, match="under way") as caught:
        await small.ask(REQUEST, "acme")
    assert caught.value.not_before_s == NOON.timestamp() + LATER_S


async def test_what_a_call_may_use_is_set_aside_for_each_attempt() -> None:
    """Each attempt may be paid for, so that it finds room in the budget or is not made; one that failed gives back."""
    book = MemorySpending()
    used = Usage(n_calls=1, n_prompt=3, n_completion=CEILING - 5)
    blank, failed = replace(BLANK, usage=used), CallFailed("broken", Fault.SERVER_ERROR)
    client = Script(failed, blank, GOOD)

    async def no_pause(seconds: float) -> None:
        pass

    asked = provider(client, book=book, limits=DailyLimits(tokens=CEILING), sleep=no_pause)
    with pytest.raises(MinutesParked, match="used up"):
        await asked.ask(REQUEST, "acme")
    assert client.outcomes == [GOOD]
    assert book.spent("acme", NOON.date()).n_tokens == CEILING - 2


async def test_a_cancelled_call_may_have_been_paid() -> None:
    """Nobody knows what it used: it counts with the most that it could."""
    book, begun = MemorySpending(), asyncio.Event()

    class Endless(Script):
        async def complete(self, request: ChatRequest, json_mode: JsonMode) -> Completion:
            begun.set()
            return await asyncio.Event().wait()  # type: ignore[return-value]

    task = asyncio.create_task(provider(Endless(), book=book).ask(REQUEST, "acme"))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(MinutesParked, match="under way"):
        await provider(Script(GOOD), book=book, limits=DailyLimits(tokens=CEILING)).ask(REQUEST, "acme")


async def test_dollars_are_set_aside_at_the_dearest_price() -> None:
    """An answer may come when prices have doubled: a call finds room for that, or is not made."""
    before_peak = datetime(2026, 11, 24, 0, 30, tzinfo=UTC)
    price = price_of("deepseek-flash")
    most = Usage(n_calls=1, n_prompt=1000, n_completion=1000)
    assert price.dearest_usd(most, before_peak) == price.cost_usd(most, before_peak) * 2
    assert price.dearest_usd(most, NOON) == price.cost_usd(most, NOON)
    limits = DailyLimits(cost_usd=price.cost_usd(Usage(n_prompt=CEILING, n_completion=0), NOON))
    with pytest.raises(MinutesParked, match="used up"):
        await provider(Script(GOOD), limits=limits).ask(REQUEST, "acme")
