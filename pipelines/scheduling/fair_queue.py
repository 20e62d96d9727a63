"""`FairQueue`: which chunks the next batch holds.

Start-time fair queueing (Goyal, Vin, Cheng 1996) on two levels, counted in audio seconds: tenants share
the machine, and within a tenant the jobs of the highest priority share what the tenant gets. A short job
submitted during a long one therefore finishes as if it had its share of the machine. Jobs with a deadline go before
those of their tenant and priority that have none, the earliest first. Economy rows of all tenants come after the
standard ones of all tenants, and share what those leave in the same way. Pure: no clock, no I/O.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from pipelines.scheduling.work_item import Group, WorkItem

"""Task, word times, beams, and what a row that is alone shares with no other."""

Found = TypeVar("Found")
Name = TypeVar("Name", str, tuple[bool, str])

Sharer = tuple[bool, str]
"""Whether it is about economy rows, and the tenant: the two classes of a tenant's rows are shared out separately."""


class _Ranking(Generic[Name]):
    """Ranks names, the lowest first; ranks change often, so outdated entries of the heap are skipped when met."""

    def __init__(self) -> None:
        self._ranks: dict[Name, tuple[float, ...]] = {}
        self._heap: list[tuple[tuple[float, ...], Name]] = []

    def set(self, name: Name, *rank: float) -> None:
        """Give a name its rank, instead of an earlier one."""
        if self._ranks.get(name) != rank:
            self._ranks[name] = rank
            heapq.heappush(self._heap, (rank, name))

    def discard(self, name: Name) -> None:
        """Forget a name."""
        self._ranks.pop(name, None)

    def best(self, find: Callable[[Name], Found | None]) -> Found | None:
        """Return what ``find`` returns for the first name by rank for which it is not None."""
        passed: list[tuple[tuple[float, ...], Name]] = []
        found: Found | None = None
        while self._heap and found is None:
            rank, name = self._heap[0]
            if self._ranks.get(name) == rank and (found := find(name)) is not None:
                break
            entry = heapq.heappop(self._heap)
            if self._ranks.get(name) == rank:
                passed.append(entry)
        for entry in passed:
            heapq.heappush(self._heap, entry)
        return found


@dataclass
class _Lane:
    """Items of one job and the service it got so far; ``number`` says who came first."""

    number: int
    served_s: float = 0.0
    items: deque[WorkItem] = field(default_factory=deque)


@dataclass
class _Tenant:
    """Queues (lanes) of one tenant's jobs by id, none of them empty.

    ``level_s`` is the service that the lane served last had before: what a new job is taken to have got.
    """

    lanes: dict[str, _Lane] = field(default_factory=dict)
    ranking: _Ranking[str] = field(default_factory=_Ranking)
    level_s: float = 0.0

    def rank(self, job_id: str) -> None:
        """Give a job its place again: by its priority, its deadline, the service it got, its age."""
        lane = self.lanes[job_id]
        first = lane.items[0]
        deadline_s = math.inf if first.deadline_s is None else first.deadline_s
        self.ranking.set(job_id, -first.priority, deadline_s, lane.served_s, lane.number)

    def forget(self, job_id: str) -> None:
        del self.lanes[job_id]
        self.ranking.discard(job_id)

    def next_lane(self, group: Group | None) -> _Lane | None:
        """Return the lane whose first item is the fairest one of a group."""

        def fitting(job_id: str) -> _Lane | None:
            lane = self.lanes[job_id]
            return lane if group in (None, lane.items[0].group) else None

        return self.ranking.best(fitting)


