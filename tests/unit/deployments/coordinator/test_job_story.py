"""Stories of jobs: bounded, whatever the load."""

import pytest

from deployments.coordinator.story import FIRST_ENTRIES, LAST_ENTRIES, MAX_JOBS, JobStories
from deployments.retention.housekeeping import Retention
from pipelines.jobs.job import JobState
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster
from tests.support.waiting import until


@pytest.fixture
def stories() -> JobStories:
    return JobStories(ManualClock(5.0))


def test_the_first_and_the_last_entries_are_kept(stories: JobStories) -> None:
    """How a job began, and what happened last."""
    n_entries = FIRST_ENTRIES + 3 * LAST_ENTRIES
    for number in range(n_entries):
        stories.add("j", str(number), stimulus_id="s", state="transcribing")
    kept = [int(entry.what) for entry in stories.of("j")]
    assert kept == [*range(FIRST_ENTRIES), *range(n_entries - LAST_ENTRIES, n_entries)]
    assert stories.of("j")[0].at_s == 5.0


def test_jobs_heard_of_last_are_kept(stories: JobStories) -> None:
    """A job that goes on outlives those that have ended."""
    stories.add("goes on", "Claimed", stimulus_id="s", state="transcribing")
    for number in range(MAX_JOBS):
        stories.add(f"j{number}", "Claimed", stimulus_id="s", state="transcribing")
        stories.add("goes on", "ChunkFinished", stimulus_id="s", state="transcribing")
    assert stories.of("goes on")
    assert stories.of("j0") == ()
    assert stories.of(f"j{MAX_JOBS - 1}")
    stories.forget("goes on")
    assert stories.of("goes on") == ()


@pytest.mark.parametrize("by", ["owner", "retention"])
async def test_an_erased_job_is_forgotten(by: str) -> None:
    """Erased by its owner or because its time is over, a job leaves nothing in the Coordinator's memory."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore(), housekeeping_interval_s=0.02)

    async def told_its_end() -> bool:
        entries = await cluster.coordinator.story("j")
        return bool(entries) and entries[-1].state == JobState.SUCCEEDED

    async def forgotten() -> bool:
        return not await cluster.coordinator.story("j")

    await cluster.coordinator.start()
    try:
        job = cluster.submit("j", range(1, 31))
        await cluster.ended(job)
        await until(told_its_end)
        if by == "owner":
            await cluster.coordinator.forget("j")
        else:
            soon = Retention(results_days=1e-9)
            cluster.coordinator.retune(max_live_jobs=2, max_pulls={}, retention=soon)
        await until(forgotten)
    finally:
        await cluster.coordinator.stop()


async def test_a_coordinator_tells_why_a_chunk_is_missing() -> None:
    """Of a job with a chunk that nothing decodes: each attempt, and that it was given up."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore(), engine=FakeEngine(poison=[7]))
    await cluster.coordinator.start()
    try:
        job = cluster.submit("j", range(1, 31))
        await cluster.ended(job)
        await cluster.at_rest()
        story = await cluster.coordinator.story("j")
    finally:
        await cluster.coordinator.stop()
    failures = [entry for entry in story if entry.what.startswith("Outcome of chunk 0: ")]
    assert [entry.commands for entry in failures] == [("RetryItem model=fake chunk 0",)] * 3
    assert all(entry.stimulus_id.startswith("pull-") for entry in failures)
    (given_up,) = (entry for entry in story if entry.what.startswith("GivenUp by fake: chunk 0"))
    assert given_up.commands == ("QuarantineChunk chunk 0",)
    assert story[-1].state == JobState.SUCCEEDED
