"""A cluster in simulated time: jobs arrive, the product's own `FairQueue` hands out batches, replicas come and go.

Real: `pipelines.scheduling.fair_queue.FairQueue` and its order, late claims, at most ``coordinator_rows_s`` rows
handled per second by the one Coordinator, the estimates of `pipelines.scheduling.estimate` as jobs arrive. Modelled:
service times (a constant and a share per audio second), segmentation as a delay, the autoscaler, replicas that die and
lose their batch.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from statistics import mean, median, quantiles
from typing import Literal

from pipelines.core import SAMPLE_RATE, Chunk, SpeechInterval
from pipelines.scheduling.estimate import Estimator, Load, WaitingWork, queue_s
from pipelines.scheduling.eta import SpeedMeter
from pipelines.scheduling.fair_queue import FairQueue
from pipelines.scheduling.replica_count import BUSY_OVER_S, replicas_wanted
from pipelines.scheduling.work_item import WorkItem

ROW_S = 28.0
_TENANTS = 12
_STEP_S = 2.0  # between two decisions of the autoscaler
Policy = Literal["fixed", "pulls", "backlog"]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A scenario to simulate. Times in seconds, speeds in audio seconds per second.

    A replica has ``pulls`` open while there is work, as `cluster.serve.engine_share.EngineShare.batches_at_once`
    says.

    ``load``: what arrives, as a share of what all ``replicas`` can transcribe. ``burst``: how many times the usual
    rate arrives during the second tenth of the time. ``curve``: how many times the usual rate arrives in each of so
    many equal parts of the time. ``economy``: the share of jobs of that class. ``policy``:
    "fixed" keeps all replicas; "pulls" scales as Ray Serve does by ongoing calls; "backlog" by the product's rule, so
    that what waits is done within ``catch_up_s``.
    """

    replicas: int
    seconds: float
    speed: float
    batch_rows: int
    batch_overhead_s: float = 0.05
    pull_s: float = 0.004
    coordinator_rows_s: float = math.inf
    load: float = 0.8
    burst: float = 1.0
    curve: tuple[float, ...] = ()
    economy: float = 0.0
    job_minutes: tuple[float, float] = (1.0, 30.0)
    first_span_s: float = 1.0
    losses_per_hour: float = 0.0
    start_s: float = 30.0
    pulls: int = 2
    catch_up_s: float = 60.0
    policy: Policy = "fixed"
    min_replicas: int = 1
    seed: int = 1

    def times_usual(self, now_s: float) -> float:
        """Return how many times the usual rate arrives at a time."""
        if self.curve:
            return self.curve[min(int(now_s / self.seconds * len(self.curve)), len(self.curve) - 1)]
        return self.burst if self.seconds * 0.1 <= now_s < self.seconds * 0.2 else 1.0


@dataclass(kw_only=True)
class Figures:
    """The result of a scenario.

    ``busy`` is the share of the paid replica time that decoded, ``delay_s`` how much longer a job took than alone on
    one replica (median and 95th percentile, of standard jobs), ``economy_delay`` the same of economy jobs (NaN without
    any), ``coordinator_busy`` its share of time spent on rows, ``repeated`` the share of the audio that was decoded
    again. ``estimate_error`` is how far off the estimates were that jobs got as they arrived, as shares of what they
    took (median and 90th percentile).
    """

    busy: float
    throughput: float
    delay_p50_s: float
    delay_p95_s: float
    coordinator_busy: float
    repeated: float
    replica_hours: float
    n_jobs: int
    economy_delay_p50_s: float
    economy_delay_p95_s: float
    estimate_error_p50: float
    estimate_error_p90: float


@dataclass
class _Job:
    tenant: str
    economy: bool
    created_s: float
    audio_s: float
    n_rows: int
    left: int
    reckoned_s: float | None
    ended_s: float | None = None


@dataclass
class _Replica:
    number: int
    gone: bool = False
    batch: list[WorkItem] = field(default_factory=list)


