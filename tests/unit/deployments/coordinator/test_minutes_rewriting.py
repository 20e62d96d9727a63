"""Minutes written anew: a job that takes another one's transcript, with everything but Ray in between."""

import time
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

from deployments.ports import MinutesRequest
from deployments.workers.minutes_writer import MinutesWriter
from pipelines.codec import decode
from pipelines.core import Minutes
from pipelines.errors import MeetMemoError, Overloaded, Reason, ReplicaLost, TemplateInvalid
from pipelines.export.blocks import Layout
from pipelines.jobs.job import RESULT_FORMATS, JobState
from pipelines.minutes.extractive.writer import ExtractiveWriter
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster


@pytest.fixture
async def cluster():
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())
    await cluster.coordinator.start()
    yield cluster
    await cluster.coordinator.stop()
    cluster.let_go()


async def test_a_new_version(cluster: InProcessCluster) -> None:
    """It transcribes nothing, has its own documents by its own wishes, and leaves the earlier ones as they were."""
    (first,) = await cluster.ended(cluster.submit("j1", range(1, 30)))
    assert first.minutes is not None
    assert (first.minutes.state, first.minutes.writer, first.minutes.usage) == ("written", "extractive", None)
    before = {name: cluster.store.get(f"t/j1/results/{name}") for name in RESULT_FORMATS}
    n_calls = cluster.segmenter.n_calls
    overrides: dict[str, Any] = {
        "minutes_title": "Board",
        "minutes_template": "# {{ title }}\n\nshort\n",
        "recording_date": date(2026, 11, 24),
    }
    (second,) = await cluster.ended(cluster.submit("j2", (), minutes_of="j1", **overrides))
    assert (second.state, second.results, second.detail) == (JobState.SUCCEEDED, RESULT_FORMATS, "")
    assert cluster.segmenter.n_calls == n_calls
    assert cluster.store.get("t/j2/results/minutes.md").startswith(b"# Board\n\nshort\n")
    assert cluster.store.get("t/j2/results/transcript.srt") == before["transcript.srt"]
    assert decode(Minutes, cluster.store.get("t/j2/results/minutes.json")).held_on == "2026-11-24"
    assert before == {name: cluster.store.get(f"t/j1/results/{name}") for name in RESULT_FORMATS}


async def test_minutes_anew_wait_for_no_low_price(cluster: InProcessCluster) -> None:
    """Minutes of a recording may wait for low prices, counted from its transcript; those anew are wanted now."""
    first = cluster.submit("j1", range(1, 30))
    assert MinutesRequest.of(first).asked_at_s == first.updated_at_s
    assert MinutesRequest.of(cluster.submit("j2", (), minutes_of="j1")).asked_at_s is None
    await cluster.ended(first)


async def test_the_first_is_gone(cluster: InProcessCluster) -> None:
    """Without a transcript to take, the job fails with the reason."""
    (job,) = await cluster.ended(cluster.submit("j2", (), minutes_of="j1"))
    assert (job.state, job.reason) == (JobState.FAILED, Reason.BLOB_MISSING)


async def test_a_template_that_fails_on_the_day(cluster: InProcessCluster) -> None:
    """A template that these minutes cannot be laid out by gives way to the usual layout, and the job says so."""
    (job,) = await cluster.ended(cluster.submit("j1", range(1, 30), minutes_template="{{ decisions[7].text }}"))
    assert job.state is JobState.SUCCEEDED
    assert "template_invalid" in job.detail
    assert job.results == RESULT_FORMATS


class Failing:
    """`Templates` whose process is not to be had."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def check(self, template: str) -> None:
        raise self.error

    def lay_out(self, template: str, values: Mapping[str, Any]) -> Layout:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [Overloaded("busy", 1.0), ReplicaLost("killed"), TemplateInvalid("it takes too much memory")],
    ids=lambda error: error.reason,
)
async def test_no_process_for_a_template(error: MeetMemoError) -> None:
    """Minutes are never lost because of a template's process: they have the usual layout, and the job says why."""
    store = MemoryStore()
    extractive = ExtractiveWriter()
    writer = MinutesWriter(store=store, writers={"auto": extractive}, clock=time.time, templates=Failing(error))
    cluster = InProcessCluster(MemoryLedger(), store, minutes_writer=writer)
    await cluster.coordinator.start()
    (job,) = await cluster.ended(cluster.submit("j1", range(1, 30), minutes_template="# {{ title }}"))
    assert job.state is JobState.SUCCEEDED
    assert str(error.reason) in job.detail
    assert job.results == RESULT_FORMATS
    await cluster.coordinator.stop()
    cluster.let_go()
