"""A tenant's budget for minutes per day (UTC), in tokens and dollars."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from types import TracebackType

from pydantic import ValidationError

from pipelines.codec import decode, encode
from pipelines.core import Usage
from pipelines.errors import BlobMissing, MinutesParked
from pipelines.storage.layout import TenantKeys
from pipelines.storage.protocol import BlobStore


@dataclass(frozen=True, kw_only=True)
class DailyLimits:
    """The most that calls for one tenant may use in a day; None for no limit."""

    tokens: int | None = None
    cost_usd: float | None = None


@dataclass(kw_only=True)
class _Day:
    spent: Usage = field(default_factory=Usage)
    reserved_tokens: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Budget:
    """Counts spending by tenant and day; survives restarts when given a store. Belongs to one event loop.

    ``clock`` gives the time (aware).
    """

    def __init__(self, limits: DailyLimits, clock: Callable[[], datetime], store: BlobStore | None = None) -> None:
        self._limits = limits
        self._clock = clock
        self._store = store
        self._days: dict[tuple[str, date], _Day] = {}

    async def reserve(self, tenant: str, n_tokens: int) -> "Reservation":
        """Set tokens aside for a call; raises ``MinutesParked`` when the day's budget would not cover them."""
        now = self._clock().astimezone(UTC)
        day = await self._day(tenant, now.date())
        over = (
            self._limits.tokens is not None
            and day.spent.n_tokens + day.reserved_tokens + n_tokens > self._limits.tokens
        ) or (self._limits.cost_usd is not None and day.spent.cost_usd >= self._limits.cost_usd)
        if over:
            midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
            raise MinutesParked(
                f"today's budget for minutes is used up; it is renewed at {midnight:%Y-%m-%d %H:%M} UTC",
                not_before_s=midnight.timestamp(),
            )
        day.reserved_tokens += n_tokens
        return Reservation(self, tenant, now.date(), day, n_tokens)

    async def spent(self, tenant: str) -> Usage:
        """Return what the tenant has used today."""
        return (await self._day(tenant, self._clock().astimezone(UTC).date())).spent

    async def record(self, tenant: str, day: date, usage: Usage) -> None:
        """Add a call's usage, and make it durable."""
        entry = await self._day(tenant, day)
        entry.spent += usage
        if self._store is not None:
            async with entry.lock:  # the last write holds everything added before it
                key = TenantKeys(tenant=tenant).spending_of(day)
                await asyncio.to_thread(self._store.put, key, encode(entry.spent))

    async def _day(self, tenant: str, day: date) -> _Day:
        entry = self._days.get((tenant, day))
        if entry is None:
            spent = await self._stored(tenant, day)
            for old in [key for key in self._days if key[1] < day - timedelta(days=1)]:
                del self._days[old]
            entry = self._days.setdefault((tenant, day), _Day(spent=spent))
        return entry

    async def _stored(self, tenant: str, day: date) -> Usage:
        if self._store is None:
            return Usage()
        try:
            key = TenantKeys(tenant=tenant).spending_of(day)
            return decode(Usage, await asyncio.to_thread(self._store.get, key))
        except (BlobMissing, ValidationError):
            return Usage()


class Reservation:
    """Sets tokens aside for one call: ``async with`` gives them back at the end, `spend` counts the tokens used."""

    def __init__(self, budget: Budget, tenant: str, day: date, entry: _Day, n_tokens: int) -> None:
        self._budget = budget
        self._tenant = tenant
        self._date = day
        self._entry = entry
        self._n_tokens = n_tokens

    async def __aenter__(self) -> "Reservation":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._entry.reserved_tokens -= self._n_tokens

    async def spend(self, usage: Usage) -> None:
        """Count an answer's usage."""
        await self._budget.record(self._tenant, self._date, usage)
