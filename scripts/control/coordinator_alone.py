"""The Coordinator in a process of its own, with all around it done beforehand or at once: what it costs by itself.

Ray's and Serve's messages are not among it: `scripts/bench-control` without ``--alone`` measures them, too. This module
is also run as a program over another checkout's code (`run_alone`), which must know shards.
"""

import asyncio
import contextlib
import itertools
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psutil
import structlog

from cluster.settings.sections import LogSettings
from cluster.wiring.logging import configure_logging
from deployments.coordinator.coordinator import Coordinator
from deployments.coordinator.options import CoordinatorOptions
from deployments.ports import (
    EndedJob,
    MinutesRequest,
    Outcome,
    SegmentRequest,
    Stitched,
    StitchRequest,
    WrittenResults,
)
from deployments.telemetry.reports import BatchReport, SegmentReport, WritingReport
from pipelines.core import SAMPLE_RATE, BlobRef, Chunk, ModelInfo, SourceSummary, Span, SpeechInterval
from pipelines.ids import new_id
from pipelines.jobs.job import Job, JobOptions
from pipelines.jobs.usage import JobUsage
from pipelines.ledger.database import Database
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.models.profile import ModelProfile
from pipelines.scheduling.shards import WHOLE, Shard
from pipelines.storage.folder import LocalStore
from pipelines.storage.layout import JobKeys
from scripts.control.instant_cluster import STORE_OPERATIONS

MODEL = "instant"
LANGUAGE = "en"
CHUNK_S = 17.5
CHUNKS_PER_SPAN = 10
ROWS = 16
POLL_S = 0.05
WARM_UP_JOBS = 16
"""Jobs that are run before: for the first one the JSON coding of each record is built, which takes a tenth of a second.
"""


@dataclass(frozen=True, kw_only=True)
class Alone:
    """What the Coordinator took, processor seconds: ``loop_s`` in its event loop, ``threads_s`` in all others.

    ``server_s`` is what the ledger's server took meanwhile, for all shards together; 0 where it has none. ``calls`` are
    ledger transactions and store calls.
    """

    n_jobs: int
    n_chunks: int
    wall_s: float
    loop_s: float
    threads_s: float
    server_s: float
    calls: Counter[str]

    @property
    def ms_a_job(self) -> float:
        """Processor time of a job, milliseconds."""
        return 1000 * (self.loop_s + self.threads_s) / self.n_jobs

    def __str__(self) -> str:
        per_job = 1000 / self.n_jobs
        calls = ", ".join(f"{name} {n / self.n_jobs:.2f}" for name, n in sorted(self.calls.items()))
        return (
            f"{self.n_jobs} jobs of {self.n_chunks} chunks: {self.n_jobs / self.wall_s:.0f} jobs/s; a job takes "
            f"{self.ms_a_job:.2f} ms ({self.ms_a_job / self.n_chunks:.3f} a chunk): {self.loop_s * per_job:.2f} in the "
            f"loop and {self.threads_s * per_job:.2f} in threads; {calls}"
        )


def spans_of(keys: JobKeys, n_chunks: int) -> list[Span]:
    """Return the table of a recording of nothing but speech."""
    length = round(CHUNK_S * SAMPLE_RATE)
    chunks = [
        Chunk(
            index=index,
            channel=0,
            span=index // CHUNKS_PER_SPAN,
            pieces=(SpeechInterval(start=index * length, end=(index + 1) * length),),
        )
        for index in range(n_chunks)
    ]
    parts = [tuple(chunks[first : first + CHUNKS_PER_SPAN]) for first in range(0, n_chunks, CHUNKS_PER_SPAN)]
    return [
        Span(
            index=index,
            channel=0,
            start=own[0].start,
            end=own[-1].end,
            pcm=BlobRef(key=keys.pcm(0, index), n_bytes=1),
            chunks=own,
        )
        for index, own in enumerate(parts)
    ]


