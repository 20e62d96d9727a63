"""The way of jobs through the control plane in simulated time: where they wait, and what is full.

1. A job comes to Ingestion, the store and the ledger (`JobFlow._submit`).
2. The Coordinator of its shard takes it when it has room for one more in hand (`_claim`); a Segmenter cuts it (`_cut`).
3. Its chunks wait in the product's own `FairQueue` of that shard (`_queue`), from which idle devices take batches,
   the shards in turn (`_hand_out`). They pass through the Coordinator again when they are done (`_complete`).
4. The last one done, a MinutesWriter renders the documents, and the ledger has the job's end (`_finish`).

What a step takes is from `scripts.scaling.costs.Costs`; half of what the Coordinator and the ledger take for a job
falls on the way in, half on its end. Delays alone, without a queue, are a commit, which jobs share, and a store's call.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from statistics import median, quantiles

from pipelines.core import SAMPLE_RATE, Chunk, SpeechInterval
from pipelines.scheduling.fair_queue import FairQueue
from pipelines.scheduling.shards import shard_index
from pipelines.scheduling.work_item import WorkItem
from scripts.scaling.cluster import Cluster, store_s
from scripts.scaling.costs import Costs, Shape
from scripts.scaling.stations import Act, Clock, Machine, Station

_TENANTS = 12
_WARM_UP = 0.5
"""Share of the time that is not measured: queues fill first."""
Step = Callable[[Act], None]


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """How jobs come: ``jobs_s`` a second by chance for ``seconds``, or else ``n_jobs``, ``at_once`` until accepted."""

    jobs_s: float = 0.0
    seconds: float = 0.0
    n_jobs: int = 0
    at_once: int = 1


@dataclass(frozen=True, kw_only=True)
class Flow:
    """What came of a simulation: jobs that ended, their audio, delays from submission to the end (p50 and p95).

    The rates and delays leave out the first `_WARM_UP` of jobs that come by chance; ``fill`` is the share of its
    servers' time that each part was busy, ``wall_s`` the whole time.
    """

    wall_s: float
    n_jobs: int
    jobs_s: float
    audio_s_per_s: float
    fill: dict[str, float]
    delay_s: tuple[float, float]


@dataclass
class _Job:
    id: str
    tenant: str
    shape: Shape
    shard: "_Shard"
    came_s: float
    left: int


@dataclass
class _Shard:
    """A Coordinator: its process, its queue of chunks, and the jobs that wait for room."""

    process: Station
    queue: FairQueue
    room: int
    waiting: deque[_Job] = field(default_factory=deque)


class JobFlow:
    """Simulates jobs of one shape; the same seed gives the same figures.

    On a ``machine`` all processes share its cores, those of the devices among them, as in a measured run.
    """

    def __init__(
        self,
        cluster: Cluster,
        costs: Costs,
        shape: Shape,
        arrivals: Arrivals,
        *,
        machine: Machine | None = None,
        seed: int = 1,
    ) -> None:
        self._cluster, self._costs, self._shape, self._arrivals = cluster, costs, shape, arrivals
        self._machine = machine
        self._rng = Random(seed)
        self._clock = Clock()
        numbers = {**cluster.processes, "client": 1, "transcribers": cluster.devices}
        self._stations = {part: Station(self._clock, n, machine) for part, n in numbers.items()}
        self._stations["store"] = Station(self._clock, cluster.store_nodes)
        self._shards = [
            _Shard(
                process=Station(self._clock, 1, machine),
                queue=FairQueue(),
                room=math.ceil(cluster.live_jobs / cluster.shards),
            )
            for _ in range(cluster.shards)
        ]
        whole = max(1, int(shape.n_chunks))
        self._shapes = (replace(shape, n_chunks=whole), replace(shape, n_chunks=whole + 1))
        self._jobs: dict[str, _Job] = {}
        self._service_s: dict[tuple[str, float], float] = {}
        self._turn = 0
        self._idle = cluster.devices
        self._device_busy_s = 0.0
        self._n_submitted = 0
        self._ended: list[tuple[float, float]] = []  # when, and after how long

    def run(self) -> Flow:
        """Simulate until the time is over, or all jobs have ended."""
        arrivals = self._arrivals
        if arrivals.jobs_s:
            self._arrive()
            self._clock.run(arrivals.seconds)
        else:
            for _ in range(min(arrivals.at_once, arrivals.n_jobs)):
                self._submit()
            self._clock.run()
        return self._flow()

    # The way of a job

    def _arrive(self) -> None:
        self._submit()
        self._clock.after(self._rng.expovariate(self._arrivals.jobs_s), self._arrive)

    def _submit(self) -> None:
        job_id = f"{self._rng.getrandbits(64):016x}"
        fewer, more = self._shapes
        job_shape = more if self._rng.random() < self._shape.n_chunks - fewer.n_chunks else fewer
        job = _Job(
            id=job_id,
            tenant=f"t{self._n_submitted % _TENANTS}",
            shape=job_shape,
            shard=self._shards[shard_index(job_id, self._cluster.shards)],
            came_s=self._clock.now_s,
            left=round(job_shape.n_chunks),
        )
        self._n_submitted += 1
        # Jobs that come by chance have many submitters, with machines of their own.
        parts = ("ingestion",) if self._arrivals.jobs_s else ("client", "ingestion")
        steps = [self._part(job, part) for part in parts]
        self._follow([*steps, self._store(job), self._commit(job)], partial(self._accept, job))

    def _accept(self, job: _Job) -> None:
        if self._n_submitted < self._arrivals.n_jobs:
            self._submit()
        job.shard.waiting.append(job)
        self._claim(job.shard)

    def _claim(self, shard: _Shard) -> None:
        while shard.room and shard.waiting:
            shard.room -= 1
            job = shard.waiting.popleft()
            shard.process.serve(self._coordinator_s(jobs=0.5), partial(self._cut, job))

    def _cut(self, job: _Job) -> None:
        self._follow([self._part(job, "segmenter"), self._pause], partial(self._queue, job))

    def _queue(self, job: _Job) -> None:
        self._jobs[job.id] = job
        pieces = (SpeechInterval(start=0, end=round(job.shape.audio_s / job.shape.n_chunks * SAMPLE_RATE)),)
        for index in range(job.left):
            chunk = Chunk(index=index, channel=0, span=0, pieces=pieces)
            job.shard.queue.add(WorkItem(tenant=job.tenant, job_id=job.id, chunk=chunk, language="en"))
        self._hand_out()

    def _hand_out(self) -> None:
        """Let idle devices take batches, of each shard in turn, late and no more than their part of what waits."""
        n_empty = 0
        while self._idle and n_empty < len(self._shards):
            shard = self._shards[self._turn]
            self._turn = (self._turn + 1) % len(self._shards)
            if not len(shard.queue):
                n_empty += 1
                continue
            n_empty = 0
            part = math.ceil(len(shard.queue) * len(self._shards) / self._cluster.devices)
            items = shard.queue.take(min(self._cluster.rows, part))
            self._idle -= 1
            self._decode(shard, items)

    def _decode(self, shard: _Shard, items: Sequence[WorkItem]) -> None:
        """Decode a batch; beside it the device's host reads and stores the samples and results of others."""
        audio_s = sum(item.audio_s for item in items)
        decode_s = self._cluster.batch_overhead_s + audio_s / self._cluster.speed
        host = self._costs.parts.get("transcribers")
        host_s = host.each * len(items) / 1000 if host else 0.0
        done = partial(self._complete, shard, items)
        if self._machine is None:
            decode_s = max(decode_s, host_s)
            self._clock.after(decode_s, done)
        else:
            self._stations["transcribers"].serve(host_s, lambda: self._clock.after(decode_s, done))
        self._device_busy_s += decode_s

    def _complete(self, shard: _Shard, items: Sequence[WorkItem]) -> None:
        self._idle += 1
        self._hand_out()
        shard.process.serve(self._coordinator_s(chunks=len(items)), partial(self._settle, items))

    def _settle(self, items: Sequence[WorkItem]) -> None:
        for item in items:
            job = self._jobs[item.job_id]
            job.left -= 1
            if not job.left:
                del self._jobs[job.id]
                self._finish(job)

    def _finish(self, job: _Job) -> None:
        job.shard.room += 1
        self._claim(job.shard)
        self._follow(
            [
                partial(job.shard.process.serve, self._coordinator_s(jobs=0.5)),
                self._part(job, "minutes writers"),
                self._pause,
                self._commit(job),
            ],
            lambda: self._ended.append((self._clock.now_s, self._clock.now_s - job.came_s)),
        )

    # What steps take

    def _follow(self, steps: Sequence[Step], then: Act) -> None:
        """Take one step after another, then go on."""
        first, *others = steps
        first(partial(self._follow, others, then) if others else then)

    def _part(self, job: _Job, part: str, share: float = 1.0) -> Step:
        key = part, job.shape.n_chunks
        if key not in self._service_s:
            self._service_s[key] = self._costs.job_s(part, job.shape) / self._costs.share_left(part)
        service_s = share * self._service_s[key]
        return partial(self._stations[part].serve, service_s)

    def _coordinator_s(self, *, jobs: float = 0.0, chunks: int = 0) -> float:
        cost = self._costs.parts["coordinator"]
        return (cost.job * jobs + cost.each * chunks) / 1000 / self._costs.share_left("coordinator")

    def _store(self, job: _Job) -> Step:
        """Return the step in which the store takes all bytes and calls of a job, and one call's time passes."""
        busy_s = store_s(self._cluster, self._costs, job.shape)
        return lambda then: self._stations["store"].serve(busy_s, partial(self._pause, then))

    def _pause(self, then: Act) -> None:
        self._clock.after(self._cluster.store_s, then)

    def _commit(self, job: _Job) -> Step:
        """Return the step of half of a job's writes: the ledger's time, and a commit that has to wait for another."""
        work = self._part(job, "ledger", 0.5)
        return lambda then: work(partial(self._clock.after, 1.5 * self._cluster.commit_s, then))

    def _flow(self) -> Flow:
        wall_s = self._clock.now_s
        first_s = _WARM_UP * wall_s if self._arrivals.jobs_s else 0.0
        delays = [delay_s for when_s, delay_s in self._ended if when_s >= first_s]
        jobs_s = len(delays) / (wall_s - first_s) if wall_s > first_s else 0.0
        fill = {part: min(1.0, station.share_busy(wall_s)) for part, station in self._stations.items()}
        fill["coordinator"] = min(1.0, max(shard.process.share_busy(wall_s) for shard in self._shards))
        fill["devices"] = min(1.0, self._device_busy_s / wall_s / self._cluster.devices)
        return Flow(
            wall_s=wall_s,
            n_jobs=len(self._ended),
            jobs_s=jobs_s,
            audio_s_per_s=jobs_s * self._shape.audio_s,
            fill=fill,
            delay_s=(median(delays), quantiles(delays, n=20)[-1]) if len(delays) > 1 else (math.nan, math.nan),
        )
