"""`Dispatcher`: lets the replicas of one Whisper model pull their batches.

A pull is a call of `Transcriber.work` without payload. A replica that runs it claims its batch only then,
so batches form late, over all jobs, by the fair queue's order; Serve's autoscaler still sees the load as
ongoing requests. Items are leased to the pull that claimed them: when its call fails, or takes longer than it may,
they come back. The last attempt of an item is made alone, so that one that kills its replica takes no other with it.
"""

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace

import structlog

from deployments.ports import TranscriberPort
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.core import ModelInfo
from pipelines.scheduling.fair_queue import FairQueue
from pipelines.scheduling.shards import WHOLE, Shard
from pipelines.scheduling.work_item import WorkItem

log = structlog.get_logger()

HUNG_IF_SLOWER = 10.0  # times than the slowest batch so far
GATHER_S = 0.1  # that an idle replica waits for more rows while they come fast:
FAST_S = 0.3  # when the last came less than this before
_MAX_ERROR_CHARS = 4000  # of an attempt: a traceback's end fits

ItemKey = tuple[str, int, bool]
"""Job, chunk, task: what no two items in the cluster share."""


def batch_timeout(
    *, audio_s: float, ahead_s: float, slowest_speed: float | None, wait_timeout_s: float, min_speed: float
) -> float:
    """Return the seconds after which a claimed batch counts as hung.

    ``audio_s`` is the batch's audio, ``ahead_s`` that of a batch which the device may decode first. Speeds are audio
    seconds per second: the slowest measured so far, and ``min_speed`` to assume before anything was measured.
    """
    speed = slowest_speed / HUNG_IF_SLOWER if slowest_speed else min_speed
    return wait_timeout_s + (audio_s + ahead_s) / speed


@dataclass(kw_only=True)
class PullCall:
    """One call of a Transcriber, and the items leased to it. A call that has failed keeps them for a moment."""

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    items: dict[ItemKey, WorkItem] = field(default_factory=dict)
    limit: asyncio.Timeout = field(default_factory=lambda: asyncio.Timeout(None))
    claimed_at_s: float | None = None
    claimed_audio_s: float = 0.0
    ended: bool = False
    _leased_s: float = field(default=0.0, init=False)  # as far as sums and differences of floats tell

    @property
    def audio_s(self) -> float:
        """Audio seconds leased now: those claimed, less those with an outcome."""
        return self._leased_s if self.items else 0.0

    def claim(self, items: list[WorkItem], now_s: float) -> None:
        """Lease items to this call."""
        held_s = self.audio_s
        self.items.update({key_of(item): item for item in items})
        self._leased_s = held_s + sum(item.audio_s for item in items)
        self.claimed_at_s, self.claimed_audio_s = now_s, self.audio_s

    def take(self, key: ItemKey) -> WorkItem | None:
        """End an item's lease; return the item, None where this call does not hold it."""
        item = self.items.pop(key, None)
        if item is not None:
            self._leased_s -= item.audio_s
        return item

    def speed(self, now_s: float) -> float | None:
        """Return the audio seconds per second since the claim; None if nothing was claimed."""
        if self.claimed_at_s is None:
            return None
        return self.claimed_audio_s / max(now_s - self.claimed_at_s, 1e-3)


