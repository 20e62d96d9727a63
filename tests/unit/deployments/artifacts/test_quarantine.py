"""Quarantine: chunks that were given up are kept, and a replay heals the transcript."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from deployments.artifacts import quarantine
from deployments.intake.accept import Intake
from pipelines.audio.clips import wav_clip
from pipelines.core import SAMPLE_RATE, CoverageStatus
from pipelines.errors import Reason
from pipelines.jobs.job import Job, JobState
from pipelines.storage.layout import JobKeys
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until


@asynccontextmanager
async def running(cluster: InProcessCluster) -> AsyncIterator[InProcessCluster]:
    await cluster.coordinator.start()
    try:
        yield cluster
    finally:
        await cluster.coordinator.stop()


def replay(cluster: InProcessCluster, job: Job, *chunks: int, job_id: str = "again") -> Job:
    """What the API does for ``POST /v1/jobs/{id}/replay``."""
    intake = Intake(ledger=cluster.ledger, store=cluster.store, clock=lambda: 2.0, new_id=lambda: job_id)
    return intake.replay(job, chunks, None)[0]


async def test_a_given_up_chunk_is_kept_with_all_about_it() -> None:
    """Clip, samples, place and the error of every attempt survive the end of the job."""
    ledger, store = MemoryLedger(), MemoryStore()
    async with running(InProcessCluster(ledger, store, engine=FakeEngine(poison=[15]))) as cluster:
        (job,) = await cluster.ended(cluster.submit("j", range(1, 31)))
        await until(lambda: not list(store.list(JobKeys(tenant="t", job_id="j").work)))
    (kept,) = quarantine.chunks_in(store, JobKeys(tenant="t", job_id="j"))
    assert (kept.item.chunk.index, kept.start_s, kept.end_s) == (1, 5.0, 10.0)
    assert kept.error == "poisoned by w15"
    assert kept.item.errors == ("poisoned by w15",) * 3
    assert kept.model.name == "fake"
    with wave.open(io.BytesIO(store.get("t/j/quarantine/000001/clip.wav"))) as clip:
        assert (clip.getframerate(), clip.getnchannels(), clip.getnframes()) == (SAMPLE_RATE, 1, 5 * SAMPLE_RATE)
    assert [event.name for event in ledger.events("t", "j")].count("chunk_given_up") == 1
    assert job.state is JobState.SUCCEEDED


async def test_a_replay_heals_the_transcript() -> None:
    """With the cause gone, a replay decodes only the lost chunks, and the transcript is whole."""
    ledger, store = MemoryLedger(), MemoryStore()
    async with running(InProcessCluster(ledger, store, engine=FakeEngine(poison=[15, 72]))) as cluster:
        (job,) = await cluster.ended(cluster.submit("j", range(1, 101), speakers=("Ann",)))
    assert job.n_failed_chunks == 2
    async with running(InProcessCluster(ledger, store)) as cluster:
        (again,) = await cluster.ended(replay(cluster, job, 1, 7))
        assert succeeded([again])
        await until(lambda: not list(store.list("t/again/work/")) and not list(store.list("t/j/quarantine/")))
    assert cluster.words(again) == list(range(1, 101))
    assert sum(cluster.engine.batch_sizes) == 2
    assert cluster.segmenter.n_calls == 0
    assert again.n_failed_chunks == 0
    assert {interval.health for interval in cluster.transcript(again).coverage} == {CoverageStatus.TRANSCRIBED}
    assert cluster.transcript(again).segments[0].speaker == "Ann"
    assert set(again.results) == set(job.results)
    assert again.progress == job.progress
    assert ledger.get("t", "j") == job


async def test_what_fails_again_stays_in_quarantine() -> None:
    """A replay of some chunks takes over the rest, so that the next one starts where it ended."""
    ledger, store = MemoryLedger(), MemoryStore()
    async with running(InProcessCluster(ledger, store, engine=FakeEngine(poison=[15, 72]))) as cluster:
        (job,) = await cluster.ended(cluster.submit("j", range(1, 101)))
    async with running(InProcessCluster(ledger, store, engine=FakeEngine(poison=[72]))) as cluster:
        (again,) = await cluster.ended(replay(cluster, job, 1))
        await until(lambda: not list(store.list("t/j/quarantine/")))
        assert again.n_failed_chunks == 1
        (left,) = quarantine.chunks_in(store, JobKeys(tenant="t", job_id="again"))
        assert left.item.chunk.index == 7
        (third,) = await cluster.ended(replay(cluster, again, 7, job_id="third"))
        assert third.n_failed_chunks == 1
    async with running(InProcessCluster(ledger, store)) as cluster:
        (fourth,) = await cluster.ended(replay(cluster, third, 7, job_id="fourth"))
    assert cluster.words(fourth) == list(range(1, 101))


async def test_a_job_without_one_chunk_has_failed_and_can_be_replayed() -> None:
    """An empty transcript is no success; once the cause is gone, a replay brings the whole recording."""
    ledger, store = MemoryLedger(), MemoryStore()
    async with running(InProcessCluster(ledger, store, engine=FakeEngine(poison=[5, 15]))) as cluster:
        (job,) = await cluster.ended(cluster.submit("j", range(1, 21)))
        assert (job.state, job.reason, job.n_failed_chunks) == (JobState.FAILED, Reason.TRANSCRIPTION_FAILED, 2)
        assert "Not one of 2 chunks" in job.detail
        assert job.results == ()
        (again,) = await cluster.ended(replay(cluster, job, 0, 1, job_id="vain"))
        assert (again.state, again.reason) == (JobState.FAILED, Reason.TRANSCRIPTION_FAILED)
        await until(lambda: not list(store.list("t/j/work/")))
    async with running(InProcessCluster(ledger, store)) as cluster:
        (healed,) = await cluster.ended(replay(cluster, job, 0, 1))
    assert succeeded([healed])
    assert cluster.words(healed) == list(range(1, 21))


async def test_a_replay_survives_a_restart() -> None:
    """A Coordinator that stops in the middle of a replay leaves it to the next."""
    ledger, store = MemoryLedger(), MemoryStore()
    async with running(
        InProcessCluster(ledger, store, languages=("de", "en"), engine=FakeEngine(languages=("de", "en"), poison=[15]))
    ) as cluster:
        (job,) = await cluster.ended(cluster.submit("j", range(1, 101)))
    engine = FakeEngine(languages=("de", "en"))
    engine.gate.clear()
    first = InProcessCluster(ledger, store, languages=("de", "en"), engine=engine)
    await first.coordinator.start()
    again = replay(first, job, 1)
    await until(lambda: ledger.get("t", "again").state is JobState.TRANSCRIBING)
    stopping = asyncio.create_task(first.coordinator.stop())
    engine.gate.set()
    await stopping
    async with running(InProcessCluster(ledger, store, languages=("de", "en"))) as second:
        assert succeeded(await second.ended(again))
    assert second.words(again) == list(range(1, 101))
    (before,), (after,) = second.transcript(job).languages, second.transcript(again).languages
    assert (after.language, after.probability) == (before.language, before.probability)
    assert (before.seconds, after.seconds) == (45.0, 50.0)


async def test_a_replay_of_a_purged_job_says_so() -> None:
    """When its origin is gone, a replay fails with an enumerated reason."""
    ledger, store = MemoryLedger(), MemoryStore()
    async with running(InProcessCluster(ledger, store, engine=FakeEngine(poison=[15]))) as cluster:
        (job,) = await cluster.ended(cluster.submit("j", range(1, 31)))
        store.delete_prefix("t/j/")
        (again,) = await cluster.ended(replay(cluster, job, 1))
    assert (again.state, again.reason) == (JobState.FAILED, Reason.BLOB_MISSING)


async def test_a_cancelled_job_keeps_no_quarantine() -> None:
    """Of a job its owner does not want any more, nothing is kept."""
    ledger, store = MemoryLedger(), MemoryStore()
    cluster = InProcessCluster(ledger, store)
    store.put("t/k/quarantine/000000/chunk.json", b"{}")
    job = cluster.submit("k", range(1, 3))
    ledger.request_cancel("t", "k")
    async with running(cluster):
        await cluster.ended(job)
        await until(lambda: not list(store.list("t/k/")))


@pytest.mark.parametrize("peak", [100, 3000, 32_767])
def test_clips_are_levelled(peak: int) -> None:
    """A quiet clip becomes loud, but noise not without bound; nothing is clipped."""
    pcm = (np.sin(np.arange(SAMPLE_RATE) / 5) * peak).astype("<i2")
    with wave.open(io.BytesIO(wav_clip(pcm.tobytes()))) as clip:
        loud = np.frombuffer(clip.readframes(SAMPLE_RATE), "<i2")
    assert len(loud) == len(pcm)
    assert np.abs(loud.astype(int)).max() == pytest.approx(min(peak * 10**1.5, 32_767 * 10**-0.05), rel=0.02)
