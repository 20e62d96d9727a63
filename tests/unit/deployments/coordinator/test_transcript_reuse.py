"""What was transcribed once is not transcribed again: which content is the same, and who may take it."""

from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from deployments.ports import SegmentRequest
from pipelines.core import BlobRef, SourceSummary, Span
from pipelines.jobs.content_hash import content_key
from pipelines.jobs.job import Job, JobOptions
from pipelines.models.profile import ModelProfile
from pipelines.storage.layout import JobKeys
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import CodedSegmenter, InProcessCluster, succeeded

OPTIONS = JobOptions(model="m")
OTHERS: dict[str, Any] = {
    "model": "n",
    "language": "de",
    "channels": "split",
    "word_timestamps": True,
    "beam_size": 5,
    "speakers": ("Ann",),
    "task": "translate",
    "prompt": "p",
    "vocabulary": ("etcd",),
    "temperature": 0.2,
    "zh_script": "simplified",
    "mask": ("email",),
    "track": "all",
    "languages": ("en", "zh"),
    "diarize": "auto",
    "vocabulary_use": "match",
    "mask_regions": ("GB",),
}
INDIFFERENT: dict[str, Any] = {
    "minutes": "none",
    "minutes_language": "de",
    "minutes_template": "classic",
    "minutes_title": "t",
    "glossary": ("etcd",),
    "recording_date": date(2026, 11, 24),
    "priority": 3,
    "deadline": datetime(2026, 11, 24, tzinfo=UTC),
    "keep_audio": True,
    "mask_audio": "beep",
    "webhook_url": "https://hooks.example.com/",
    "recipients": ("a@example.com",),
    "reuse": False,
    "source_patience_s": 5,
    "translate": ("de",),
    "priority_class": "economy",
}


def key(options: JobOptions = OPTIONS, source: str = "s", weights: str = "w", window_s: float = 10.0) -> str:
    return content_key(source, options, weights, ModelProfile(window_s=window_s))


def test_every_option_is_known() -> None:
    """A new option must be said to decide the transcript, or not to."""
    assert {field.name for field in fields(JobOptions)} == OTHERS.keys() | INDIFFERENT.keys()


@pytest.mark.parametrize("name", OTHERS)
def test_what_decides_the_transcript_is_in_the_key(name: str) -> None:
    """Options that change what is heard, or how it is written, change the key."""
    assert key(replace(OPTIONS, **{name: OTHERS[name]})) != key()


@pytest.mark.parametrize("name", INDIFFERENT)
def test_what_does_not_is_not(name: str) -> None:
    """The options of minutes and translations, and what concerns the job alone, leave the key as it is."""
    assert key(replace(OPTIONS, **{name: INDIFFERENT[name]})) == key()


def test_recording_weights_and_rows_are_in_the_key() -> None:
    """Another recording, other weights or another length of rows is other content."""
    assert len({key(), key(source="t"), key(weights="v"), key(window_s=30.0)}) == 4


def test_the_unknown_has_no_key() -> None:
    """Where the recording or the weights are not known there is nothing to compare."""
    assert key(source="") == key(weights="") == ""


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def run(cluster: InProcessCluster, *submissions: tuple[str, dict[str, Any]]) -> list[Job]:
    """Submit the same recording again and again, each after the one before has ended."""
    ended = []
    await cluster.coordinator.start()
    try:
        for job_id, options in submissions:
            ended += await cluster.ended(cluster.submit(job_id, range(1, 45), **options))
    finally:
        await cluster.coordinator.stop()
    return ended


async def test_the_same_recording_is_transcribed_once(ledger: MemoryLedger, store: MemoryStore) -> None:
    """The second job is not even cut, has the same words, documents of its own, and names the first."""
    cluster = InProcessCluster(ledger, store, weights="w")
    first, second = await run(cluster, ("j1", {}), ("j2", {}))
    assert succeeded([first, second])
    assert (first.reused_from, second.reused_from) == ("", "j1")
    assert cluster.segmenter.n_calls == 1
    assert cluster.words(second) == list(range(1, 45))
    assert second.results == first.results
    assert second.progress == first.progress
    assert (second.usage.device_s, second.usage.cpu_s) == (0.0, 0.0)
    text = (await cluster.coordinator.metrics()).decode()
    seconds = first.progress.audio_s
    assert f'meetmemo_reused_audio_seconds_total{{model="fake",tenant_class="standard"}} {seconds}' in text


