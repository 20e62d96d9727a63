"""Several Coordinators behind the ports of one: whom a call reaches, and what is said while one of them is silent."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deployments import shards as module
from deployments.ports import ClusterStatus, ModelStatus, Outcome, Settled, StoryEntry, WrittenResults
from deployments.shards import CoordinatorShards, WorkOfShards, labelled
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.core import ModelInfo
from pipelines.errors import ReplicaLost
from pipelines.scheduling.estimate import NO_LOAD, Estimate, Load
from pipelines.scheduling.shards import Shard
from pipelines.scheduling.work_item import WorkItem
from tests.fakes.ledger import MemoryLedger
from tests.support.api_harness import SteeredCoordinator


class ShardDouble(SteeredCoordinator):
    """A shard's Coordinator; while ``silent`` is set its calls never end."""

    def __init__(self) -> None:
        super().__init__(MemoryLedger())
        self.silent = False
        self.n_counted = 0
        self.elsewhere = NO_LOAD
        self.followed: list[str] = []

    async def wake(self, n_arrived: int = 0, *, counts: bool = True) -> None:
        await self._maybe_silent()
        await super().wake(n_arrived)
        self.n_counted += n_arrived * counts

    async def status(self) -> ClusterStatus:
        await self._maybe_silent()
        return await super().status()

    async def load(self) -> Load:
        await self._maybe_silent()
        return Load(speed=2.0)

    async def estimate(
        self, *, tenant: str, model: str, audio_s: float, economy: bool, elsewhere: Load = NO_LOAD
    ) -> Estimate:
        self.elsewhere = elsewhere
        return Estimate(wall_s=1.0, device_s=None)

    async def minutes_followed(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        self.followed.append(job_id)

    async def _maybe_silent(self) -> None:
        if self.silent:
            await asyncio.Event().wait()


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> list[ShardDouble]:
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    monkeypatch.setattr(module, "WAKE_PATIENCE_S", 0.02)
    return [ShardDouble() for _ in range(3)]


def job_of(index: int) -> str:
    return next(f"j{n}" for n in range(1000) if Shard(index, 3).owns(f"j{n}"))


@pytest.mark.parametrize("index", range(3))
async def test_a_jobs_calls_reach_its_shard(three: list[ShardDouble], index: int) -> None:
    """Its story is told, and its late minutes are entered, where it is driven."""
    port, job_id = CoordinatorShards(three), job_of(index)
    three[index].stories[job_id] = (StoryEntry(at_s=1.0, stimulus_id="s", what="w", state="queued"),)
    assert await port.story(job_id)
    await port.minutes_followed("t", job_id, WrittenResults(names=()))
    await port.forget(job_id)
    assert not await port.story(job_id)
    assert [shard.followed for shard in three] == [[job_id] if place == index else [] for place in range(3)]


async def test_jobs_that_arrive_wake_all_and_are_counted_once(three: list[ShardDouble]) -> None:
    """Every shard looks for arrivals; a single one counts them."""
    await CoordinatorShards(three).wake(4)
    assert [shard.n_wakes for shard in three] == [1, 1, 1]
    assert [shard.n_arrived for shard in three] == [4, 4, 4]
    assert [shard.n_counted for shard in three] == [4, 0, 0]


async def test_a_silent_shard_keeps_no_other_asleep(three: list[ShardDouble]) -> None:
    """The others are woken every time, and the silent one is not asked again while it has not answered."""
    port = CoordinatorShards(three)
    three[1].silent = True
    for _ in range(3):
        await port.wake(1)
    assert [shard.n_wakes for shard in three] == [3, 0, 3]
    assert len([task for task in asyncio.all_tasks() if task.get_name() == "wake a shard"]) == 1


async def test_a_broken_shard_is_left_out(three: list[ShardDouble]) -> None:
    """Sums are those of the shards that answer, late or never; where none does, that is said."""
    port = CoordinatorShards(three)
    three[0].broken = RuntimeError("its replica is gone")
    three[1].silent = True
    assert await port.status() == three[2].cluster
    three[2].broken = RuntimeError("this one, too")
    with pytest.raises(RuntimeError, match="replica is gone"):
        await port.status()
    three[0].silent = three[2].silent = True
    with pytest.raises(ReplicaLost, match="no shard answered"):
        await port.status()


async def test_an_estimate_is_made_over_the_load_of_all(three: list[ShardDouble]) -> None:
    """The first shard is told what the others have to do, and how fast they are."""
    await CoordinatorShards(three).estimate(tenant="t", model="m", audio_s=1.0, economy=False)
    assert three[0].elsewhere == Load(speed=4.0)
    three[2].silent = True
    await CoordinatorShards(three).estimate(tenant="t", model="m", audio_s=1.0, economy=False)
    assert three[0].elsewhere == Load(speed=2.0)


async def test_a_model_is_ready_where_a_shard_says_so(three: list[ShardDouble]) -> None:
    """Which device its replicas have is known to the shards that they pulled from."""
    for shard, detail in zip(three, ("1 replica", "1 replica on cuda (float16)", "1 replica"), strict=True):
        shard.cluster = ClusterStatus(
            models=(ModelStatus(name="m", ready=True, detail=detail),), backlog_audio_s=1.0, speed=2.0
        )
    status = await CoordinatorShards(three).status()
    assert [model.detail for model in status.models] == ["1 replica on cuda (float16)"]
    assert (status.backlog_audio_s, status.speed) == (3.0, 6.0)


async def test_an_outcome_goes_to_the_shard_of_its_pull(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pull's id names it; one that never answers, as after it was removed, counts as lost."""
    monkeypatch.setattr(module, "OUTCOME_PATIENCE_S", 0.02)
    asked: list[int] = []

    class Source:
        def __init__(self, index: int) -> None:
            self.index = index

        async def claim(self, pull_id: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
            asked.append(self.index)
            if self.index == 2:
                await asyncio.Event().wait()
            return ()

        async def complete(
            self, pull_id: str, replica: ModelInfo, outcomes: tuple[Outcome, ...], *_: object, **__: object
        ) -> Settled:
            asked.append(self.index)
            return Settled(backlog_s=0.0)

    source, info = WorkOfShards(Source), ModelInfo(name="m")
    await source.claim("abc", info, 1)
    await source.claim(Shard(1, 3).named("abc"), info, 1)
    await source.complete(Shard(1, 3).named("abc"), info, ())
    with pytest.raises(ReplicaLost, match="shard 2 did not answer"):
        await source.claim(Shard(2, 3).named("abc"), info, 1)
    assert asked == [0, 1, 1, 2]


def test_metrics_of_shards_are_one_text() -> None:
    """Each name has one head and a series for each shard; one that does not answer is down and has none."""
    counters = [CoordinatorMetrics(["m"]) for _ in range(2)]
    counters[1].arrived(5)
    text = labelled({0: counters[0].render(), 1: counters[1].render(), 2: None}).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert len(families) == text.count("# TYPE")
    submitted = {sample.labels["shard"]: sample.value for sample in families["meetmemo_jobs_submitted"].samples}
    assert submitted == {"0": 0.0, "1": 5.0}
    up = {sample.labels["shard"]: sample.value for sample in families["meetmemo_shard_up"].samples}
    assert up == {"0": 1.0, "1": 1.0, "2": 0.0}
