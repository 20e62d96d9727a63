"""The cluster in a process of its own, over a ledger and a folder that outlive it: for tests that kill or freeze it."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from deployments.notifications.messages import JobNotifications
from deployments.retention.erasure import erase
from pipelines.core import ChunkResult
from pipelines.errors import Fenced, JobUnknown
from pipelines.ledger.open import open_ledger
from pipelines.storage.open import open_store
from pipelines.whisper.options import DecodeRequest
from tests.fakes.engine import FakeEngine
from tests.support.in_process_cluster import InProcessCluster
from tests.support.waiting import until

TENANT = "t"
NOTIFICATIONS = JobNotifications(
    webhook="https://hooks.example/"
)  # nobody delivers: what is to be told stays in the outbox
LEDGER_WRITES = frozenset(
    {
        *("create", "acquire_lease", "release", "claim", "apply", "apply_many", "record", "delete"),
        *("write", "settle", "forget"),  # of its search index
        *("begin", "finish"),  # of its receipts
    }
)
STORE_WRITES = frozenset({"put", "put_all", "put_file", "delete", "delete_prefix"})

# A server that has imported everything already forks each process in milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.integration.cluster_process"])


@dataclass(frozen=True, kw_only=True)
class Program:
    """What the process does: submits ``jobs`` (numbers by id) that are not there yet and sees them through.

    ``die_after``: SIGKILL itself right after this many durable writes. ``freeze_after``: SIGSTOP itself after this
    many, but not inside a transaction of the ledger, whose lock would stop everybody; go on until fenced.
    ``batch_s``: time a batch takes.
    ``afterlife_s``: how long it goes on after it found that it is fenced. ``diarize`` is the option of its jobs.
    ``purge``: it erases the jobs once they are indexed, and writes are counted from then on.
    """

    ledger_url: str
    store_url: str
    owner: str
    jobs: Mapping[str, Sequence[int]]
    die_after: int = 0
    freeze_after: int = 0
    batch_s: float = 0.0
    afterlife_s: float = 2.0
    diarize: str | None = None
    purge: bool = False


def start(program: Program) -> tuple[ForkServerProcess, Connection]:
    """Start it; the connection brings "fenced" when it finds that, and "done" when its jobs have ended."""
    ours, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=_main, args=(program, theirs), daemon=True)
    process.start()
    theirs.close()
    return process, ours


class _Clockwork:
    """Kills or freezes this process after so many writes."""

    def __init__(self, program: Program) -> None:
        self.transaction = threading.Lock()
        self._die_after = program.die_after
        self._freeze_after = program.freeze_after
        self._n_writes = 0
        self._counts = not program.purge
        self._lock = threading.Lock()

    def count_on(self) -> None:
        with self._lock:
            self._counts = True

    def tick(self) -> None:
        with self._lock:
            if not self._counts:
                return
            self._n_writes += 1
            if self._n_writes == self._die_after:
                os.kill(os.getpid(), signal.SIGKILL)
            if self._n_writes == self._freeze_after:
                with self.transaction:
                    # Sent to this very thread: a signal to the process may stop another thread first, and this one
                    # would go on long enough to give the lock to a thread that then stops inside a transaction.
                    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


class _Watched:
    """Passes calls on to ``inner``, those under ``lock`` one at a time, and ticks after each that wrote."""

    def __init__(
        self, inner: Any, writes: frozenset[str], clockwork: _Clockwork, lock: AbstractContextManager[Any]
    ) -> None:
        self._inner = inner
        self._writes = writes
        self._clockwork = clockwork
        self._lock = lock

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if not callable(method):  # a part of the ledger
            return _Watched(method, self._writes, self._clockwork, self._lock)

        def call(*args: Any, **kwargs: Any) -> Any:
            with self._lock:
                result = method(*args, **kwargs)
            if name in self._writes:
                self._clockwork.tick()
            return result

        return call


class SlowEngine(FakeEngine):
    """Takes its time for each batch."""

    def __init__(self, batch_s: float) -> None:
        super().__init__(languages=("en",))
        self._batch_s = batch_s

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        time.sleep(self._batch_s)
        return super().transcribe(rows)


def _main(program: Program, messages: Connection) -> None:
    asyncio.run(_live(program, messages))


async def _see_through(cluster: InProcessCluster, program: Program, clockwork: _Clockwork) -> None:
    await cluster.ended(*(cluster.ledger.get(TENANT, job_id) for job_id in program.jobs))
    await until(lambda: not cluster.ledger.search.pending(1))
    if program.purge:
        clockwork.count_on()
        for job_id in program.jobs:
            job = cluster.ledger.get(TENANT, job_id)
            await asyncio.to_thread(erase, cluster.ledger, cluster.store, job)


async def _live(program: Program, messages: Connection) -> None:
    cluster, clockwork = _opened(program)
    async with cluster.indexing():
        await _work(cluster, program, clockwork, messages)


def _opened(program: Program) -> tuple[InProcessCluster, _Clockwork]:
    clockwork = _Clockwork(program)
    cluster = InProcessCluster(
        _Watched(open_ledger(program.ledger_url), LEDGER_WRITES, clockwork, clockwork.transaction),
        _Watched(open_store(program.store_url), STORE_WRITES, clockwork, contextlib.nullcontext()),
        engine=SlowEngine(program.batch_s),
        owner=program.owner,
        notifications=NOTIFICATIONS,
    )
    return cluster, clockwork


async def _work(cluster: InProcessCluster, program: Program, clockwork: _Clockwork, messages: Connection) -> None:
    for job_id, numbers in program.jobs.items():
        try:
            cluster.ledger.get(TENANT, job_id)
        except JobUnknown:
            cluster.submit(job_id, numbers, tenant=TENANT, diarize=program.diarize)
    await cluster.coordinator.start()
    ended = asyncio.create_task(_see_through(cluster, program, clockwork))
    with contextlib.suppress(Fenced):
        while program.freeze_after or not ended.done():
            await asyncio.sleep(0.02)
            cluster.coordinator.check()
        await cluster.coordinator.stop()
        messages.send("done")
        return
    messages.send("fenced")
    await asyncio.sleep(program.afterlife_s)
    await cluster.coordinator.stop()
