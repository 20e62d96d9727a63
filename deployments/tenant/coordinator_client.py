"""`CoordinatorClient`: asks the Coordinator, but never depends on it; the ledger stays the truth."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from deployments.artifacts.shared_reads import SharedJobReads
from deployments.ports import Capacity, ClusterStatus, CoordinatorPort, DrainStatus, JobView, StoryEntry
from pipelines.errors import JobUnknown, LedgerUnavailable, TimedOut
from pipelines.jobs.batch import Probe
from pipelines.jobs.job import Job
from pipelines.ledger.protocol import Ledger
from pipelines.scheduling.estimate import Estimate

T = TypeVar("T")

ANSWER_TIMEOUT_S = 2.0  # an answer takes milliseconds; a replica that is being replaced holds calls for seconds
SCRAPE_TIMEOUT_S = 8.0  # less than Prometheus waits, more than the Coordinator waits for unavailable storage
PROBE_TIMEOUT_S = 60.0  # the whole source is fetched for its header
RETRY_S = 5.0  # after a call failed, do not try again before
REFUSING_FRESH_S = 1.0
WAKES_APART_S = 0.1
POLL_S = 1.0  # between looks into the ledger while the Coordinator does not answer

log = structlog.get_logger(__name__)


class CoordinatorClient:
    """Calls the Coordinator with a time-out, and does without it when it fails. Belongs to one event loop.

    While the Coordinator does not answer, all who follow jobs share one look into the ledger every `POLL_S`.
    """

    def __init__(self, coordinator: CoordinatorPort, ledger: Ledger) -> None:
        self._coordinator = coordinator
        self._jobs = SharedJobReads(ledger, lambda: POLL_S)
        self._silent_until_s = float("-inf")  # on the loop's clock
        self._waking: asyncio.Task[None] | None = None
        self._wake_again = False
        self._woken_s = float("-inf")  # on the loop's clock
        self._n_untold = 0  # jobs that arrived since the last wake-up of the Coordinator
        self._refusing = False
        self._refusing_until_s = float("-inf")  # on the loop's clock

    def wake(self, n_arrived: int = 0) -> None:
        """Have the Coordinator read the ledger soon, without waiting for it; calls meanwhile are merged into one.

        ``n_arrived`` says how many new jobs it will find there.
        """
        self._n_untold += n_arrived
        if self._waking is not None and not self._waking.done():
            self._wake_again = True
            return
        self._waking = asyncio.get_running_loop().create_task(self._wake())

    async def _wake(self) -> None:
        self._wake_again = True
        while self._wake_again:
            # One job is told at once; those that come right after it are told together.
            await asyncio.sleep(max(0.0, self._woken_s + WAKES_APART_S - _now_s()))
            self._woken_s = _now_s()
            self._wake_again = False
            n_arrived, self._n_untold = self._n_untold, 0
            if await self._ask(self._told(n_arrived), ANSWER_TIMEOUT_S) is None:
                self._n_untold += n_arrived

    async def _told(self, n_arrived: int) -> bool:
        await self._coordinator.wake(n_arrived)
        return True

    async def metrics(self) -> bytes | None:
        """Return the Coordinator's metrics; None when it does not answer."""
        return await self._ask(self._coordinator.metrics(), SCRAPE_TIMEOUT_S)

    async def eta(self, job_ids: tuple[str, ...]) -> dict[str, float | None]:
        """Estimate seconds to the end of live jobs; empty when the Coordinator does not answer."""
        if not job_ids or self._silent:
            return {}
        return await self._ask(self._coordinator.eta(job_ids), ANSWER_TIMEOUT_S) or {}

    async def status(self) -> ClusterStatus | None:
        """Describe the cluster; None when the Coordinator does not answer."""
        return await self._ask(self._coordinator.status(), ANSWER_TIMEOUT_S)

    async def capacity(self) -> Capacity | None:
        """Describe how much the cluster has to do; None when the Coordinator does not answer."""
        return await self._ask(self._coordinator.capacity(), ANSWER_TIMEOUT_S)

    async def estimate(self, *, tenant: str, model: str, audio_s: float, economy: bool) -> Estimate | None:
        """Estimate what a recording would take that is submitted now; None when the Coordinator does not answer."""
        asked = self._coordinator.estimate(tenant=tenant, model=model, audio_s=audio_s, economy=economy)
        return await self._ask(asked, ANSWER_TIMEOUT_S)

    async def probe(self, tenant: str, url: str) -> Probe:
        """Look at a source's header; raises `InputError`, `SourceUnreachable`, `ReplicaLost`, `TimedOut`."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await self._coordinator.probe(tenant, url)
        except TimeoutError:
            raise TimedOut(f"the source was not read within {PROBE_TIMEOUT_S:g} seconds") from None

    async def story(self, job_id: str) -> tuple[StoryEntry, ...] | None:
        """Return a job's latest events; None when the Coordinator does not answer."""
        return await self._ask(self._coordinator.story(job_id), ANSWER_TIMEOUT_S)

    async def forget(self, job_id: str) -> None:
        """Have the Coordinator forget an erased job; one that does not answer remembers it until it ends."""
        await self._ask(self._coordinator.forget(job_id), ANSWER_TIMEOUT_S)

    async def drain(self, *, begin: bool | None = None, refuse: bool = False) -> DrainStatus | None:
        """Begin or end draining, or return its progress; None when the Coordinator does not answer."""
        status = await self._ask(self._coordinator.drain(begin=begin, refuse=refuse), ANSWER_TIMEOUT_S)
        if status is not None:
            self._refusing, self._refusing_until_s = status.refusing, _now_s() + REFUSING_FRESH_S
        return status

    async def refusing(self) -> bool:
        """Return whether new jobs are to be turned away, as of a second ago; not while nobody answers."""
        if _now_s() > self._refusing_until_s and not self._silent and await self.drain() is None:
            self._refusing = False
        return self._refusing

    async def watch(self, known: Job, timeout_s: float) -> JobView | None:
        """Return the job once it is not as ``known`` any more; None when the time is up. Raises `JobUnknown`.

        Progress is news even within a version: the Coordinator knows it before the ledger does.
        """
        end_s = _now_s() + timeout_s
        seen = known.version - 1  # answered at once, and tells progress made since the last answer
        while (left_s := end_s - _now_s()) > 0:
            if self._silent:
                view = await self._look(known, left_s)
            else:
                asked = self._coordinator.watch(known.tenant, known.id, seen, left_s)
                view = await self._ask(asked, left_s + ANSWER_TIMEOUT_S)
            if view is not None and _is_news(known, view.job):
                return view
            if seen == known.version and not self._silent:
                await asyncio.sleep(min(POLL_S, max(0.0, end_s - _now_s())))
            seen = known.version
        return None

    async def _look(self, known: Job, timeout_s: float) -> JobView | None:
        """Return the job as the ledger has it; None while the ledger does not answer. Raises `JobUnknown`."""
        try:
            async with asyncio.timeout(timeout_s):
                return JobView(job=await self._jobs.get(known.tenant, known.id), eta_s=None)
        except (LedgerUnavailable, TimeoutError):
            return None

    @property
    def _silent(self) -> bool:
        return _now_s() < self._silent_until_s

    async def _ask(self, call: Awaitable[T], timeout_s: float) -> T | None:
        try:
            async with asyncio.timeout(timeout_s):
                return await call
        except JobUnknown:
            raise
        except Exception as error:  # Ray raises many kinds for a replica that is gone, and none may fail a request
            self._silent_until_s = _now_s() + RETRY_S
            log.warning("coordinator does not answer", action="coordinator_silent", error=repr(error))
            return None


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def _is_news(known: Job, job: Job) -> bool:
    """Say whether ``job`` is later than ``known``; the ledger may lag behind the Coordinator."""
    if job.version != known.version:
        return job.version > known.version
    return job.progress.done_s > known.progress.done_s or job.progress.audio_s > known.progress.audio_s
