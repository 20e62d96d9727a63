"""The bound on what may wait in the whole cluster: beyond it new jobs are refused, and ``/readyz`` says so."""

import math
from dataclasses import dataclass

from deployments.limits import BacklogBound
from pipelines.errors import Overloaded
from pipelines.ledger.protocol import Backlog, Ledger

RETRY_AFTER_S = 60.0
MIN_RETRY_S, MAX_RETRY_S = 5.0, 3600.0


@dataclass(frozen=True, kw_only=True)
class FullBacklog:
    """The bound is reached: what waits, in words, and the audio seconds beyond it (0 where jobs are too many)."""

    what: str
    excess_s: float = 0.0

    def retry_after_s(self, speed: float) -> int:
        """Return the seconds to wait, at ``speed`` audio seconds per second (0: unknown)."""
        wait_s = self.excess_s / speed if speed > 0 and self.excess_s else RETRY_AFTER_S
        return math.ceil(min(max(wait_s, MIN_RETRY_S), MAX_RETRY_S))


def full_backlog(ledger: Ledger, bound: BacklogBound) -> FullBacklog | None:
    """Return what fills the cluster's backlog; None while there is room. Blocks. Raises `LedgerUnavailable`."""
    if not bound.is_set:
        return None
    found: Backlog = ledger.backlog(None)
    if found.n_jobs >= bound.max_jobs:
        return FullBacklog(what=f"{found.n_jobs} jobs wait or run in this cluster already")
    if found.audio_s >= bound.max_audio_s:
        what = f"{found.audio_s:.0f} seconds of audio wait in this cluster already"
        return FullBacklog(what=what, excess_s=found.audio_s - bound.max_audio_s)
    return None


def check_bound(ledger: Ledger, bound: BacklogBound) -> None:
    """Raise `Overloaded` where the bound is reached. Blocks. Raises `LedgerUnavailable`."""
    if full := full_backlog(ledger, bound):
        wait_s = full.retry_after_s(0.0)
        raise Overloaded(f"{full.what}; try again in {wait_s} seconds.", wait_s)
