"""Jobs without minutes: their transcript and its documents come in one call, and what they leave is deleted."""

from collections import Counter

import pytest

from deployments.ports import EndedJob, MinutesRequest, Stitched, StitchRequest, WrittenResults
from deployments.workers.minutes_writer import MinutesWriter
from pipelines.errors import StoreUnavailable
from pipelines.jobs.job import RESULT_FORMATS, JobState
from pipelines.minutes.extractive.writer import ExtractiveWriter
from pipelines.storage.layout import JobKeys
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster
from tests.support.waiting import until

TRANSCRIPTS = tuple(name for name in RESULT_FORMATS if name.startswith("transcript."))


class CountingWriter(MinutesWriter):
    """Counts what it is asked for; the first ``faults`` attempts to clean up find the store away."""

    def __init__(self, store: MemoryStore, faults: int = 0) -> None:
        super().__init__(store=store, writers={"auto": ExtractiveWriter()}, clock=lambda: 1000.0)
        self.calls: Counter[str] = Counter()
        self.error: Exception | None = None
        self._faults = faults

    async def stitch(self, request: StitchRequest) -> Stitched:
        self.calls["stitch" if request.documents is None else "stitch and render"] += 1
        return await super().stitch(request)

    async def write(self, request: MinutesRequest) -> WrittenResults:
        self.calls["write"] += 1
        return await super().write(request)

    async def clean_up(self, ended: EndedJob) -> None:
        self.calls["clean up"] += 1
        if self.error:
            raise self.error
        if self._faults:
            self._faults -= 1
            raise StoreUnavailable("away")
        await super().clean_up(ended)


@pytest.mark.parametrize(
    ("minutes", "calls"),
    [("none", {"stitch and render": 1, "clean up": 1}), ("auto", {"stitch": 1, "write": 1, "clean up": 1})],
)
async def test_documents_come_with_the_transcript(minutes: str, calls: dict[str, int]) -> None:
    """Where nothing else is wanted; minutes are asked for when the ledger knows of it."""
    store = MemoryStore()
    writer = CountingWriter(store)
    cluster = InProcessCluster(MemoryLedger(), store, minutes_writer=writer)
    await cluster.coordinator.start()
    (job,) = await cluster.ended(cluster.submit("j", range(1, 30), minutes=minutes))
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    await until(lambda: not store.exists(keys.source) and not list(store.list(keys.work)))
    await cluster.coordinator.stop()
    cluster.let_go()
    assert job.state is JobState.SUCCEEDED
    assert cluster.words(job) == list(range(1, 30))
    assert writer.calls == calls
    assert set(TRANSCRIPTS) <= set(job.results)
    assert all(store.exists(keys.result(name)) for name in job.results)


async def test_a_job_that_is_lost_has_no_documents() -> None:
    """Its transcript is empty: rendering it would leave results of a job that failed."""
    store = MemoryStore()
    writer = CountingWriter(store)
    engine = FakeEngine(poison=frozenset({5}))
    cluster = InProcessCluster(MemoryLedger(), store, minutes_writer=writer, engine=engine, max_attempts=1)
    await cluster.coordinator.start()
    (job,) = await cluster.ended(cluster.submit("j", range(1, 9), minutes="none"))
    await until(lambda: writer.calls["clean up"] == 1)
    await cluster.coordinator.stop()
    cluster.let_go()
    assert job.state is JobState.FAILED
    assert writer.calls["stitch"] == 1
    assert not store.exists(JobKeys(tenant="t", job_id="j").result("transcript.srt"))


@pytest.mark.parametrize("error", [None, ConnectionError("no replica")], ids=["store away", "nobody there"])
async def test_an_end_waits_for_no_clean_up(error: Exception | None) -> None:
    """A store that is away is waited for; for another fault the working data stay, which housekeeping finds."""
    store = MemoryStore()
    writer = CountingWriter(store, faults=1)
    writer.error = error
    cluster = InProcessCluster(MemoryLedger(), store, minutes_writer=writer)
    await cluster.coordinator.start()
    (job,) = await cluster.ended(cluster.submit("j", range(1, 30), minutes="none"))
    assert job.state is JobState.SUCCEEDED
    await until(lambda: writer.calls["clean up"] == (1 if error else 2))
    await cluster.at_rest()
    await until(lambda: store.exists(JobKeys(tenant="t", job_id="j").source) is bool(error))
    await cluster.coordinator.stop()
    cluster.let_go()
