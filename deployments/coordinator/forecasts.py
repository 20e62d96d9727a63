"""`Forecasts`: estimates by what is under way, and how far off they were for the jobs that ended.

A job's estimate is compared as it would have been given when the job was submitted, with the length that was found.
"""

import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.jobs.economy import is_economy
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.protocol import QueuedJobs
from pipelines.scheduling.estimate import NO_LOAD, Estimate, Estimator, Load, WaitingWork, queue_s

MAX_LOOKS = 1024
"""Loads that are remembered; when there are more, they are thinned out."""

RESOLUTION = 0.01
"""Distance of remembered loads as a share of their age: a day in some 800 of them."""


class Begun(Protocol):
    """A live job, as `deployments.coordinator.job_runner.JobRunner` knows it."""

    @property
    def job(self) -> Job:
        """The job as it is now."""


@dataclass(kw_only=True)
class Forecasts:
    """Knows the load now, and that of the past. Belongs to one event loop.

    ``jobs`` are the live ones by id, ``speed`` returns audio seconds per second. ``queued`` is what the ledger last
    said of jobs that wait to be begun.
    """

    jobs: Mapping[str, Begun]
    speed: Callable[[], float]
    counters: CoordinatorMetrics
    queued: Sequence[QueuedJobs] = ()
    estimator: Estimator = field(default_factory=Estimator)
    _looks: list[tuple[float, Load]] = field(default_factory=list)
    _created: list[tuple[float, str, str, bool]] = field(default_factory=list)

    def load(self, now_s: float) -> Load:
        """Return what is under way (Unix seconds)."""
        mean_s = self.estimator.mean_audio_s
        work = []
        for run in self.jobs.values():
            found = run.job.progress
            unknown = found.audio_s <= 0 and run.job.state is not JobState.SUMMARIZING
            left_s = mean_s if unknown else max(0.0, found.audio_s - found.done_s)
            if left_s > 0:
                economy = is_economy(run.job, now_s)
                work.append(WaitingWork(tenant=run.job.tenant, audio_s=left_s, economy=economy))
        for group in self.queued:
            for n_jobs, economy in ((group.n_jobs - group.n_economy, False), (group.n_economy, True)):
                if n_jobs:
                    audio_s = n_jobs * mean_s
                    work.append(WaitingWork(tenant=group.tenant, audio_s=audio_s, economy=economy, queued=True))
        return Load(work=tuple(work), speed=self.speed())

    @property
    def n_looks(self) -> int:
        """How many loads are remembered."""
        return len(self._looks)

    def look(self, now_s: float, *, still_idle: bool = False) -> None:
        """Remember the load for the estimates of jobs that are submitted from now on.

        Of a time in which there was nothing to do the last look is enough: jobs before it have ended.
        """
        if still_idle and self._looks:
            self._looks.pop()
        self._looks.append((now_s, self.load(now_s)))
        if len(self._looks) > MAX_LOOKS:
            self._looks = _thinned(self._looks, now_s)

    def admitted(self, job: Job) -> None:
        """Note a job that is begun: for those submitted after it, and after the last look, it was work ahead."""
        bisect.insort(self._created, (job.created_at_s, job.id, job.tenant, job.options.priority_class == "economy"))
        if len(self._created) > MAX_LOOKS:
            del self._created[: MAX_LOOKS // 2]

    def estimate(
        self, *, tenant: str, model: str, audio_s: float, economy: bool, now_s: float, elsewhere: Load = NO_LOAD
    ) -> Estimate:
        """Estimate what a recording would take that is submitted now; ``elsewhere`` is the load of other shards."""
        load = self.load(now_s) + elsewhere
        return self.estimator.estimate(load, tenant=tenant, model=model, audio_s=audio_s, economy=economy)

    def ended(self, job: Job) -> None:
        """Compare with the truth; only jobs that heard a whole recording say something about the next."""
        if job.state is not JobState.SUCCEEDED or job.reused_from or job.replay_of or not job.decodes:
            return
        audio_s = job.progress.audio_s
        then = self._load_then(job)
        took_s = job.updated_at_s - job.created_at_s
        reckoned_s = None if then is None else self._reckoned_s(job, then)
        error = self.estimator.record(reckoned_s=reckoned_s, took_s=took_s, given=then is not None and then.speed > 0)
        self.estimator.record_usage(model=job.options.model, audio_s=audio_s, device_s=job.usage.device_s)
        if error is not None:
            self.counters.estimated(job, error)

    def _load_then(self, job: Job) -> Load | None:
        """Return the load when a job was submitted; None where it is not remembered."""
        place = bisect.bisect_right(self._looks, job.created_at_s, key=lambda look: look[0])
        if not place or job.progress.audio_s <= 0:
            return None
        looked_s, load = self._looks[place - 1]
        first = bisect.bisect_right(self._created, (looked_s,))
        last = bisect.bisect_left(self._created, (job.created_at_s, job.id))
        since = tuple(
            WaitingWork(tenant=tenant, audio_s=self.estimator.mean_audio_s, economy=economy)
            for _, _, tenant, economy in self._created[first:last]
        )
        return Load(work=(*load.work, *since), speed=load.speed)

    def _reckoned_s(self, job: Job, then: Load) -> float | None:
        return queue_s(
            then if then.speed > 0 else replace(then, speed=self.speed()),
            tenant=job.tenant,
            audio_s=job.progress.audio_s,
            economy=job.options.priority_class == "economy",
        )


def _thinned(looks: Sequence[tuple[float, Load]], now_s: float) -> list[tuple[float, Load]]:
    """Forget loads that are close together for their age; the last one holds until there is another, and stays."""
    kept: list[tuple[float, Load]] = []
    for at_s, load in reversed(looks):
        if not kept or kept[-1][0] - at_s >= RESOLUTION * (now_s - at_s):
            kept.append((at_s, load))
    return kept[::-1]
