"""The Coordinator with everything around it but Ray: what happens to jobs when things go well, and when not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.job_runners import JobRunners
from deployments.coordinator.job_store import JobStore
from deployments.coordinator.lease import LeaderLease
from deployments.coordinator.options import CoordinatorOptions
from deployments.notifications.messages import JobNotifications
from deployments.ports import DrainStatus, Outcome
from deployments.retention.housekeeping import Retention
from deployments.telemetry.counters import CoordinatorMetrics
from deployments.workers.transcriber import Transcriber
from pipelines.core import Chunk, ChunkResult, CoverageStatus, ModelInfo, SpeechInterval
from pipelines.errors import Fenced, Reason, StoreUnavailable, TimedOut, UnsupportedFormat
from pipelines.jobs.job import JobState
from pipelines.models.profile import ModelProfile
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from pipelines.whisper.options import DecodeRequest
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import MODEL, CodedSegmenter, InProcessCluster, Unanswered, succeeded
from tests.support.waiting import until


@asynccontextmanager
async def running(cluster: InProcessCluster) -> AsyncIterator[InProcessCluster]:
    await cluster.coordinator.start()
    try:
        yield cluster
    finally:
        await cluster.coordinator.stop()


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def test_every_word_arrives_once_and_in_order(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Several jobs over several replicas: each transcript holds exactly what its recording said."""
    async with running(InProcessCluster(ledger, store, n_transcribers=3)) as cluster:
        jobs = [cluster.submit(f"j{n}", range(1 + 100 * n, 88 + 100 * n)) for n in range(5)]
        assert succeeded(await cluster.ended(*jobs))
    for n, job in enumerate(jobs):
        assert cluster.words(job) == list(range(1 + 100 * n, 88 + 100 * n))


