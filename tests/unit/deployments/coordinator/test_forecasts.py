"""Estimates of a running Coordinator, what they turn out to be worth, and economy jobs among standard ones."""

import time
from dataclasses import dataclass, replace

import pytest

from deployments.coordinator import group_commit
from deployments.coordinator.forecasts import MAX_LOOKS, Forecasts
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.core import BlobRef
from pipelines.jobs.job import Job, JobOptions, JobState, Progress
from pipelines.jobs.usage import JobUsage
from pipelines.ledger.protocol import QueuedJobs
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import MODEL, InProcessCluster, succeeded
from tests.support.waiting import until


@dataclass
class Run:
    job: Job


def job(
    job_id: str, *, tenant: str = "t", created_at_s: float = 100.0, audio_s: float = 60.0, **changes: object
) -> Job:
    made = Job(
        id=job_id,
        tenant=tenant,
        options=JobOptions(model=MODEL),
        source=BlobRef(key=f"{tenant}/{job_id}/source", n_bytes=1),
        filename="a.wav",
        created_at_s=created_at_s,
        progress=Progress(audio_s=audio_s),
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # fields of a job


def ended(started: Job, took_s: float) -> Job:
    return replace(
        started,
        state=JobState.SUCCEEDED,
        updated_at_s=started.created_at_s + took_s,
        usage=JobUsage(device_s=started.progress.audio_s / 10),
    )


@pytest.fixture
def live() -> dict[str, Run]:
    return {}


@pytest.fixture
def forecasts(live: dict[str, Run]) -> Forecasts:
    return Forecasts(jobs=live, speed=lambda: 2.0, counters=CoordinatorMetrics([MODEL]))


def test_the_load_is_what_is_left_and_what_waits(forecasts: Forecasts, live: dict[str, Run]) -> None:
    """Found audio less what is done; a mean recording for each job that nobody looked at."""
    forecasts.estimator.record_usage(model=MODEL, audio_s=40.0, device_s=4.0)
    live["a"] = Run(job("a", progress=Progress(audio_s=100.0, done_s=30.0), state=JobState.TRANSCRIBING))
    live["b"] = Run(job("b", audio_s=0.0, state=JobState.TRANSCRIBING))
    live["c"] = Run(job("c", progress=Progress(audio_s=50.0, done_s=50.0), state=JobState.SUMMARIZING))
    forecasts.queued = [QueuedJobs(tenant="u", model=MODEL, n_jobs=3, oldest_created_at_s=1.0, n_economy=1)]
    load = forecasts.load(now_s=200.0)
    found = [(each.tenant, each.audio_s, each.economy, each.queued) for each in load.work]
    assert found == [
        ("t", 70.0, False, False),
        ("t", 40.0, False, False),
        ("u", 80.0, False, True),
        ("u", 40.0, True, True),
    ]


def test_an_estimate_is_compared_as_it_would_have_been_given(forecasts: Forecasts, live: dict[str, Run]) -> None:
    """By the load when the job came, not by that of later: 60 s of audio alone at twice real time take 30 s."""
    forecasts.look(90.0)
    one = job("one")
    forecasts.admitted(one)
    live["later"] = Run(job("later", tenant="u", audio_s=10_000.0, state=JobState.TRANSCRIBING))
    forecasts.look(101.0)
    forecasts.ended(ended(one, took_s=40.0))
    assert forecasts.estimator.typical_error == pytest.approx(0.25)
    assert (
        b'meetmemo_estimate_error_ratio_count{model="fake",tenant_class="standard"} 1.0' in forecasts.counters.render()
    )


def test_jobs_between_two_looks_are_ahead(forecasts: Forecasts) -> None:
    """A rush within a second: the second job of a tenant has the first ahead of it, of a mean length."""
    forecasts.estimator.record_usage(model=MODEL, audio_s=60.0, device_s=6.0)
    forecasts.look(90.0)
    first, second = job("first", tenant="u", created_at_s=100.0), job("second", created_at_s=100.5)
    forecasts.admitted(first)
    forecasts.admitted(second)
    forecasts.ended(ended(second, took_s=60.0))
    assert forecasts.estimator.typical_error == pytest.approx(0.0)


def test_jobs_of_an_idle_time_are_not_ahead(forecasts: Forecasts) -> None:
    """Short jobs that came and ended between two looks, neither of which saw anything to do."""
    forecasts.look(90.0)
    forecasts.admitted(job("short", tenant="u", created_at_s=95.0))
    forecasts.look(99.0, still_idle=True)
    last = job("last", created_at_s=100.0)
    forecasts.admitted(last)
    forecasts.ended(ended(last, took_s=30.0))
    assert forecasts.estimator.typical_error == pytest.approx(0.0)


def test_jobs_that_say_nothing_about_the_next(forecasts: Forecasts) -> None:
    """Failed ones, reused transcripts, and those that came before anybody looked."""
    forecasts.ended(ended(job("early", created_at_s=10.0), 5.0))
    forecasts.look(50.0)
    forecasts.ended(replace(ended(job("bad"), 5.0), state=JobState.FAILED))
    forecasts.ended(replace(ended(job("reused"), 5.0), reused_from="other"))
    assert forecasts.estimator.typical_error is None


def test_looks_are_thinned_out(forecasts: Forecasts) -> None:
    """Memory is bounded, and a job that waited for hours still has its look."""
    for second in range(20 * MAX_LOOKS):
        forecasts.look(float(second))
    forecasts.look(1e6)
    assert forecasts.estimate(tenant="t", model=MODEL, audio_s=60.0, economy=False, now_s=1e6).wall_s == 30.0
    assert forecasts.n_looks <= MAX_LOOKS
    forecasts.ended(ended(job("old", created_at_s=3.0 * MAX_LOOKS), took_s=30.0))
    assert forecasts.estimator.typical_error == pytest.approx(0.0)


async def test_a_running_cluster_learns() -> None:
    """Jobs of a cluster leave samples; capacity and estimates are there, and economy is never sooner."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())
    await cluster.coordinator.start()
    try:
        for n in range(3):
            made = cluster.submit(f"j{n}", range(1, 60), created_at_s=time.time())
            await cluster.coordinator.wake(1)
            assert succeeded(await cluster.ended(made))
        standard, economy = [
            await cluster.coordinator.estimate(tenant="t", model=MODEL, audio_s=3600.0, economy=economy)
            for economy in (False, True)
        ]
        capacity = await cluster.coordinator.capacity()
    finally:
        await cluster.coordinator.stop()
    assert standard.wall_s is not None
    assert economy.wall_s is not None
    assert 0 < standard.wall_s <= economy.wall_s
    assert standard.device_s is not None
    assert (capacity.speed > 0, capacity.n_queued_jobs, capacity.free_share) == (True, 0, 1.0)


async def test_economy_jobs_leave_room_for_standard_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all places taken by economy jobs a standard one is begun and done first; another economy job is not."""
    monkeypatch.setattr(group_commit, "GATHER_S", 0.0)  # states that are written together have no order
    cluster = InProcessCluster(MemoryLedger(), MemoryStore(), max_live_jobs=2)
    await cluster.coordinator.start()
    try:
        cluster.engine.gate.clear()
        now_s = time.time()
        cheap = [
            cluster.submit(f"cheap{n}", range(1, 200), created_at_s=now_s, priority_class="economy") for n in range(3)
        ]
        await until(lambda: cluster.ledger.counts()[JobState.TRANSCRIBING] == 2)
        dear = cluster.submit("dear", range(1, 20), created_at_s=now_s)
        await until(lambda: cluster.ledger.get("t", "dear").state is JobState.TRANSCRIBING)
        assert cluster.ledger.get("t", "cheap2").state is JobState.QUEUED
        cluster.engine.gate.set()
        done = await cluster.ended(dear, *cheap)
        assert succeeded(done)
        assert done[0].updated_at_s <= min(each.updated_at_s for each in done[1:])
    finally:
        await cluster.coordinator.stop()
