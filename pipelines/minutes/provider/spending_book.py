"""What calls for a tenant use in a day, and what those under way may still use: kept for all processes that call."""

from dataclasses import dataclass
from datetime import date
from enum import Enum, auto
from typing import Protocol

from pipelines.core import Usage

KEPT_DAYS = 35
"""A budget asks for today only; five weeks let an operator compare months."""


@dataclass(frozen=True, kw_only=True)
class DailyLimits:
    """The most that calls for one tenant may use in a day; None for no limit."""

    tokens: int | None = None
    cost_usd: float | None = None

    def allow(self, tokens: int, cost_usd: float) -> bool:
        """Return whether so much may be used in a day."""
        return (self.tokens is None or tokens <= self.tokens) and (self.cost_usd is None or cost_usd <= self.cost_usd)


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """The most that one call can use."""

    tokens: int
    cost_usd: float = 0.0


class Room(Enum):
    """What a budget says to a call: it is set aside; not while others are under way; not today any more."""

    TAKEN = auto()
    LATER = auto()
    NONE = auto()

    @classmethod
    def of(cls, spent: Usage, reserved: Ceiling, wanted: Ceiling, limits: DailyLimits) -> "Room":
        """Return whether a call finds room beside what is spent and what is set aside for calls under way."""
        tokens, cost_usd = spent.n_tokens + wanted.tokens, spent.cost_usd + wanted.cost_usd
        if not limits.allow(tokens, cost_usd):
            return cls.NONE
        return cls.TAKEN if limits.allow(tokens + reserved.tokens, cost_usd + reserved.cost_usd) else cls.LATER


class SpendingBook(Protocol):
    """Spending by tenant and day (UTC), with what is set aside for calls under way.

    What is set aside and never settled, since its process was killed, stays so for the rest of the day: nobody knows
    whether the call was answered, and a budget is never overspent. Methods block, are whole or nothing, and raise
    `LedgerUnavailable`; repeating one with the same arguments does no harm.
    """

    def open(self, tenant: str, day: date, earlier: Usage) -> None:
        """Begin a day with what was spent of it already, unless it has begun; forget days older than `KEPT_DAYS`."""

    def reserve(self, call_id: str, tenant: str, day: date, wanted: Ceiling, limits: DailyLimits) -> Room:
        """Set aside what a call may use, if there is room for it in a day that has begun."""

    def settle(self, call_id: str, tenant: str, day: date, used: Usage) -> None:
        """Count what a call used in place of what was set aside for it; one that was settled is not counted again."""

    def release(self, call_id: str) -> None:
        """Set nothing aside any more for a call that was not answered."""

    def spent(self, tenant: str, day: date) -> Usage:
        """Return what was used in a day."""