async def test_more_jobs_in_hand_while_it_runs(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A raised bound is heeded at once: the queued job is begun although the first one has not ended."""
    async with running(InProcessCluster(ledger, store, max_live_jobs=1)) as cluster:
        cluster.engine.gate.clear()
        jobs = [cluster.submit(f"j{n}", range(1, 20)) for n in range(2)]
        await until(lambda: ledger.counts()[JobState.TRANSCRIBING] == 1)
        cluster.coordinator.retune(max_live_jobs=2, max_pulls={"unknown": 3}, retention=Retention(results_days=1))
        await until(lambda: ledger.counts()[JobState.TRANSCRIBING] == 2)
        cluster.engine.gate.set()
        assert succeeded(await cluster.ended(*jobs))


async def test_another_batch_size_while_it_runs(ledger: MemoryLedger, store: MemoryStore) -> None:
    """The next batch that a Transcriber claims has the new size."""
    async with running(InProcessCluster(ledger, store)) as cluster:
        cluster.replicas[0].resize(1)
        await cluster.ended(cluster.submit("j", range(1, 60)))
    assert set(cluster.engine.batch_sizes) == {1}


async def test_batches_grow_while_it_works(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A device that takes the same time for one row and for eight gets eight."""
    clock = ManualClock()

    class FlatEngine(FakeEngine):
        def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
            clock.advance(0.05)
            return super().transcribe(rows)

    cluster = InProcessCluster(ledger, store, engine=FlatEngine())
    cluster.replicas = [
        Transcriber(
            name=MODEL, engine=cluster.engine, store=store, source=cluster, max_rows=1, most_rows=8, clock=clock
        )
    ]
    cluster.engine.gate.clear()
    async with running(cluster):
        job = cluster.submit("j", range(1, 1500))
        await until(lambda: store.exists(JobKeys(tenant="t", job_id="j").summary))  # enough waits for full batches
        cluster.engine.gate.set()
        assert succeeded(await cluster.ended(job))
    assert max(cluster.engine.batch_sizes) == 8, cluster.engine.batch_sizes


async def test_working_data_goes_and_results_stay(ledger: MemoryLedger, store: MemoryStore) -> None:
    """After a job only its results are left in the store."""
    async with running(InProcessCluster(ledger, store)) as cluster:
        job = cluster.submit("j", range(1, 50))
        (ended,) = await cluster.ended(job)
        await until(lambda: not list(store.list(JobKeys(tenant="t", job_id="j").work)))
    left = set(store.list("t/j/"))
    assert left == {f"t/j/results/{name}" for name in (*ended.results, ".transcript")}
    assert ended.progress.done_s == pytest.approx(ended.progress.audio_s) == pytest.approx(49 * 0.5)


async def test_a_bad_recording_fails_with_its_reason(ledger: MemoryLedger, store: MemoryStore) -> None:
    """What the Segmenter cannot read ends the job with the enumerated reason, not with a traceback."""
    async with running(InProcessCluster(ledger, store)) as cluster:
        cluster.segmenter.fail = UnsupportedFormat("that is no audio")
        (job,) = await cluster.ended(cluster.submit("j", [1]))
    assert (job.state, job.reason, job.detail) == (
        JobState.FAILED,
        Reason.UNSUPPORTED_FORMAT,
        "that is no audio",
    )


async def test_a_poison_chunk_fails_alone(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A chunk that never decodes is given up; its job succeeds with that interval marked failed."""
    engine = FakeEngine(poison=[15])
    async with running(InProcessCluster(ledger, store, engine=engine)) as cluster:
        (job,) = await cluster.ended(cluster.submit("j", range(1, 31)))
    assert job.state is JobState.SUCCEEDED
    assert job.n_failed_chunks == 1
    assert cluster.words(job) == [*range(1, 11), *range(21, 31)]
    failed = [interval for interval in cluster.transcript(job).coverage if interval.health is CoverageStatus.FAILED]
    assert [(interval.start_s, interval.end_s) for interval in failed] == [(5.0, 10.0)]


async def test_cancel_is_final_even_while_rows_decode(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A cancel takes effect at once; what a replica still decodes for the job is ignored."""
    engine = FakeEngine()
    engine.gate.clear()
    async with running(InProcessCluster(ledger, store, engine=engine)) as cluster:
        job = cluster.submit("j", range(1, 50))
        await until(lambda: ledger.get("t", "j").state is JobState.TRANSCRIBING)
        ledger.request_cancel("t", "j")
        await cluster.coordinator.wake()
        (ended,) = await cluster.ended(job)
        engine.gate.set()
        later = cluster.submit("k", range(1, 20))
        assert succeeded(await cluster.ended(later))
    assert ended.state is JobState.CANCELLED
    assert ledger.get("t", "j").state is JobState.CANCELLED


async def test_a_queued_job_can_be_cancelled(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A wish to cancel that was noted before any Coordinator looked is not lost."""
    cluster = InProcessCluster(ledger, store)
    job = cluster.submit("j", range(1, 10))
    ledger.request_cancel("t", "j")
    async with running(cluster):
        (ended,) = await cluster.ended(job)
    assert ended.state is JobState.CANCELLED


async def test_a_successor_finishes_what_was_begun(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A Coordinator that stops in mid-job leaves it to the next, which decodes only what has no outcome yet."""
    engine = FakeEngine()
    first = InProcessCluster(ledger, store, engine=engine, owner="first")
    await first.coordinator.start()
    job = first.submit("j", range(1, 401))
    keys = JobKeys(tenant="t", job_id="j")
    await until(lambda: len(list(store.list(keys.chunks))) >= 8)
    engine.gate.clear()
    stopping = asyncio.create_task(first.coordinator.stop())
    engine.gate.set()
    await stopping
    await asyncio.to_thread(first.let_go)
    assert ledger.get("t", "j").state is JobState.TRANSCRIBING
    n_stored = len(list(store.list(keys.chunks)))
    async with running(InProcessCluster(ledger, store, owner="second")) as second:
        assert succeeded(await second.ended(job))
    assert second.words(job) == list(range(1, 401))
    assert sum(second.engine.batch_sizes) == 40 - n_stored


async def test_a_deposed_coordinator_changes_nothing(ledger: MemoryLedger, store: MemoryStore) -> None:
    """When another takes the lease, the first one's writes are refused and its health check fails."""
    engine = FakeEngine()
    engine.gate.clear()
    old = InProcessCluster(ledger, store, engine=engine, owner="same")
    await old.coordinator.start()
    job = old.submit("j", range(1, 40))
    await until(lambda: ledger.get("t", "j").state is JobState.TRANSCRIBING)
    async with running(InProcessCluster(ledger, store, owner="same")) as new:
        engine.gate.set()
        assert succeeded(await new.ended(job))

        def is_deposed() -> bool:
            old.coordinator.check()
            return False

        with pytest.raises(Fenced):
            await until(is_deposed)
    assert new.words(job) == list(range(1, 40))
    await old.coordinator.stop()


async def test_work_waits_while_the_store_is_away(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A store that refuses for a while delays a job; it neither fails nor loses anything."""

    class Flaky(MemoryStore):
        n_refusals = 25

        def put(self, key: str, data: bytes, *, sha256: str = ""):  # as in MemoryStore
            if ("/work/chunks/" in key or "/results/" in key) and self.n_refusals:
                self.n_refusals -= 1
                raise StoreUnavailable("away")
            return super().put(key, data, sha256=sha256)

    async with running(InProcessCluster(ledger, Flaky(), max_attempts=2)) as cluster:
        job = cluster.submit("j", range(1, 60))
        assert succeeded(await cluster.ended(job))
    assert cluster.words(job) == list(range(1, 60))


async def test_a_multilingual_model_is_asked_once_per_channel(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Without a given language several windows vote, then the whole channel is decoded in that language."""
    async with running(InProcessCluster(ledger, store, languages=("de", "en", "zh"))) as cluster:
        job = cluster.submit("j", range(1, 100))
        given = cluster.submit("k", range(1, 30), language="zh")
        assert succeeded(await cluster.ended(job, given))
    vote = cluster.transcript(job).languages[0]
    assert (vote.language, cluster.transcript(job).language) == ("de", "de")
    assert 0 < vote.probability < 1
    assert cluster.transcript(given).languages[0].probability == 1.0
    assert cluster.words(job) == list(range(1, 100))


async def test_watchers_hear_of_progress(ledger: MemoryLedger, store: MemoryStore) -> None:
    """`watch` returns as soon as a job has changed, and its progress never shrinks."""
    async with running(InProcessCluster(ledger, store)) as cluster:
        job = cluster.submit("j", range(1, 400))
        seen = [job]
        while not seen[-1].state.final:
            view = await cluster.coordinator.watch("t", "j", seen[-1].version, 10.0)
            seen.append(view.job)
    done = [job.progress.done_s for job in seen]
    assert done == sorted(done)
    assert [job.version for job in seen] == sorted(job.version for job in seen)


async def test_no_replica_means_waiting(ledger: MemoryLedger, store: MemoryStore) -> None:
    """While no Transcriber answers a job waits: only chunks that replicas held count as attempts."""
    nobody = Unanswered()
    async with running(InProcessCluster(ledger, store, transcriber=nobody, max_attempts=3)) as cluster:
        cluster.submit("j", range(1, 20))
        await until(lambda: nobody.n_calls > 2 * 3)
        assert ledger.get("t", "j").state is JobState.TRANSCRIBING
        status = await cluster.coordinator.status()
    assert status.backlog_audio_s == pytest.approx(19 * 0.5)


async def test_a_job_deleted_under_way_is_forgotten(ledger: MemoryLedger, store: MemoryStore) -> None:
    """When its record vanishes, a job's work stops and its data goes; other jobs are not touched."""
    engine = FakeEngine()
    engine.gate.clear()
    async with running(InProcessCluster(ledger, store, engine=engine)) as cluster:
        cluster.submit("j", range(1, 50))
        await until(lambda: ledger.get("t", "j").state is JobState.TRANSCRIBING)
        ledger.delete("t", "j")
        engine.gate.set()
        other = cluster.submit("k", range(1, 30))
        assert succeeded(await cluster.ended(other))
        await until(lambda: not list(store.list("t/j/")))
        assert (await cluster.coordinator.eta(("j",))) == {}


async def test_minutes_that_cannot_be_written_cost_no_transcript(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A wish the extractive writer cannot fulfil leaves the transcript's documents and a note."""
    async with running(InProcessCluster(ledger, store)) as cluster:
        (job,) = await cluster.ended(cluster.submit("j", range(1, 20), minutes_language="zh"))
    assert job.state is JobState.SUCCEEDED
    assert all(name.startswith("transcript.") for name in job.results)
    assert "language model" in job.detail


async def test_draining_outlives_the_coordinator(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A Coordinator that takes over drains on; one that only stops, with time to drain, leaves no order behind."""
    first = InProcessCluster(ledger, store)
    await first.coordinator.start()
    await first.coordinator.drain(begin=True, refuse=True)
    await first.coordinator.stop()
    second = InProcessCluster(ledger, store)
    await second.coordinator.start()
    assert await second.coordinator.drain() == DrainStatus(draining=True, refusing=True, n_live_jobs=0)
    job = second.submit("j", range(1, 5))
    await second.coordinator.drain(begin=False)
    await second.ended(job)
    await second.coordinator.stop(drain_s=5.0)
    third = InProcessCluster(ledger, store)
    await third.coordinator.start()
    assert not (await third.coordinator.drain()).draining
    await third.coordinator.stop()


async def test_draining_begins_nothing_and_ends_what_is_in_hand(ledger: MemoryLedger, store: MemoryStore) -> None:
    """While it drains, queued jobs wait, those in hand go on, and cancels are heard; afterwards all goes on."""
    engine = FakeEngine()
    engine.gate.clear()
    async with running(InProcessCluster(ledger, store, engine=engine)) as cluster:
        begun = cluster.submit("j", range(1, 30))
        await until(lambda: ledger.get("t", "j").state is JobState.TRANSCRIBING)
        assert await cluster.coordinator.drain(begin=True) == DrainStatus(draining=True, refusing=False, n_live_jobs=1)
        waiting, unwanted = cluster.submit("k", range(1, 30)), cluster.submit("l", range(1, 30))
        ledger.request_cancel("t", "l")
        await cluster.coordinator.wake()
        assert [job.state for job in await cluster.ended(unwanted)] == [JobState.CANCELLED]
        engine.gate.set()
        assert succeeded(await cluster.ended(begun))
        assert ledger.get("t", "k").state is JobState.QUEUED
        assert (await cluster.coordinator.status()).draining
        await cluster.at_rest()  # the ledger knows of the end a moment earlier
        await cluster.coordinator.drain(begin=False)
        assert succeeded(await cluster.ended(waiting))


async def test_a_stop_gives_what_is_in_hand_some_time(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A stop with time to drain lets a short job end; without, it is left to the next start."""
    cluster = InProcessCluster(ledger, store)
    job = cluster.submit("j", range(1, 30))
    await cluster.coordinator.start()
    await until(lambda: ledger.get("t", "j").state is not JobState.QUEUED)
    await cluster.coordinator.stop(drain_s=30.0)
    assert ledger.get("t", job.id).state is JobState.SUCCEEDED


async def test_a_job_whose_model_is_gone_fails_by_name(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A job for a model that is configured no more ends with the reason, and harms no other."""
    cluster = InProcessCluster(ledger, store)
    job = cluster.submit("j", range(1, 30))
    lost = replace(job, id="lost", options=replace(job.options, model="base"))
    ledger.create(lost)
    async with running(cluster):
        ended, failed = await cluster.ended(job, lost)
    assert (ended.state, failed.state, failed.reason) == (JobState.SUCCEEDED, JobState.FAILED, Reason.MODEL_UNKNOWN)


async def test_a_late_outcome_of_a_live_job_is_not_thrown_away(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A replica that reports to a Coordinator which has not recovered the job yet loses no result."""
    cluster = InProcessCluster(ledger, store)
    job = cluster.submit("j", range(1, 30))
    chunk = Chunk(index=0, channel=0, span=0, pieces=(SpeechInterval(start=0, end=16_000),))
    item = WorkItem(tenant="t", job_id="j", chunk=chunk, language="en")
    key = JobKeys(tenant="t", job_id="j").chunk(0, item.input_digest)
    store.put(key, b"{}")
    await cluster.coordinator.complete("old pull", ModelInfo(name="fake"), (Outcome(item=item),))
    assert store.exists(key)
    lease = ledger.acquire_lease("test", 60.0)
    assert lease is not None
    ledger.apply(lease, replace(job, state=JobState.CANCELLED), job.version)
    await cluster.coordinator.complete("old pull", ModelInfo(name="fake"), (Outcome(item=item),))
    assert not store.exists(key)


async def test_results_of_another_cut_are_not_used(ledger: MemoryLedger, store: MemoryStore) -> None:
    """What an earlier segmentation left, cut otherwise, neither counts as done nor gets into the transcript."""
    engine = FakeEngine()
    engine.gate.clear()
    first = InProcessCluster(ledger, store, engine=engine, owner="first")
    await first.coordinator.start()
    job = first.submit("j", range(1, 31))
    await until(lambda: ledger.get("t", "j").state is JobState.TRANSCRIBING)
    stopping = asyncio.create_task(first.coordinator.stop())
    await stopping
    store.put(JobKeys(tenant="t", job_id="j").chunk(1, "0123456789abcdef"), b'{"not": "read"}')
    engine.gate.set()
    async with running(InProcessCluster(ledger, store, owner="second")) as second:
        assert succeeded(await second.ended(job))
    assert second.words(job) == list(range(1, 31))


async def test_a_hung_device_is_noticed(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A batch that never ends makes the replica's health check fail; an ordinary one does not."""
    engine = FakeEngine()
    clock = ManualClock()
    cluster = InProcessCluster(ledger, store, engine=engine)
    transcriber = Transcriber(
        name="fake", engine=engine, store=store, source=cluster, max_rows=1, hang_s=60, clock=clock
    )
    cluster.replicas = [transcriber]
    async with running(cluster):
        await cluster.ended(cluster.submit("ordinary", [1]))
        transcriber.check()
        engine.gate.clear()
        job = cluster.submit("hung", [1])
        try:
            await until(lambda: transcriber.decode_slots.n_busy > 0)
            clock.advance(59)
            transcriber.check()
            clock.advance(2)
            with pytest.raises(TimedOut):
                transcriber.check()
        finally:
            engine.gate.set()
        await cluster.ended(job)
        transcriber.check()


async def test_a_successor_knows_what_decoded(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A Coordinator that only has to stitch names the model as the one before would have."""
    engine = FakeEngine()
    first = InProcessCluster(ledger, store, engine=engine, owner="first")
    await first.coordinator.start()
    job = first.submit("j", range(1, 200))
    keys = JobKeys(tenant="t", job_id="j")
    await until(lambda: len(list(store.list(keys.chunks))) == 20 or ledger.get("t", "j").state.final)
    await first.coordinator.stop()
    async with running(InProcessCluster(ledger, store, owner="second", transcriber=Unanswered())) as second:
        assert succeeded(await second.ended(job))
    assert second.transcript(job).model.sha256 == engine.info.sha256


def second_runners(
    job_store: JobStore, store: MemoryStore, segmenter: CodedSegmenter, leader: LeaderLease
) -> JobRunners:
    """Return the runners of a second Coordinator, whose Transcribers and writer never answer."""
    return JobRunners(
        job_store=job_store,
        store=store,
        segmenter=segmenter,
        transcribers={MODEL: Unanswered()},
        diarizer=Unanswered(),
        minutes_writer=Unanswered(),
        leader=leader,
        storage_retry=StorageRetry(),
        options=CoordinatorOptions(owner="second", profiles={MODEL: ModelProfile(languages=("en",))}),
        counters=CoordinatorMetrics([MODEL]),
        ended=lambda: None,
    )


async def test_stopped_before_a_step_begins(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A step whose task is cancelled before its first turn was never called: nothing is left unawaited."""
    first = InProcessCluster(ledger, store, owner="first")
    first.engine.gate.clear()
    await first.coordinator.start()
    job = first.submit("j", range(1, 200))
    await until(lambda: ledger.get("t", "j").state is JobState.TRANSCRIBING)
    await first.coordinator.stop()
    first.engine.gate.set()
    leader = LeaderLease(ledger, "second", ttl_s=3.0)
    await leader.acquire()
    job_store = JobStore(ledger, leader, JobNotifications())
    segmenter = CodedSegmenter(store)
    runners = second_runners(job_store, store, segmenter, leader)
    (taken_up,) = job_store.live()
    await runners.recover(taken_up)
    await runners.close()  # in the turn of the loop in which the job was taken up
    assert segmenter.n_calls == 0
    await job_store.settle()
    await leader.release()
    async with running(InProcessCluster(ledger, store, owner="third")) as third:
        assert succeeded(await third.ended(job))


async def test_a_job_that_nobody_wants_is_not_taken_up(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Its owner asked to cancel before the restart: it ends so, however little is left of it to do."""
    first = InProcessCluster(ledger, store, transcriber=Unanswered())
    async with running(first) as cluster:
        cluster.submit("j", range(1, 20))
        await until(lambda: ledger.get("t", "j").state is JobState.TRANSCRIBING)
    ledger.request_cancel("t", "j")
    leader = LeaderLease(ledger, "second", 15.0)
    await leader.acquire()
    job_store = JobStore(ledger, leader, JobNotifications())
    runners = second_runners(job_store, store, CodedSegmenter(store), leader)
    (wanted_no_more,) = job_store.live()
    await runners.recover(wanted_no_more)
    await job_store.settle()
    assert ledger.get("t", "j").state is JobState.CANCELLED
    await runners.close()
    await leader.release()