class FairQueue:
    """Queues chunks for a device; adding and taking cost the logarithm of the jobs. Belongs to one event loop."""

    def __init__(self) -> None:
        self._tenants: dict[Sharer, _Tenant] = {}  # those with items
        self._served_s: dict[Sharer, float] = {}  # also of those that come again while others wait
        self._ranking: _Ranking[Sharer] = _Ranking()
        self._numbers = itertools.count()
        self._backlog_s = self._economy_backlog_s = 0.0
        self._n_items = self._n_economy = 0

    def __len__(self) -> int:
        return self._n_items

    @property
    def backlog_s(self) -> float:
        """Audio seconds that wait."""
        return self._backlog_s if self._n_items else 0.0

    @property
    def economy_backlog_s(self) -> float:
        """Audio seconds of economy rows that wait, which are part of `backlog_s`."""
        return self._economy_backlog_s if self._n_economy else 0.0

    def add(self, item: WorkItem, *, first: bool = False) -> None:
        """Queue an item behind its job's others, or before them (``first``) when it comes back after a failure."""
        tenant = self._tenants.get(_sharer(item)) or self._join(_sharer(item))
        lane = tenant.lanes.get(item.job_id)
        if lane is None:
            lane = tenant.lanes[item.job_id] = _Lane(number=next(self._numbers), served_s=tenant.level_s)
        if first:
            lane.items.appendleft(item)
        else:
            lane.items.append(item)
        tenant.rank(item.job_id)
        self._count(item, 1)

    def take(self, max_items: int) -> list[WorkItem]:
        """Remove and return the next batch: the fairest item first, then the fairest of the same group."""
        batch: list[WorkItem] = []
        while len(batch) < max_items:
            group = batch[0].group if batch else None
            lane = self._ranking.best(lambda name, group=group: self._tenants[name].next_lane(group))  # type: ignore[misc]
            if lane is None:
                break
            batch.append(self._serve(lane))
        return batch

    def drop(self, tenant: str, job_id: str) -> int:
        """Forget a job's waiting items; return how many there were."""
        return len(self._remove(False, tenant, job_id)) + len(self._remove(True, tenant, job_id))

    def promote(self, tenant: str, job_id: str) -> int:
        """Queue a job's economy rows as standard ones; return how many there were."""
        items = self._remove(True, tenant, job_id)
        for item in items:
            self.add(replace(item, economy=False))
        return len(items)

    def _remove(self, economy: bool, tenant: str, job_id: str) -> tuple[WorkItem, ...]:
        known = self._tenants.get((economy, tenant))
        if known is None or job_id not in known.lanes:
            return ()
        items = tuple(known.lanes[job_id].items)
        for item in items:
            self._count(item, -1)
        self._forget((economy, tenant), job_id)
        return items

    def _count(self, item: WorkItem, n: int) -> None:
        self._n_items += n
        self._backlog_s += n * item.audio_s
        if item.economy:
            self._n_economy += n
            self._economy_backlog_s += n * item.audio_s

    def _join(self, name: Sharer) -> _Tenant:
        """Let a tenant that was away neither save up service nor owe any: it joins at the least-served level."""
        level = min((self._served_s[other] for other in self._tenants if other[0] == name[0]), default=0.0)
        self._served_s[name] = max(self._served_s.get(name, 0.0), level)
        self._rank(name)
        tenant = self._tenants[name] = _Tenant()
        return tenant

    def _rank(self, name: Sharer) -> None:
        """Give a tenant its place again: after all with standard rows, by the service it got."""
        self._ranking.set(name, name[0], self._served_s[name])

    def _serve(self, lane: _Lane) -> WorkItem:
        item = lane.items.popleft()
        name = _sharer(item)
        self._tenants[name].level_s = lane.served_s
        lane.served_s += item.audio_s
        self._served_s[name] += item.audio_s
        self._count(item, -1)
        if lane.items:
            self._tenants[name].rank(item.job_id)
            self._rank(name)
        else:
            self._forget(name, item.job_id)
        return item

    def _forget(self, name: Sharer, job_id: str) -> None:
        """Remove a lane; with a tenant's last one, the tenant, and with the last tenant what everybody got."""
        tenant = self._tenants[name]
        tenant.forget(job_id)
        if tenant.lanes:
            self._rank(name)
            return
        del self._tenants[name]
        self._ranking.discard(name)
        if not self._tenants:
            self._served_s.clear()


def _sharer(item: WorkItem) -> Sharer:
    return item.economy, item.tenant
