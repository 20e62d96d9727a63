"""Several Coordinators behind the ports of one: what concerns a job goes to its shard, all else to all of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import structlog
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from deployments.ports import (
    Capacity,
    ClusterStatus,
    CoordinatorPort,
    DrainStatus,
    FollowUpPort,
    JobView,
    ModelStatus,
    Outcome,
    Settled,
    StoryEntry,
    WorkSource,
    WrittenResults,
)
from deployments.telemetry.reports import BatchReport
from pipelines.core import ModelInfo
from pipelines.errors import ReplicaLost
from pipelines.jobs.batch import Probe
from pipelines.scheduling.estimate import NO_LOAD, Estimate, Load
from pipelines.scheduling.shards import index_named, shard_index
from pipelines.scheduling.work_item import WorkItem

T = TypeVar("T")

PATIENCE_S = 1.5
"""Shards that take longer are left out of an answer: shorter than `deployments.tenant.coordinator_client` waits."""
SCRAPE_PATIENCE_S = 6.0
WAKE_PATIENCE_S = 0.1
OUTCOME_PATIENCE_S = 45.0
"""A Transcriber waits so long for a shard that starts anew; one that was removed never answers."""

log = structlog.get_logger()


class ShardPort(CoordinatorPort, FollowUpPort, Protocol):
    """A Coordinator as Ingestion and the MinutesWriter call it."""


class CoordinatorShards:
    """Calls the Coordinators of all shards, in order of their numbers. Belongs to one event loop.

    Answers of several are those of the shards that answer in time; raises `ReplicaLost` where none does.
    """

    def __init__(self, shards: Sequence[ShardPort]) -> None:
        self._shards = shards
        self._untold: dict[int, int] = {}  # jobs that arrived since a shard was last woken
        self._waking: dict[int, asyncio.Task[bool]] = {}

    def _of(self, job_id: str) -> ShardPort:
        return self._shards[shard_index(job_id, len(self._shards))]

    async def wake(self, n_arrived: int = 0, *, counts: bool = True) -> None:
        """Wake all shards; one that does not answer is woken later, and keeps the others from nothing."""
        for index in range(len(self._shards)):
            self._untold[index] = self._untold.get(index, 0) + n_arrived
            if index not in self._waking or self._waking[index].done():
                self._waking[index] = asyncio.create_task(self._wake(index, counts=counts), name="wake a shard")
        done, waiting = await asyncio.wait(self._waking.values(), timeout=WAKE_PATIENCE_S)
        if not waiting and not any(task.result() for task in done):
            raise ReplicaLost("no shard answered")

    async def _wake(self, index: int, *, counts: bool) -> bool:
        """Wake a shard until it knows of everything; return whether it answers."""
        while (n_arrived := self._untold.pop(index, None)) is not None:
            try:
                await self._shards[index].wake(n_arrived, counts=counts and index == 0)
            except Exception as error:  # Ray raises many kinds for a replica that is gone; it looks when it is back
                log.warning("shards do not answer", action="coordinator_silent", shards=[index], error=repr(error))
                return False
        return True

    async def watch(self, tenant: str, job_id: str, seen_version: int, timeout_s: float) -> JobView:
        return await self._of(job_id).watch(tenant, job_id, seen_version, timeout_s)

    async def eta(self, job_ids: tuple[str, ...]) -> dict[str, float | None]:
        by_shard: dict[int, list[str]] = {}
        for job_id in job_ids:
            by_shard.setdefault(shard_index(job_id, len(self._shards)), []).append(job_id)
        found = await self._all(self._shards[index].eta(tuple(ids)) for index, ids in by_shard.items())
        return {job_id: eta_s for etas in found.values() for job_id, eta_s in etas.items()}

    async def status(self) -> ClusterStatus:
        found = [*(await self._all(shard.status() for shard in self._shards)).values()]
        return ClusterStatus(
            models=tuple(_one_status(models) for models in zip(*(each.models for each in found), strict=True)),
            backlog_audio_s=sum(each.backlog_audio_s for each in found),
            speed=sum(each.speed for each in found),
            ledger_ok=all(each.ledger_ok for each in found),
            store_ok=all(each.store_ok for each in found),
            draining=any(each.draining for each in found),
        )

    async def capacity(self) -> Capacity:
        found = (await self._all(shard.capacity() for shard in self._shards)).values()
        return Capacity(
            speed=sum(each.speed for each in found),
            backlog_audio_s=sum(each.backlog_audio_s for each in found),
            n_live_jobs=sum(each.n_live_jobs for each in found),
            n_queued_jobs=sum(each.n_queued_jobs for each in found),
            free_share=max(0.0, 1.0 - sum(1.0 - each.free_share for each in found)),
        )

    async def load(self) -> Load:
        return sum((await self._all(shard.load() for shard in self._shards)).values(), NO_LOAD)

    async def estimate(
        self, *, tenant: str, model: str, audio_s: float, economy: bool, elsewhere: Load = NO_LOAD
    ) -> Estimate:
        first, *others = self._shards
        loads = await self._all((shard.load() for shard in others), needs_one=False)
        return await first.estimate(
            tenant=tenant, model=model, audio_s=audio_s, economy=economy, elsewhere=sum(loads.values(), elsewhere)
        )

    async def probe(self, tenant: str, url: str) -> Probe:
        return await self._of(url).probe(tenant, url)

    async def story(self, job_id: str) -> tuple[StoryEntry, ...]:
        return await self._of(job_id).story(job_id)

    async def forget(self, job_id: str) -> None:
        await self._of(job_id).forget(job_id)

    async def drain(self, *, begin: bool | None = None, refuse: bool = False) -> DrainStatus:
        found = (await self._all(shard.drain(begin=begin, refuse=refuse) for shard in self._shards)).values()
        return DrainStatus(
            draining=any(each.draining for each in found),
            refusing=any(each.refusing for each in found),
            n_live_jobs=sum(each.n_live_jobs for each in found),
        )

    async def metrics(self) -> bytes:
        """Return the metrics of all shards, each with a label ``shard``."""
        found = await self._all((shard.metrics() for shard in self._shards), SCRAPE_PATIENCE_S)
        return labelled({index: found.get(index) for index in range(len(self._shards))})

    async def minutes_followed(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        await self._of(job_id).minutes_followed(tenant, job_id, written)

    async def _all(
        self, calls: Iterable[Coroutine[Any, Any, T]], patience_s: float = PATIENCE_S, *, needs_one: bool = True
    ) -> dict[int, T]:
        """Return the answers that came in time, by the place of their calls, in order."""
        tasks = [asyncio.ensure_future(call) for call in calls]
        if not tasks:
            return {}
        try:
            await asyncio.wait(tasks, timeout=patience_s)
        finally:
            for task in tasks:
                task.cancel()  # of those that are done nothing
        answered = {place: task for place, task in enumerate(tasks) if task.done() and not task.cancelled()}
        faults = {place: fault for place, task in answered.items() if (fault := task.exception()) is not None}
        silent = [place for place in range(len(tasks)) if place in faults or place not in answered]
        if silent:
            why = [repr(faults.get(place, "no answer in time")) for place in silent]
            log.warning("shards do not answer", action="coordinator_silent", shards=silent, error=why)
        if len(silent) == len(tasks) and needs_one:
            raise next(iter(faults.values()), ReplicaLost(f"no shard answered within {patience_s:g} s"))
        return {place: task.result() for place, task in answered.items() if place not in faults}


class WorkOfShards:
    """The Coordinators as a Transcriber calls them: a pull's id names the shard that opened it.

    Where there are several, one that does not answer for `OUTCOME_PATIENCE_S` counts as gone: raises `ReplicaLost`.
    """

    def __init__(self, find: Callable[[int], WorkSource]) -> None:
        """Take ``find``, which returns the Coordinator of a shard by its number."""
        self._find = find
        self._found: dict[int, WorkSource] = {}

    def _of(self, pull_id: str) -> WorkSource:
        index = index_named(pull_id) or 0
        if index not in self._found:
            self._found[index] = self._find(index)
        return self._found[index]

    async def claim(self, pull_id: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        async with _patience(pull_id):
            return await self._of(pull_id).claim(pull_id, replica, max_items)

    async def complete(
        self,
        pull_id: str,
        replica: ModelInfo,
        outcomes: tuple[Outcome, ...],
        report: BatchReport | None = None,
        *,
        max_items: int = 0,
        wait_s: float = 0.0,
    ) -> Settled:
        async with _patience(pull_id):
            return await self._of(pull_id).complete(
                pull_id, replica, outcomes, report, max_items=max_items, wait_s=wait_s
            )


def labelled(texts: Mapping[int, bytes | None]) -> bytes:
    """Return metrics of shards (None: it does not answer) as one text, each series with a label ``shard``."""
    registry = CollectorRegistry()
    registry.register(_Labelled(texts))
    text: bytes = generate_latest(registry)
    return render_answers({index: found is not None for index, found in texts.items()}) + text


def render_answers(answers: Mapping[int, bool]) -> bytes:
    """Return which shards answered, in Prometheus' text format."""
    registry = CollectorRegistry()
    up = Gauge(
        "meetmemo_shard_up",
        "Whether a shard's Coordinator answers, where there are several.",
        ["shard"],
        registry=registry,
    )
    for index, answered in answers.items():
        up.labels(str(index)).set(answered)
    text: bytes = generate_latest(registry)
    return text


class _Labelled(Collector):
    """Puts the series of one name together, as the text format wants them."""

    def __init__(self, texts: Mapping[int, bytes | None]) -> None:
        self._texts = texts

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for index, text in self._texts.items():
            for family in text_string_to_metric_families((text or b"").decode()):
                whole = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                whole.samples += [
                    sample._replace(labels={**sample.labels, "shard": str(index)}) for sample in family.samples
                ]
        return families.values()


def _one_status(models: Sequence[ModelStatus]) -> ModelStatus:
    """Return what shards say of one model: one that its replicas pulled from knows on which device they run."""
    return max(models, key=lambda model: (model.ready, len(model.detail)))


@contextlib.asynccontextmanager
async def _patience(pull_id: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(OUTCOME_PATIENCE_S if index_named(pull_id) is not None else None):
            yield
    except TimeoutError:
        raise ReplicaLost(f"shard {index_named(pull_id)} did not answer for {OUTCOME_PATIENCE_S:g} s") from None
