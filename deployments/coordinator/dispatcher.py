"""`TicketOffice`: empty calls that draw work to the replicas of one Whisper model.

A ticket is a call of `Transcriber.work` without payload. A replica that runs it claims its batch only then,
so batches form late, over all jobs, by the fair queue's order; Serve's autoscaler still sees the load as
ongoing requests. Items are leased to the ticket that claimed them: when its call fails, or takes longer than it may,
they come back. The last attempt of an item is made alone, so that one that kills its replica takes no other with it.
"""

import asyncio
import math
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from deployments.ports import TranscriberPort
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.core import ModelInfo
from pipelines.scheduling.fair_queue import FairQueue
from pipelines.scheduling.work_item import WorkItem

log = structlog.get_logger()

_SLOWER = 10.0  # than the slowest batch so far: such a batch hangs
_MAX_ERROR_CHARS = 4000  # of an attempt: a traceback's end fits


class TicketOffice:
    """The queue, the leases and the open tickets of one model. Belongs to one event loop.

    ``give_up(item, why)`` is called for an item whose ``max_attempts`` are used up. A claimed batch may take
    ``wait_timeout_s`` seconds plus its audio at a tenth of the slowest speed met so far; before anything was measured,
    at ``min_speed`` (audio seconds per second). A replica decodes ``lanes`` batches at once: what is too little to
    fill all of them is divided.
    """

    def __init__(
        self,
        model: str,
        transcriber: TranscriberPort,
        *,
        give_up: Callable[[WorkItem, str], None],
        max_tickets: int,
        batch_size: int,
        max_attempts: int,
        lanes: int = 1,
        pause_s: float = 1.0,
        wait_timeout_s: float = 120.0,
        min_speed: float = 0.02,
        measures: CoordinatorMetrics | None = None,
    ) -> None:
        self.model = model
        self.queue = FairQueue()
        self.replica = ModelInfo(name=model)  # the last replica that claimed: what transcripts name
        self._transcriber = transcriber
        self._give_up = give_up
        self._measures = measures or CoordinatorMetrics()
        self._max_tickets = max_tickets
        self._batch_size = batch_size
        self._max_attempts = max_attempts
        self._lanes = lanes
        self._pause_s = pause_s
        self._patience_s = wait_timeout_s
        self._min_speed = min_speed
        self._slowest_speed: float | None = None
        self._limits: dict[str, asyncio.Timeout] = {}
        self._claimed: dict[str, tuple[float, float]] = {}  # ticket → when (loop's clock), audio seconds
        self._leases: dict[str, dict[tuple[str, int, str], WorkItem]] = {}
        self._tickets: set[asyncio.Task[None]] = set()
        self._postponed: set[asyncio.Task[None]] = set()

    @property
    def leased_s(self) -> float:
        """Audio seconds that replicas work on now."""
        return sum(_audio_s(lease) for lease in self._leases.values())

    @property
    def n_tickets(self) -> int:
        """Calls that are open now."""
        return len(self._tickets)

    def describe(self, n_replicas: int) -> str:
        """How many replicas there are, and on what they compute once one of them has claimed."""
        kind = f" on {self.replica.device} ({self.replica.compute_type})" if self.replica.device else ""
        return f"{n_replicas} replica{'' if n_replicas == 1 else 's'}{kind}"

    def allow(self, max_tickets: int) -> None:
        """Keep so many tickets open from now on: the model got more replicas, or has fewer."""
        self._max_tickets = max_tickets
        self._open_tickets()

    def add(self, items: list[WorkItem]) -> None:
        """Queue items and open as many tickets as they need."""
        for item in items:
            self.queue.add(item)
        self._open_tickets()

    def claim(self, ticket: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        """Lease the next batch to a ticket; nothing for a ticket this office does not know (an older Coordinator's)."""
        if ticket not in self._leases:
            return ()
        items = self.queue.take(min(max_items, max(1, math.ceil(len(self.queue) / self._lanes))))
        if items and items[0].alone and self._has_alone_out():
            # A row's last attempt must not wait in a process that another one's last attempt may kill.
            self._later(items[0])
            items = []
        self._leases[ticket].update({_key(item): item for item in items})
        if items:
            self._limit(ticket)
        self.replica = replica
        self._batch_size = max_items
        return tuple(items)

    def settle(self, ticket: str, item: WorkItem) -> bool:
        """End an item's lease; False when the ticket no longer holds it, so that its outcome must be ignored."""
        return self._leases.get(ticket, {}).pop(_key(item), None) is not None

    def retry(self, item: WorkItem, why: str, cause: str = "item") -> None:
        """Queue an item again before its job's others, or give it up after the last attempt.

        ``cause``: the fault seems to be the ``item``'s or its ``replica``'s.
        """
        if item.attempt + 1 >= self._max_attempts:
            self._give_up(replace(item, errors=(*item.errors, why[-_MAX_ERROR_CHARS:])), why)
            return
        self._measures.retried(self.model, cause)
        again = replace(
            item,
            attempt=item.attempt + 1,
            errors=(*item.errors, why[-_MAX_ERROR_CHARS:]),
            alone=item.attempt + 2 >= self._max_attempts,
        )
        self.queue.add(again, first=True)
        self._open_tickets()

    def postpone(self, item: WorkItem) -> None:
        """Queue an item again after a pause: what failed was not the item's fault, so it does not count."""
        self._measures.retried(self.model, "storage")
        self._later(item)

    def drop(self, tenant: str, job_id: str) -> None:
        """Forget a job: its waiting items go, its leased ones will be ignored."""
        self.queue.drop(tenant, job_id)
        for lease in self._leases.values():
            for key in [key for key in lease if key[0] == job_id]:
                del lease[key]

    async def close(self) -> None:
        """Cancel the open tickets."""
        tasks = self._tickets | self._postponed
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open_tickets(self) -> None:
        n_batches = max(math.ceil(len(self.queue) / self._batch_size), min(self._lanes, len(self.queue)))
        wanted = min(self._max_tickets, n_batches)
        idle = sum(1 for lease in self._leases.values() if not lease)
        for _ in range(min(wanted - idle, self._max_tickets - len(self._tickets))):
            ticket = uuid.uuid4().hex
            self._leases[ticket] = {}
            task = asyncio.create_task(self._run(ticket), name=f"ticket {self.model}")
            self._tickets.add(task)
            task.add_done_callback(self._ended)

    def _limit(self, ticket: str) -> None:
        """Start a claimed batch's clock. The device may still decode another batch first."""
        own_s = _audio_s(self._leases[ticket])
        before_s = max((_audio_s(lease) for name, lease in self._leases.items() if name != ticket), default=0.0)
        speed = self._slowest_speed / _SLOWER if self._slowest_speed else self._min_speed
        now_s = asyncio.get_running_loop().time()
        self._claimed[ticket] = (now_s, own_s)
        self._limits[ticket].reschedule(now_s + self._patience_s + (own_s + before_s) / speed)

    def _measure(self, ticket: str) -> None:
        if ticket in self._claimed:
            since_s, audio_s = self._claimed[ticket]
            speed = audio_s / max(asyncio.get_running_loop().time() - since_s, 1e-3)
            self._slowest_speed = min(speed, self._slowest_speed or speed)

    async def _run(self, ticket: str) -> None:
        why = ""
        limit = self._limits[ticket] = asyncio.timeout(None)
        try:
            async with limit:
                await self._transcriber.work(ticket)
            self._measure(ticket)
        except Exception as error:  # whatever ended the call, the ticket's items must come back
            why = "the batch took longer than it may" if limit.expired() else f"{type(error).__name__}: {error}"
            log.warning("ticket failed", action="ticket", model=self.model, error=why)
            await asyncio.sleep(self._pause_s)
        finally:
            lost = self._leases.pop(ticket)
            self._limits.pop(ticket)
            self._claimed.pop(ticket, None)
        for item in lost.values():
            self.retry(item, why or "the replica returned without an outcome", "replica")

    def _has_alone_out(self) -> bool:
        return any(item.alone for lease in self._leases.values() for item in lease.values())

    def _later(self, item: WorkItem) -> None:
        task = asyncio.create_task(self._add_later(item))
        self._postponed.add(task)
        task.add_done_callback(self._postponed.discard)

    async def _add_later(self, item: WorkItem) -> None:
        await asyncio.sleep(self._pause_s)
        self.queue.add(item, first=True)
        self._open_tickets()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tickets.discard(task)
        if not task.cancelled():
            self._open_tickets()


def _key(item: WorkItem) -> tuple[str, int, str]:
    return (item.job_id, item.chunk.index, item.task)


def _audio_s(lease: Mapping[tuple[str, int, str], WorkItem]) -> float:
    return sum(item.audio_s for item in lease.values())
