"""Prices of calls in US dollars, and the hours of half the price.

DeepSeek's price list as of November 2026. Prices are per million tokens; on weekdays 01–04 and 06–10 UTC they double.
Models that are not listed are taken to be free: they run on the user's own machines.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from pipelines.core import Usage

PER_TOKENS = 1_000_000
PEAK_FACTOR = 2.0
PEAK_HOURS_UTC = frozenset((*range(1, 4), *range(6, 10)))
_FRIDAY = 4


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars per million tokens, off-peak."""

    cache_hit: float
    cache_miss: float
    completion: float

    def cost_usd(self, usage: Usage, at: datetime) -> float:
        """Return what the tokens cost when the call is made at that time (aware)."""
        tokens = (
            usage.n_cache_hit * self.cache_hit
            + usage.n_cache_miss * self.cache_miss
            + usage.n_completion * self.completion
        )
        return tokens / PER_TOKENS * (PEAK_FACTOR if is_peak(at) else 1.0)

    def dearest_usd(self, usage: Usage, at: datetime) -> float:
        """Return what the tokens cost at most when the call is made at that time (aware) and may last an hour."""
        return max(self.cost_usd(usage, at), self.cost_usd(usage, at + timedelta(hours=1)))


FREE = Price(cache_hit=0.0, cache_miss=0.0, completion=0.0)
_FLASH = Price(cache_hit=0.003, cache_miss=0.15, completion=0.60)
PRICES = MappingProxyType(
    {
        "deepseek-flash": _FLASH,
        "deepseek-v4-flash": _FLASH,
        "deepseek-v4-pro": Price(cache_hit=0.022, cache_miss=0.66, completion=1.98),
    }
)


def price_of(model: str) -> Price:
    """Return the price of a model by the name that was asked for."""
    return PRICES.get(model, FREE)


def next_off_peak(at: datetime) -> datetime:
    """Return the first time from then on (aware) at which prices are not double: then, or a full hour."""
    while is_peak(at):
        at = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return at


def is_peak(at: datetime) -> bool:
    """Return whether prices are double at that time (aware)."""
    utc = at.astimezone(UTC)
    return utc.weekday() <= _FRIDAY and utc.hour in PEAK_HOURS_UTC
