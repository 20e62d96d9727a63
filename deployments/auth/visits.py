"""`VisitMeter`: how often people may try to sign in, from one address and in all; each replica counts its own.

Whoever is nobody yet has no tenant whose limit could count.
"""

import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass

from deployments.auth.rate_limit import RateMeter
from deployments.limits import TenantLimits
from pipelines.errors import Overloaded

_ALL = "all"


@dataclass(frozen=True, kw_only=True)
class VisitLimits:
    """Visits of one kind in a minute, from one address and in all.

    ``n_proxies`` proxies in front of this server add the address of who asked them to ``X-Forwarded-For``.
    """

    per_address: int
    in_all: int
    n_proxies: int = 0


class VisitMeter:
    """Counts visits by their kind and address. Belongs to one event loop; ``clock`` gives monotonic seconds."""

    def __init__(self, limits: VisitLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._addresses = RateMeter(lambda _: _bucket(limits.per_address), clock)
        self._all = RateMeter(lambda _: _bucket(limits.in_all), clock)

    def count(self, kind: str, address: str) -> None:
        """Count a visit; raises `Overloaded` for one too many. ``address`` is empty where it is not known."""
        meters = [(self._addresses, address)] if address else []
        for meter, key in (*meters, (self._all, _ALL)):  # who is refused for the address takes nothing from others
            refusal = meter.charge(f"{kind} {key}")[1]
            if refusal is not None:
                wait_s = refusal.retry_after_s
                raise Overloaded(f"Too many try to sign in just now; try again in {wait_s:.0f} seconds.", wait_s)

    def address_of(self, peer: str, forwarded: str) -> str:
        """Return the address that a visit counts for: an IPv6 network of 64 bits is one; empty if nobody knows it.

        ``peer`` is who sent the request, ``forwarded`` the values of ``X-Forwarded-For`` joined by commas. Only what
        the last ``n_proxies`` have added counts: what stands before is what the visitor likes. A peer on this machine
        is a proxy that does not tell.
        """
        if self.limits.n_proxies:
            hops = [hop.strip() for hop in forwarded.split(",")]
            peer = hops[-self.limits.n_proxies] if len(hops) >= self.limits.n_proxies else ""
        try:
            address = ipaddress.ip_address(peer.strip("[]"))
        except ValueError:
            return ""
        if address.is_loopback and not self.limits.n_proxies:
            return ""
        if isinstance(address, ipaddress.IPv6Address):
            if address.ipv4_mapped is not None:
                return str(address.ipv4_mapped)
            return str(ipaddress.ip_network((address, 64), strict=False))
        return str(address)


def _bucket(per_minute: int) -> TenantLimits:
    return TenantLimits(requests_per_s=per_minute / 60, request_burst=per_minute)
