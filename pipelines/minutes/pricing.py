"""What calls cost, in US dollars, and when they cost half.

DeepSeek's price list as of November 2026. Prices are per million tokens; on weekdays 01–04 and 06–10 UTC they double.
Models that are not listed are taken to be free: they run on the user's own machines.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

PER_TOKENS = 1_000_000
PEAK_FACTOR = 2.0
PEAK_HOURS_UTC = frozenset((*range(1, 4), *range(6, 10)))
_FRIDAY = 4


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of calls as the provider counted them, and their cost.

    ``n_prompt = n_cache_hit + n_cache_miss``; ``n_completion`` holds reasoning. ``models`` are the names that answered.
    """

    n_calls: int = 0
    n_prompt: int = 0
    n_cache_hit: int = 0
    n_completion: int = 0
    cost_usd: float = 0.0
    models: tuple[str, ...] = ()

    @property
    def n_cache_miss(self) -> int:
        return self.n_prompt - self.n_cache_hit

    @property
    def n_tokens(self) -> int:
        return self.n_prompt + self.n_completion

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            n_calls=self.n_calls + other.n_calls,
            n_prompt=self.n_prompt + other.n_prompt,
            n_cache_hit=self.n_cache_hit + other.n_cache_hit,
            n_completion=self.n_completion + other.n_completion,
            cost_usd=self.cost_usd + other.cost_usd,
            models=tuple(dict.fromkeys((*self.models, *other.models))),
        )

    def share(self, part: float) -> "Usage":
        """A part (0 to 1) of the usage of a call that served several; each was served by one call."""
        return replace(
            self,
            n_prompt=round(self.n_prompt * part),
            n_cache_hit=round(self.n_cache_hit * part),
            n_completion=round(self.n_completion * part),
            cost_usd=self.cost_usd * part,
        )


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars per million tokens, off-peak."""

    cache_hit: float
    cache_miss: float
    completion: float

    def cost_usd(self, usage: Usage, at: datetime) -> float:
        """What the tokens cost when the call is made at that time (aware)."""
        tokens = (
            usage.n_cache_hit * self.cache_hit
            + usage.n_cache_miss * self.cache_miss
            + usage.n_completion * self.completion
        )
        return tokens / PER_TOKENS * (PEAK_FACTOR if is_peak(at) else 1.0)


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
    """The price of a model by the name that was asked for."""
    return PRICES.get(model, FREE)


def is_peak(at: datetime) -> bool:
    """Whether prices are double at that time (aware)."""
    utc = at.astimezone(UTC)
    return utc.weekday() <= _FRIDAY and utc.hour in PEAK_HOURS_UTC
