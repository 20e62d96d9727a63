"""Rate limits of tenants' requests: one token bucket each, whose state is in every answer's headers.

Headers follow draft-ietf-httpapi-ratelimit-headers-10. A bucket belongs to one replica.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from deployments.limits import TenantLimits
from pipelines.errors import Overloaded

POLICY = "requests"
MAX_BUCKETS = 10_000


@dataclass
class _Bucket:
    tokens: float
    at_s: float


class RateMeter:
    """Counts the requests of each tenant. Belongs to one event loop; ``clock`` gives monotonic seconds."""

    def __init__(self, limits_of: Callable[[str], TenantLimits], clock: Callable[[], float]) -> None:
        self._limits_of = limits_of
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def charge(self, tenant: str) -> tuple[dict[str, str], Overloaded | None]:
        """Count a request; return the headers of its answer, and the refusal where the bucket is empty."""
        limits = self._limits_of(tenant)
        rate, burst = limits.requests_per_s, limits.request_burst
        if rate <= 0:
            return {}, None
        now_s = self._clock()
        bucket = self._buckets.setdefault(tenant, _Bucket(tokens=float(burst), at_s=now_s))
        self._buckets.move_to_end(tenant)
        while len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        bucket.tokens = min(float(burst), bucket.tokens + (now_s - bucket.at_s) * rate)
        bucket.at_s = now_s
        refusal = None
        if bucket.tokens < 1:
            wait_s = (1 - bucket.tokens) / rate
            refusal = Overloaded(f"More than {rate:g} requests a second; try again in {wait_s:.1f} seconds.", wait_s)
        else:
            bucket.tokens -= 1
        full_in_s = (burst - bucket.tokens) / rate
        return {
            "ratelimit-policy": f'"{POLICY}";q={burst};w={math.ceil(burst / rate)}',
            "ratelimit": f'"{POLICY}";r={int(bucket.tokens)};t={math.ceil(full_in_s)}',
        }, refusal