class Parts:
    """Segmenter, Transcribers and MinutesWriter, which say at once that all is done; nobody reads any results."""

    def __init__(self, n_chunks: int) -> None:
        self._n_chunks = n_chunks
        self.coordinator: Coordinator

    async def segment(self, request: SegmentRequest) -> AsyncIterator[Span | SourceSummary | SegmentReport]:
        spans = spans_of(JobKeys(tenant=request.tenant, job_id=request.job_id), self._n_chunks)
        for span in spans:
            yield span
        duration_s = spans[-1].end / SAMPLE_RATE
        yield SourceSummary(duration_s=duration_s, n_channels=1, n_spans=len(spans), n_chunks=self._n_chunks)
        yield SegmentReport(spans=())

    async def work(self, pull_id: str) -> int:
        info, n_rows = ModelInfo(name=MODEL), 0
        items = await self.coordinator.claim(pull_id, info, ROWS)
        while items:
            n_rows += len(items)
            report = BatchReport(
                n_rows=len(items), max_rows=ROWS, audio_s=1.0, read_s=0.0, wait_s=0.0, device_s=0.01, cpu_s=0.01
            )
            outcomes = tuple(Outcome(item=item) for item in items)
            settled = await self.coordinator.complete(pull_id, info, outcomes, report, max_items=ROWS, wait_s=1.0)
            items = settled.items
        return n_rows

    async def stitch(self, request: StitchRequest) -> Stitched:
        written = await self.write(request.documents) if request.documents else None
        return Stitched(usage=JobUsage(), notes=(), written=written)

    async def write(self, request: MinutesRequest) -> WrittenResults:
        await asyncio.sleep(0)
        return WrittenResults(names=("transcript.json",), report=WritingReport(outcome="none"))

    async def clean_up(self, ended: EndedJob) -> None:
        await asyncio.sleep(0)

    async def probe(self, tenant: str, url: str) -> Any:
        raise NotImplementedError("sources lie in the store here: there is no URL to look at")

    async def hear(self, request: Any) -> float:
        raise NotImplementedError("no job here tells speakers apart, which is the Diarizer's work and not measured")

    async def tell_apart(self, request: Any) -> Any:
        raise NotImplementedError("no job here tells speakers apart, which is the Diarizer's work and not measured")


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Write logs as a cluster does, but to nowhere."""
    before = structlog.get_config()
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        configure_logging(LogSettings(format="json"))
        try:
            yield
        finally:
            structlog.configure(**before)


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the transactions of ledgers and the calls of stores in this process."""
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def around(owner: type, name: str, what: str) -> Callable[[], None]:
        function = getattr(owner, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            with lock:
                counts[what] += 1
            return function(*args, **kwargs)

        setattr(owner, name, call)
        return lambda: setattr(owner, name, function)

    undo = [around(Database, name, f"ledger {name}") for name in ("writing", "reading")]
    undo += [around(LocalStore, name, f"store {name}") for name in STORE_OPERATIONS]
    try:
        yield counts
    finally:
        for back in undo:
            back()


def run_alone(
    tree: Path, n_shards: int, n_jobs: int, n_chunks: int, *, ledger_url: str = "", server_pid: int = 0
) -> list[Alone]:
    """Measure the Coordinators of the code in ``tree``, with so many jobs for each shard, in processes of their own.

    ``server_pid`` is the process of the ledger's server, 0 where it has none.
    """
    asked = {"n_shards": n_shards, "n_jobs": n_jobs, "n_chunks": n_chunks}
    command = [sys.executable, "-P", __file__, json.dumps(asked | {"ledger_url": ledger_url, "server_pid": server_pid})]
    own = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory(prefix="meetmemo-alone-code-") as code:
        for name in ("cluster", "deployments", "pipelines"):
            Path(code, name).symlink_to(tree / name)
        Path(code, "scripts").symlink_to(own / "scripts")
        run = subprocess.run(
            command, env={**os.environ, "PYTHONPATH": code}, stdout=subprocess.PIPE, text=True, check=True
        )
    return [Alone(**found | {"calls": Counter(found["calls"])}) for found in json.loads(run.stdout)]


def measure(
    n_jobs: int,
    n_chunks: int,
    *,
    ledger_url: str = "",
    server_pid: int = 0,
    max_live_jobs: int = 64,
    shard: Shard = WHOLE,
    start: Callable[[], object] = lambda: None,
) -> Alone:
    """Run so many jobs of a shard, all of them queued before; the ledger is SQLite where no URL is given.

    ``start`` blocks until the other shards are as far: called when the first jobs are done, and when all are queued.
    """
    with tempfile.TemporaryDirectory(prefix="meetmemo-alone-") as folder, quiet_logs():
        return asyncio.run(
            _measure(Path(folder), n_jobs, n_chunks, ledger_url, server_pid, max_live_jobs, shard, start)
        )


def measure_shards(n_shards: int, n_jobs: int, n_chunks: int, *, ledger_url: str, server_pid: int = 0) -> list[Alone]:
    """Run so many jobs of each shard at once, every shard in a process of its own, over one ledger."""
    open_ledger(ledger_url).close()
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Barrier(n_shards)
    with ProcessPoolExecutor(n_shards, mp_context=spawn, initializer=_keep_start, initargs=(ready,)) as pool:
        shards = [Shard(index, n_shards) for index in range(n_shards)]
        measuring = [
            pool.submit(_measure_one, n_jobs, n_chunks, ledger_url=ledger_url, server_pid=server_pid, shard=shard)
            for shard in shards
        ]
        return [one.result() for one in measuring]


_starts: list[Barrier] = []


def _keep_start(ready: Barrier) -> None:
    _starts.append(ready)


def _measure_one(n_jobs: int, n_chunks: int, *, ledger_url: str, server_pid: int, shard: Shard) -> Alone:
    start = _starts[0].wait
    return measure(n_jobs, n_chunks, ledger_url=ledger_url, server_pid=server_pid, shard=shard, start=start)


def _server_s(pid: int) -> float:
    """Return the processor seconds that a server and its children took so far; children that ended count, too."""
    if not pid:
        return 0.0
    server = psutil.Process(pid)
    times = server.cpu_times()
    spent_s = times.user + times.system + times.children_user + times.children_system
    for child in server.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            own = child.cpu_times()
            spent_s += own.user + own.system
    return spent_s


async def _measure(
    folder: Path,
    n_jobs: int,
    n_chunks: int,
    ledger_url: str,
    server_pid: int,
    max_live_jobs: int,
    shard: Shard,
    start: Callable[[], object],
) -> Alone:
    ledger = open_ledger(ledger_url or f"sqlite:///{folder}/ledger.db")
    store = LocalStore(folder / "store")
    parts = Parts(n_chunks)
    parts.coordinator = coordinator = Coordinator(
        ledger=ledger,
        store=store,
        segmenter=parts,
        transcribers={MODEL: parts},
        diarizer=parts,
        minutes_writer=parts,
        count_replicas=lambda: {MODEL: 1},
        options=CoordinatorOptions(
            owner=f"alone-{shard.index}",
            shard=shard,
            profiles={MODEL: ModelProfile()},
            max_live_jobs=max_live_jobs,
            batch_size=ROWS,
            max_pulls={MODEL: 4},
        ),
    )
    await coordinator.start()  # its first housekeeping looks at everything that is there
    _queue_jobs(ledger, shard, min(n_jobs, WARM_UP_JOBS))
    while not await _is_idle(coordinator, ledger, Counter(), shard):  # noqa: ASYNC110 - nobody tells of the last end
        await asyncio.sleep(POLL_S)
    await asyncio.to_thread(start)  # draining is for all shards: none may still run its first jobs
    await coordinator.drain(begin=True)
    _queue_jobs(ledger, shard, n_jobs)
    await asyncio.to_thread(start)
    with counting() as counts:
        wall_s, loop_s, all_s = time.perf_counter(), time.thread_time(), time.process_time()
        server_s = _server_s(server_pid)
        await coordinator.drain(begin=False)
        while not await _is_idle(coordinator, ledger, counts, shard):  # noqa: ASYNC110 - nobody tells of the last end
            await asyncio.sleep(POLL_S)
        wall_s, loop_s = time.perf_counter() - wall_s, time.thread_time() - loop_s
        all_s, server_s = time.process_time() - all_s, _server_s(server_pid) - server_s
        await coordinator.stop()
    ledger.close()
    return Alone(
        n_jobs=n_jobs,
        n_chunks=n_chunks,
        wall_s=wall_s,
        loop_s=loop_s,
        threads_s=all_s - loop_s,
        server_s=server_s,
        calls=+counts,
    )


def _queue_jobs(ledger: Ledger, shard: Shard, n_jobs: int) -> None:
    """Put so many jobs of a shard, of three tenants, into the ledger."""
    ids = itertools.islice(filter(shard.owns, iter(new_id, None)), n_jobs)
    for number, job_id in enumerate(ids):
        keys = JobKeys(tenant=f"t{number % 3}", job_id=job_id)
        source = BlobRef(key=keys.source, n_bytes=1)
        options = JobOptions(model=MODEL, language=LANGUAGE, minutes="none")
        job = Job(
            id=keys.job_id, tenant=keys.tenant, options=options, source=source, filename="a.wav", created_at_s=1.0
        )
        ledger.create(job)


async def _is_idle(coordinator: Coordinator, ledger: Ledger, counts: Counter[str], shard: Shard) -> bool:
    """Return whether all jobs have ended; the look into the ledger is not counted."""
    if (await coordinator.drain()).n_live_jobs:
        return False
    counts["ledger reading"] -= 1
    return not ledger.queued_jobs(shard)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    n_shards = asked.pop("n_shards")
    measured = measure_shards(n_shards, **asked) if n_shards > 1 else [measure(**asked)]
    print(json.dumps([vars(one) for one in measured]))
