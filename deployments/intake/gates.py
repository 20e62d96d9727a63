"""`Gate`: how much may be under way at once, in all and for each tenant. A slot is taken once and given back once."""

from collections import Counter
from collections.abc import Callable
from typing import Self

from pipelines.errors import Overloaded

RETRY_AFTER_S = 5.0
RESERVE_DIVISOR = 4  # the last quarter of the slots is for tenants that hold none


class Slot:
    """Holds a place in a `Gate` until its context ends or `release` is called."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def release(self) -> None:
        """Give the slot back; may be called twice."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


class Gate:
    """Lets at most ``limit`` in at once, of one tenant at most ``share(tenant)``, and refuses the others.

    The last quarter of the slots is for tenants that hold none, so that those who were first cannot keep everybody
    else out. Refusal and entry are one step: a request with a slot is not refused later. Belongs to one event loop.
    """

    def __init__(self, limit: int, what: str, share: Callable[[str], int] | None = None) -> None:
        self._limit = limit
        self._what = what
        self._share = share or (lambda tenant: limit)
        self._n_by_tenant: Counter[str] = Counter()

    @property
    def n_inside(self) -> int:
        """Slots that are taken."""
        return self._n_by_tenant.total()

    @property
    def tenants(self) -> frozenset[str]:
        """Those that hold a slot."""
        return frozenset(self._n_by_tenant)

    def acquire(self, tenant: str = "") -> Slot:
        """Take a slot; raises `Overloaded`."""
        n_own, n_all = self._n_by_tenant[tenant], self.n_inside
        complaint = ""
        if n_all >= self._limit:
            complaint = f"{self._limit} {self._what} are already under way"
        elif n_own >= self._share(tenant):
            complaint = f"{n_own} of your {self._what} are already under way"
        elif n_own and n_all >= self._limit - self._limit // RESERVE_DIVISOR:
            complaint = f"The last places for {self._what} are kept for others, and {n_own} of yours are under way"
        if complaint:
            self._forget_empty(tenant)
            raise Overloaded(f"{complaint}; try again in {RETRY_AFTER_S:.0f} seconds.", RETRY_AFTER_S)
        self._n_by_tenant[tenant] += 1
        return Slot(lambda: self._leave(tenant))

    def _leave(self, tenant: str) -> None:
        self._n_by_tenant[tenant] -= 1
        self._forget_empty(tenant)

    def _forget_empty(self, tenant: str) -> None:
        if not self._n_by_tenant[tenant]:
            del self._n_by_tenant[tenant]