class FetchingSegmenter(CodedSegmenter):
    """Names a source as one that had to be fetched; what it names is the same every time."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.requests: list[SegmentRequest] = []

    async def segment(self, request: SegmentRequest) -> AsyncIterator[BlobRef | Span | SourceSummary]:
        self.requests.append(request)
        yield BlobRef(key=JobKeys(tenant=request.tenant, job_id=request.job_id).source, n_bytes=5, sha256="fetched")
        async for found in super().segment(request):
            yield found


async def test_a_source_by_reference_is_known_once_it_is_fetched(ledger: MemoryLedger, store: MemoryStore) -> None:
    """What a URL led to is compared before it is cut, and the job tells its digest."""
    segmenter = FetchingSegmenter(store)
    cluster = InProcessCluster(ledger, store, weights="w", segmenter=segmenter)
    first, second = await run(cluster, ("j1", {}), ("j2", {}))
    assert (first.source.sha256, second.source.sha256) == ("fetched", "fetched")
    assert second.reused_from == "j1"
    assert segmenter.n_calls == 1


async def test_the_segmenter_hears_what_the_ledger_knows(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A call for a job whose source was fetched before names its digest, so that it is not hashed again."""
    segmenter = FetchingSegmenter(store)
    cluster = InProcessCluster(ledger, store, segmenter=segmenter)
    await cluster.coordinator.start()
    try:
        job = cluster.submit("j1", range(1, 45))
        await cluster.ended(job)
    finally:
        await cluster.coordinator.stop()
    assert job.source.sha256
    assert [request.source for request in segmenter.requests] == [job.source]


async def test_other_minutes_need_no_decoding(ledger: MemoryLedger, store: MemoryStore) -> None:
    """The same recording with other wishes for its minutes runs the minutes only."""
    cluster = InProcessCluster(ledger, store, weights="w")
    first, second = await run(cluster, ("j1", {}), ("j2", {"minutes_title": "Board meeting"}))
    assert second.reused_from == first.id
    assert b"Board meeting" in store.get(JobKeys(tenant="t", job_id="j2").result("minutes.md"))


@pytest.mark.parametrize(
    "options",
    [{"reuse": False}, {"keep_audio": True}, {"language": "en"}, {"tenant": "u"}],
    ids=["not wanted", "a copy of the recording is wanted", "other options", "another tenant"],
)
async def test_who_decodes_again(ledger: MemoryLedger, store: MemoryStore, options: dict[str, Any]) -> None:
    """Nothing crosses tenants, and what is wanted anew is made anew."""
    cluster = InProcessCluster(ledger, store, weights="w")
    _, second = await run(cluster, ("j1", {}), ("j2", options))
    assert succeeded([second])
    assert second.reused_from == ""
    assert cluster.segmenter.n_calls == 2


async def test_a_transcript_with_gaps_is_not_taken(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Where a chunk was given up the next job tries all of it again."""
    cluster = InProcessCluster(ledger, store, weights="w", engine=FakeEngine(poison=[15]))
    first, second = await run(cluster, ("j1", {}), ("j2", {}))
    assert first.n_failed_chunks == 1
    assert second.reused_from == ""


async def test_a_purged_transcript_is_made_again(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A job whose results are gone, though the ledger still has it, is no source."""
    cluster = InProcessCluster(ledger, store, weights="w")
    (first,) = await run(cluster, ("j1", {}))
    store.delete_prefix(JobKeys(tenant="t", job_id=first.id).root)
    (second,) = await run(InProcessCluster(ledger, store, weights="w"), ("j2", {}))
    assert succeeded([second])
    assert second.reused_from == ""


async def test_weights_without_a_name_share_nothing(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A model whose weights are not known by their hash decodes everything itself."""
    _, second = await run(InProcessCluster(ledger, store), ("j1", {}), ("j2", {}))
    assert second.reused_from == ""
