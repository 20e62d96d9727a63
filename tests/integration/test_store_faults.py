"""A bucket that fails at every call site: jobs wait, then end as if nothing had happened."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import pytest

from deployments.artifacts.storage_retry import StorageRetry
from deployments.ports import SegmenterPort, SegmentRequest
from deployments.sources.limits import SourceLimits
from deployments.workers.segmenter import Segmenter, SegmenterOptions
from pipelines.backoff import Backoff
from pipelines.codec import encode
from pipelines.core import SourceSummary, Span
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.storage import s3, s3_client
from pipelines.storage.layout import JobKeys
from pipelines.storage.open import open_store
from pipelines.storage.protocol import BlobStore
from tests.servers.s3 import Fault, FaultyProxy, s3_server
from tests.support.in_process_cluster import InProcessCluster
from tests.support.recordings import RECORDINGS
from tests.support.waiting import until

READS = ("GET", "HEAD")
ALL = ("GET", "HEAD", "PUT", "POST", "DELETE")
NUMBERS = range(1, 76)  # eight chunks in three spans

FAULTS = [
    (Fault.ERROR_500, ALL),
    (Fault.RESET, ALL),
    (Fault.LOST_ANSWER, ALL),
    (Fault.HANG, ALL),
    (Fault.SLOW, ALL),
    (Fault.TRUNCATE, READS),
]


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    with pytest.MonkeyPatch.context() as environment, s3_server() as port, FaultyProxy(port) as proxy:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield proxy


@pytest.fixture
def store(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> BlobStore:
    """A bucket whose client does not repeat anything by itself, so that each fault is met by the code that asked."""
    monkeypatch.setattr(s3_client, "REQUEST_ATTEMPTS", 1)
    monkeypatch.setattr(s3, "READ_ATTEMPTS", 1)
    monkeypatch.setattr(s3_client, "READ_TIMEOUT_S", 1)
    name = f"meetmemo-{uuid.uuid4().hex}"
    client = boto3.client("s3", endpoint_url=proxy.url, region_name="us-east-1")
    client.create_bucket(Bucket=name)
    client.close()
    return open_store(f"s3://{name}?endpoint={proxy.url}&region=us-east-1")


class _Recordings:
    """The real Segmenter behind the cluster's port."""

    def __init__(self, store: BlobStore) -> None:
        self._segmenter = Segmenter(
            store=store, options=SegmenterOptions(max_duration_s=3600.0, sources=SourceLimits())
        )

    async def segment(self, request: SegmentRequest) -> AsyncIterator[Span | SourceSummary]:
        async for found in self._segmenter.segment(request):
            yield found


@pytest.mark.parametrize(("fault", "methods"), FAULTS, ids=lambda value: getattr(value, "name", ""))
async def test_a_fault_at_every_call_site(
    fault: Fault, methods: tuple[str, ...], store: BlobStore, proxy: FaultyProxy, tmp_path: Path
) -> None:
    """Whatever is asked of the store fails the first time; the job succeeds once, whole, and leaves results only."""
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    cluster = _cluster(ledger, store)
    job = cluster.submit("j", NUMBERS)
    try:
        with proxy.failing_first(fault, methods):
            await cluster.coordinator.start()
            (ended,) = await cluster.ended(job, timeout_s=240.0)
            await cluster.coordinator.stop()
        assert (ended.state, ended.n_failed_chunks, ended.reason) == (JobState.SUCCEEDED, 0, None), ended.detail
        names = [event.name for event in ledger.events("t", "j")]
        assert [name for name in names if name in set(JobState)][-3:] == ["transcribing", "summarizing", "succeeded"]
        assert names.count("succeeded") == 1
        assert cluster.words(job) == list(NUMBERS)
        n_sites = {method: sum(1 for found, _ in proxy.faulted if found == method) for method in methods}
        assert n_sites["GET"] > 15
        assert n_sites.get("PUT", 20) > 15
        # The clean-up met faults as well: the next start's housekeeping brings it to its end.
        again = _cluster(ledger, store)
        await again.coordinator.start()
        await until(lambda: all("/results/" in key for key in store.list("")))
        await again.coordinator.stop()
        assert {key.rpartition("/")[2] for key in store.list("t/j/results/")} >= set(ended.results)
    finally:
        ledger.close()


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.RESET, Fault.TRUNCATE], ids=lambda fault: fault.name)
async def test_the_segmenter_meets_faults(fault: Fault, store: BlobStore, proxy: FaultyProxy, tmp_path: Path) -> None:
    """A real recording is cut the same although every read of its source and every write of a span fails once."""
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    transcripts = []
    try:
        for job_id in ("calm", "wild"):
            cluster = _cluster(ledger, store, segmenter=_Recordings(store))
            job = _submit_recording(cluster, job_id)
            if job_id == "wild":
                with proxy.failing_first(fault, READS if fault is Fault.TRUNCATE else ALL):
                    await cluster.coordinator.start()
                    (ended,) = await cluster.ended(job, timeout_s=240.0)
                    await cluster.coordinator.stop()
            else:
                await cluster.coordinator.start()
                (ended,) = await cluster.ended(job, timeout_s=240.0)
                await cluster.coordinator.stop()
            assert (ended.state, ended.n_failed_chunks) == (JobState.SUCCEEDED, 0), ended.detail
            transcripts.append(encode(cluster.transcript(job)))
    finally:
        ledger.close()
    assert transcripts[0] == transcripts[1]


async def test_corrupt_blobs_are_read_again(store: BlobStore, proxy: FaultyProxy, tmp_path: Path) -> None:
    """A reply that differs from its checksum counts as no reply."""
    ledger = open_ledger(f"sqlite:///{tmp_path / 'ledger.sqlite3'}")
    cluster = _cluster(ledger, store)
    job = cluster.submit("j", NUMBERS)
    keys = JobKeys(tenant="t", job_id="j")
    try:
        await cluster.coordinator.start()
        (ended,) = await cluster.ended(job, timeout_s=240.0)
        await cluster.coordinator.stop()
    finally:
        ledger.close()
    assert ended.state is JobState.SUCCEEDED
    proxy.misbehave(Fault.CORRUPT, 1, ("GET",))
    with pytest.raises(s3.StoreUnavailable, match="checksum"):
        await asyncio.to_thread(store.get, keys.transcript)
    assert cluster.words(job) == list(NUMBERS)


def _cluster(ledger: Ledger, store: BlobStore, segmenter: SegmenterPort | None = None) -> InProcessCluster:
    """A cluster whose pauses are short: here every call meets a fault, and most meet many."""
    return InProcessCluster(
        ledger, store, segmenter=segmenter, storage_retry=StorageRetry(Backoff(first_s=0.01, longest_s=0.05))
    )


def _submit_recording(cluster: InProcessCluster, job_id: str) -> Job:
    job = cluster.submit(job_id, [])
    cluster.store.put_file(JobKeys(tenant=job.tenant, job_id=job_id).source, RECORDINGS / "short.mp3")
    return job