class Dispatcher:
    """Queues the items of one model and leases them to its open pulls. Belongs to one event loop.

    ``give_up(item, why)`` is called for an item whose ``max_attempts`` are used up, ``lost(pull_id, item, why)`` for
    one whose call ended without its outcome. A claimed batch may take `batch_timeout` seconds. A replica decodes
    ``decode_slots`` batches at once: too few items to fill all of them are divided. ``clock`` gives monotonic seconds.
    A pull's id names the ``shard``, which has to hear of its outcome. ``expects_more`` says whether recordings are cut
    whose rows are to come.
    """

    def __init__(
        self,
        model: str,
        transcriber: TranscriberPort,
        *,
        give_up: Callable[[WorkItem, str], None],
        lost: Callable[[str, WorkItem, str], None] = lambda pull_id, item, why: None,
        max_pulls: int,
        batch_size: int,
        max_attempts: int,
        decode_slots: int = 1,
        shard: Shard = WHOLE,
        pause_s: float = 1.0,
        wait_timeout_s: float = 120.0,
        min_speed: float = 0.02,
        counters: CoordinatorMetrics | None = None,
        clock: Callable[[], float] = time.monotonic,
        expects_more: Callable[[], bool] = lambda: True,
    ) -> None:
        self.model = model
        self.queue = FairQueue()
        self.replica = ModelInfo(name=model)  # the last replica that claimed: what transcripts name
        self._transcriber = transcriber
        self._give_up = give_up
        self._lost = lost
        self._counters = counters or CoordinatorMetrics()
        self._max_pulls = max_pulls
        self._batch_size = batch_size
        self._max_attempts = max_attempts
        self._decode_slots = decode_slots
        self._shard = shard
        self._pause_s = pause_s
        self._patience_s = wait_timeout_s
        self._min_speed = min_speed
        self._clock = clock
        self._expects_more = expects_more
        self._slowest_speed: float | None = None
        self._pulls: dict[str, PullCall] = {}
        self._postponed: dict[ItemKey, WorkItem] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._arrived = asyncio.Event()  # set while something is queued
        self._full = asyncio.Event()  # set while a whole batch is
        self._added_s = -math.inf  # when items were queued last
        self._come_fast = False

    @property
    def leased_s(self) -> float:
        """Audio seconds that replicas work on now."""
        return sum(pull.audio_s for pull in self._pulls.values())

    @property
    def n_pulls(self) -> int:
        """Calls that are open now."""
        return len(self._pulls)

    @property
    def n_leased(self) -> int:
        """Calls that hold a batch now."""
        return sum(bool(pull.items) for pull in self._pulls.values())

    def describe(self, n_replicas: int) -> str:
        """Say how many replicas there are, and on what they compute once one of them has claimed."""
        kind = f" on {self.replica.device} ({self.replica.compute_type})" if self.replica.device else ""
        return f"{n_replicas} replica{'' if n_replicas == 1 else 's'}{kind}"

    def allow(self, max_pulls: int) -> None:
        """Keep so many pulls open from now on: the model got more replicas, or has fewer."""
        self._max_pulls = max_pulls
        self._open_pulls()

    def add(self, items: list[WorkItem]) -> None:
        """Queue items and open as many pulls as they need."""
        now_s = self._clock()
        self._come_fast = now_s - self._added_s < FAST_S
        self._added_s = now_s
        for item in items:
            self.queue.add(item)
        self._open_pulls()

    def claim(self, pull_id: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        """Lease the next batch to a pull; return nothing for one that is not open (an older Coordinator's)."""
        pull = self._pulls.get(pull_id)
        if pull is None or pull.ended:
            return ()
        items = self.queue.take(min(max_items, max(1, math.ceil(len(self.queue) / self._decode_slots))))
        if items and items[0].alone and self._has_alone_out():
            # A row's last attempt must not wait in a process that another one's last attempt may kill.
            self._later(items[0])
            items = []
        if items:
            pull.claim(items, self._clock())
            self._limit(pull)
        self.replica = replica
        self._batch_size = max_items
        self._open_pulls()  # for what is left, where this batch is smaller than was reckoned
        return tuple(items)

    async def park(self, pull_id: str, until_s: float) -> bool:
        """Wait until something is queued; False where the pull is not open, or nothing came by ``until_s`` (loop time).

        A parked pull has no batch whose time could run out; no other pull is opened for what it can take. Where rows
        come one soon after another it waits for a few more: each batch costs messages, and a device as much as a larger
        one.
        """
        pull = self._pulls.get(pull_id)
        if pull is None or pull.ended or pull.items:
            return False
        pull.limit.reschedule(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                await self._arrived.wait()
                if self._come_fast and self._expects_more():
                    async with asyncio.timeout(GATHER_S):
                        await self._full.wait()
        return self._arrived.is_set()

    def settle(self, pull_id: str, item: WorkItem) -> bool:
        """End an item's lease; False when the pull no longer holds it, so that its outcome must be ignored."""
        pull = self._pulls.get(pull_id)
        return pull is not None and pull.take(key_of(item)) is not None

    def retry(self, item: WorkItem, why: str, cause: str = "item") -> None:
        """Queue an item again before its job's others, or give it up after the last attempt.

        ``cause``: the fault seems to be the ``item``'s or its ``replica``'s.
        """
        tried = replace(item, errors=(*item.errors, why[-_MAX_ERROR_CHARS:]))
        n_tried = item.attempt + 1
        if n_tried >= self._max_attempts:
            self._give_up(tried, why)
            return
        self._counters.retried(self.model, cause)
        self.queue.add(replace(tried, attempt=n_tried, alone=n_tried + 1 >= self._max_attempts), first=True)
        self._open_pulls()

    def postpone(self, item: WorkItem) -> None:
        """Queue an item again after a pause: the failure was not the item's fault, so it does not count."""
        self._counters.retried(self.model, "storage")
        self._later(item)

    def drop(self, tenant: str, job_id: str) -> None:
        """Forget a job: remove its waiting items, ignore the outcomes of its leased ones."""
        self.queue.drop(tenant, job_id)
        for key in [key for key in self._postponed if key[0] == job_id]:
            del self._postponed[key]
        for pull in self._pulls.values():
            for key in [key for key in pull.items if key[0] == job_id]:
                pull.take(key)

    async def close(self) -> None:
        """Cancel the open pulls."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open_pulls(self) -> None:
        _set_if(self._arrived, len(self.queue) > 0)
        _set_if(self._full, len(self.queue) >= self._batch_size)
        n_batches = max(math.ceil(len(self.queue) / self._batch_size), min(self._decode_slots, len(self.queue)))
        n_idle = sum(not pull.items for pull in self._pulls.values())
        n_wanted = min(self._max_pulls, n_batches) - n_idle
        for _ in range(min(n_wanted, self._max_pulls - len(self._pulls))):
            pull = PullCall(id=self._shard.named(uuid.uuid4().hex))
            self._pulls[pull.id] = pull
            self._spawn(self._run(pull))

    def _limit(self, pull: PullCall) -> None:
        """Start a claimed batch's clock."""
        timeout_s = batch_timeout(
            audio_s=pull.audio_s,
            ahead_s=max((other.audio_s for other in self._pulls.values() if other is not pull), default=0.0),
            slowest_speed=self._slowest_speed,
            wait_timeout_s=self._patience_s,
            min_speed=self._min_speed,
        )
        pull.limit.reschedule(asyncio.get_running_loop().time() + timeout_s)

    async def _run(self, pull: PullCall) -> None:
        why = "the replica returned without an outcome"
        try:
            async with pull.limit:
                await self._transcriber.work(pull.id)
            if speed := pull.speed(self._clock()):
                self._slowest_speed = min(speed, self._slowest_speed or speed)
        except Exception as error:  # whatever ended the call, its items must come back
            expired = pull.limit.expired()
            pull.ended = True
            why = "the batch took longer than it may" if expired else f"{type(error).__name__}: {error}"
            log.warning("pull failed", action="pull", model=self.model, error=why)
            await asyncio.sleep(self._pause_s)
        finally:
            del self._pulls[pull.id]
        for item in pull.items.values():
            self._lost(pull.id, item, why)
            self.retry(item, why, "replica")
        self._open_pulls()

    def _has_alone_out(self) -> bool:
        return any(item.alone for pull in self._pulls.values() for item in pull.items.values())

    def _later(self, item: WorkItem) -> None:
        self._postponed[key_of(item)] = item
        self._spawn(self._add_later(item))

    async def _add_later(self, item: WorkItem) -> None:
        await asyncio.sleep(self._pause_s)
        if self._postponed.get(key_of(item)) is item:  # else its job was dropped meanwhile
            del self._postponed[key_of(item)]
            self.queue.add(item, first=True)
            self._open_pulls()

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"dispatcher of {self.model}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _set_if(event: asyncio.Event, holds: bool) -> None:
    if holds:
        event.set()
    else:
        event.clear()


def key_of(item: WorkItem) -> ItemKey:
    """Return the key under which an item is leased."""
    return (item.job_id, item.chunk.index, item.is_voting)