class Simulation:
    """Simulates events in order of time; the same seed gives the same figures."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._rng = Random(scenario.seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._now = 0.0
        self._queue = FairQueue()
        self._jobs: dict[str, _Job] = {}
        self._live: dict[str, _Job] = {}
        self._meter = SpeedMeter()
        self._estimator = Estimator()
        self._errors: list[float] = []
        self._idle: deque[_Replica] = deque()
        self._alive: dict[int, _Replica] = {}
        self._starting = 0
        self._numbers = itertools.count()
        self._coordinator_free_s = 0.0
        self._coordinator_busy_s = self._busy_s = self._paid_s = self._done_s = self._repeated_s = 0.0
        self._low_since_s: float | None = None
        self._high_since_s: float | None = None
        self._busy: deque[float] = deque(maxlen=round(BUSY_OVER_S / _STEP_S))

    def run(self) -> Figures:
        """Simulate from an empty cluster to ``seconds``."""
        scenario = self._scenario
        first = scenario.replicas if scenario.policy == "fixed" else scenario.min_replicas
        for _ in range(first):
            self._begin_replica()
        self._at(0.0, self._arrive)
        if scenario.losses_per_hour:
            self._at(self._until_loss(), self._lose)
        if scenario.policy != "fixed":
            self._at(_STEP_S, self._scale)
        while self._events:
            at_s, _, act = heapq.heappop(self._events)
            if at_s > scenario.seconds:
                break
            self._paid_s += (at_s - self._now) * (len(self._alive) + self._starting)
            self._now = at_s
            act()
        return self._figures()

    def _at(self, when_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when_s, next(self._order), act))

    # Jobs

    def _arrive(self) -> None:
        scenario = self._scenario
        low, high = scenario.job_minutes
        audio_s = 60 * math.exp(self._rng.uniform(math.log(low), math.log(high)))
        mean_s = 60 * (high - low) / math.log(high / low)
        job_id = f"j{len(self._jobs)}"
        n_rows = max(1, math.ceil(audio_s / ROW_S))
        tenant = f"t{min(_TENANTS - 1, int(self._rng.expovariate(0.4)))}"
        economy = scenario.economy > 0 and self._rng.random() < scenario.economy
        job = self._jobs[job_id] = self._live[job_id] = _Job(
            tenant=tenant,
            economy=economy,
            created_s=self._now,
            audio_s=audio_s,
            n_rows=n_rows,
            left=n_rows,
            reckoned_s=queue_s(self._load(), tenant=tenant, audio_s=audio_s, economy=economy),
        )
        self._at(self._now + scenario.first_span_s, lambda: self._enqueue(job_id, job))
        rate = scenario.load * scenario.replicas * scenario.speed / mean_s * scenario.times_usual(self._now)
        self._at(self._now + self._rng.expovariate(rate), self._arrive)

    def _load(self) -> Load:
        """Return what is under way, as `deployments.coordinator.forecasts` sees it."""
        work = tuple(
            WaitingWork(tenant=job.tenant, audio_s=job.audio_s * job.left / job.n_rows, economy=job.economy)
            for job in self._live.values()
        )
        return Load(work=work, speed=self._meter.speed)

    def _enqueue(self, job_id: str, job: _Job) -> None:
        self._meter.start(self._now)
        length = round(job.audio_s / job.n_rows * SAMPLE_RATE)
        for index in range(job.n_rows):
            chunk = Chunk(index=index, channel=0, span=0, pieces=(SpeechInterval(start=0, end=length),))
            item = WorkItem(tenant=job.tenant, job_id=job_id, chunk=chunk, language="en", economy=job.economy)
            self._queue.add(item)
        self._hand_out()

    def _end(self, job_id: str, job: _Job) -> None:
        job.ended_s = self._now
        del self._live[job_id]
        error = self._estimator.record(reckoned_s=job.reckoned_s, took_s=self._now - job.created_s)
        if error is not None:
            self._errors.append(error)

    # Replicas

    def _begin_replica(self) -> None:
        number = next(self._numbers)
        replica = self._alive[number] = _Replica(number=number)
        self._idle.append(replica)
        self._hand_out()

    def _hand_out(self) -> None:
        while len(self._queue) and self._idle:
            replica = self._idle.popleft()
            if replica.gone:
                continue
            scenario = self._scenario
            share = max(1, math.ceil(len(self._queue) / max(1, len(self._alive))))
            rows = self._queue.take(min(scenario.batch_rows, share))
            replica.batch = rows
            # Claiming and completing pass through the one Coordinator, row by row.
            spent_s = len(rows) / scenario.coordinator_rows_s
            self._coordinator_free_s = max(self._now, self._coordinator_free_s) + spent_s
            self._coordinator_busy_s += spent_s
            audio_s = sum(row.audio_s for row in rows)
            decode_s = scenario.batch_overhead_s + audio_s / scenario.speed
            ends_s = self._coordinator_free_s + scenario.pull_s + decode_s
            self._at(ends_s, lambda replica=replica, decode_s=decode_s: self._complete(replica, decode_s))  # type: ignore[misc]

    def _complete(self, replica: _Replica, decode_s: float) -> None:
        if replica.gone:
            return
        self._busy_s += decode_s
        for row in replica.batch:
            self._done_s += row.audio_s
            job = self._jobs[row.job_id]
            job.left -= 1
            if job.left == 0:
                self._end(row.job_id, job)
        self._meter.done(self._now, sum(row.audio_s for row in replica.batch))
        replica.batch = []
        if not len(self._queue) and not any(each.batch for each in self._alive.values()):
            self._meter.stop()
        self._idle.append(replica)
        self._hand_out()

    def _lose(self) -> None:
        """Remove a replica; the items leased to it come back, and another one starts."""
        numbers = sorted(self._alive)
        if numbers:
            self._remove(self._rng.choice(numbers))
            self._start_one()
        self._at(self._now + self._until_loss(), self._lose)

    def _until_loss(self) -> float:
        return self._rng.expovariate(self._scenario.losses_per_hour * self._scenario.replicas / 3600)

    def _remove(self, number: int) -> None:
        replica = self._alive.pop(number)
        replica.gone = True
        for row in replica.batch:
            self._repeated_s += row.audio_s
            self._queue.add(row, first=True)
        replica.batch = []
        self._hand_out()

    def _start_one(self) -> None:
        self._starting += 1

        def ready() -> None:
            self._starting -= 1
            self._begin_replica()

        self._at(self._now + self._scenario.start_s, ready)

    # Autoscaling

    def _scale(self) -> None:
        """Scale every two seconds, as Serve's controller does; it waits 4 s before it adds, 120 s before it removes."""
        scenario = self._scenario
        have = len(self._alive) + self._starting
        busy = len(self._alive) - sum(1 for replica in self._idle if not replica.gone)
        self._busy.append(sum(_standard(replica.batch) for replica in self._alive.values() if replica.batch))
        if scenario.policy == "pulls":
            waiting = math.ceil(len(self._queue) / scenario.batch_rows)
            wanted = math.ceil(min(scenario.replicas * scenario.pulls, busy + waiting) / scenario.pulls)
        else:
            rule = replicas_wanted(
                busy=mean(self._busy),
                backlog_s=self._queue.backlog_s - self._queue.economy_backlog_s,
                economy_backlog_s=self._queue.economy_backlog_s,
                speed=scenario.speed,
                catch_up_s=scenario.catch_up_s,
            )
            wanted = math.ceil(rule)
        wanted = max(scenario.min_replicas, min(scenario.replicas, wanted))
        self._high_since_s = (self._high_since_s or self._now) if wanted > have else None
        self._low_since_s = (self._low_since_s or self._now) if wanted < have else None
        if self._high_since_s is not None and self._now - self._high_since_s >= 4:
            for _ in range(wanted - have):
                self._start_one()
        if self._low_since_s is not None and self._now - self._low_since_s >= 120:
            idle = [replica for replica in self._idle if not replica.gone]
            for replica in idle[: have - wanted]:
                self._remove(replica.number)
        self._at(self._now + _STEP_S, self._scale)

    def _figures(self) -> Figures:
        scenario = self._scenario
        delays = self._delays(economy=False)
        economy = self._delays(economy=True)
        return Figures(
            busy=self._busy_s / self._paid_s if self._paid_s else 0.0,
            throughput=self._done_s / scenario.seconds,
            delay_p50_s=median(delays) if delays else math.nan,
            delay_p95_s=quantiles(delays, n=20)[-1] if len(delays) > 1 else math.nan,
            coordinator_busy=self._coordinator_busy_s / scenario.seconds,
            repeated=self._repeated_s / self._done_s if self._done_s else 0.0,
            replica_hours=self._paid_s / 3600,
            n_jobs=len(delays) + len(economy),
            economy_delay_p50_s=median(economy) if economy else math.nan,
            economy_delay_p95_s=quantiles(economy, n=20)[-1] if len(economy) > 1 else math.nan,
            estimate_error_p50=median(self._errors) if self._errors else math.nan,
            estimate_error_p90=quantiles(self._errors, n=10)[-1] if len(self._errors) > 1 else math.nan,
        )

    def _delays(self, *, economy: bool) -> list[float]:
        return [
            job.ended_s - job.created_s - job.audio_s / self._scenario.speed
            for job in self._jobs.values()
            if job.ended_s is not None and job.economy == economy
        ]


def _standard(batch: list[WorkItem]) -> float:
    """Return the share of a batch that is not economy work."""
    return sum(item.audio_s for item in batch if not item.economy) / sum(item.audio_s for item in batch)
