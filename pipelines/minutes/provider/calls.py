"""Calls to a language model that are made until they succeed, or until it is clear that they will not for now.

The life of a call: place under the limit → breaker → budget set aside → attempt → usage counted → judged → again, or
done.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from pipelines.core import Usage
from pipelines.errors import MinutesParked
from pipelines.minutes.provider.adaptive_limit import Limiter
from pipelines.minutes.provider.budget import Budget, Reservation
from pipelines.minutes.provider.chat import ChatClient, ChatRequest, Completion
from pipelines.minutes.provider.circuit_breaker import Breaker
from pipelines.minutes.provider.faults import CallFailed, Fail, Failures, Fault, Park, Retry, RetryPolicy
from pipelines.minutes.provider.json_support import JsonCapability
from pipelines.minutes.provider.pricing import Price
from pipelines.minutes.provider.spending_book import Ceiling
from pipelines.minutes.provider.token_count import estimate_tokens

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A readable answer, and what all attempts at it used together."""

    completion: Completion
    usage: Usage


class Provider:
    """Calls one account at one endpoint, for all writers of minutes. Belongs to one event loop."""

    def __init__(
        self,
        client: ChatClient,
        *,
        capability: JsonCapability,
        limit: Limiter,
        breaker: Breaker,
        budget: Budget,
        price: Price,
        clock: Callable[[], datetime],
        retries: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """Take a ``clock`` of aware times, for prices, and a ``sleep`` in seconds."""
        self._client = client
        self._capability = capability
        self._limit = limit
        self._breaker = breaker
        self._budget = budget
        self._price = price
        self._clock = clock
        self._retries = retries or RetryPolicy()
        self._sleep = sleep
        self._calls: Counter[str] = Counter()
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, guards nothing

    @property
    def breaker(self) -> Breaker:
        """Whether calls go through at the moment."""
        return self._breaker

    def now(self) -> datetime:
        """Return the time by which prices and budgets count."""
        return self._clock()

    def take_calls(self) -> dict[str, int]:
        """Return the calls by outcome, ``ok`` or a fault, since the last call of this method."""
        calls, self._calls = self._calls, Counter()
        return dict(calls)

    async def ask(self, request: ChatRequest, tenant: str, *, urgent: bool = False) -> Answer:
        """Return a readable answer; an ``urgent`` call, and every repetition, comes before those not begun.

        Raises ``MinutesParked`` when the provider does not work at the moment or the tenant's budget is used up, and
        ``CallFailed`` when this request gets no answer that can be used.
        """
        n_prompt = sum(estimate_tokens(message.content) for message in request.messages)
        most = Usage(n_calls=1, n_prompt=n_prompt, n_completion=request.max_tokens)
        total, failures = Usage(), Failures()
        while True:
            async with self._limit.slot(urgent=urgent or failures.n > 0) as round_:
                outcome, used, probing = await self._attempt(request, tenant, most, round_)
            if isinstance(outcome, Completion):
                total += used
                if outcome.fault is None:
                    self._calls["ok"] += 1
                    return Answer(completion=outcome, usage=total)
                outcome = CallFailed(f"the language model's answer cannot be used ({outcome.fault})", outcome.fault)
            self._note(outcome)
            failures = failures.and_one(outcome.fault)
            match self._retries.decide(outcome, failures, probing=probing, uniform=self._rng.uniform):
                case Retry(after_s=after_s):
                    await self._sleep(after_s)
                case Park():
                    raise self._parked(outcome)
                case Fail():
                    raise outcome

    async def _attempt(
        self, request: ChatRequest, tenant: str, most: Usage, round_: int
    ) -> tuple[Completion | CallFailed, Usage, bool]:
        """Make one call, and record its outcome in budget, limit and breaker; True when it was the breaker's probe.

        ``most`` is what the call can use.
        """
        probing = self._enter()
        ceiling = Ceiling(tokens=most.n_tokens, cost_usd=self._price.dearest_usd(most, self._clock()))
        try:
            async with await self._budget.reserve(tenant, ceiling) as reservation:
                completion = await self._capability.complete(self._client, request)
                self._breaker.succeeded()
                self._limit.grow()
                return completion, await self._account(completion, reservation), probing
        except CallFailed as error:
            if error.fault is Fault.OVERLOADED:
                self._limit.refused(round_)
            if error.fault.of_the_answer:
                self._breaker.succeeded()
            return error, Usage(), probing
        except BaseException:
            if probing:
                self._breaker.undecided()
            raise

    def _note(self, error: CallFailed) -> None:
        self._calls[error.fault.value] += 1
        log.info("call failed", action="llm_fault", fault=error.fault.value, detail=str(error))

    def _enter(self) -> bool:
        """Pass the breaker; True when this call finds out whether the provider works again."""
        open_ = bool(self._breaker.reason)
        if not self._breaker.allows():
            raise MinutesParked(self._breaker.reason)
        return open_

    def _parked(self, error: CallFailed) -> MinutesParked:
        """Record in the breaker a call that failed for good because of the provider."""
        self._breaker.failed(error.fault, str(error))
        if self._breaker.reason:
            log.error("language model parked", action="llm_parked", detail=self._breaker.reason)
        return MinutesParked(str(error))

    async def _account(self, completion: Completion, reservation: Reservation) -> Usage:
        used = completion.usage
        usage = replace(used, cost_usd=self._price.cost_usd(used, self._clock()))
        await reservation.spend(usage)
        return usage
