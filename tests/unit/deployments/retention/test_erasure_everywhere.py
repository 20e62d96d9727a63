"""After a purge no byte of a job is found in the whole home, whichever way it came in and whatever it met."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from deployments.artifacts.parked_minutes import DeferredMinutes
from deployments.artifacts.presigned_uploads import DirectUpload
from deployments.http.app import build_api
from deployments.http.config import ApiServices
from deployments.limits import IngestionLimits
from deployments.notifications.messages import JobNotifications
from deployments.notifications.webhooks import WebhookLimits
from deployments.ports import MinutesRequest
from deployments.sources.limits import SourceLimits
from pipelines.codec import encode
from pipelines.core import Minutes, Usage
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.open import open_ledger
from pipelines.ledger.outbox import DeliveryAttempt, DeliveryState
from pipelines.ledger.protocol import Ledger
from pipelines.ledger.sql_batches import SqlBatches
from pipelines.minutes.llm.cache import MinutesCache
from pipelines.minutes.protocol import PaidMinutes
from pipelines.storage.folder import LocalStore
from pipelines.storage.layout import JobKeys, TenantKeys
from pipelines.storage.protocol import BlobStore
from tests.fakes.engine import FakeEngine
from tests.support.api_harness import api_config
from tests.support.in_process_cluster import CODED_START, MODEL, InProcessCluster
from tests.support.waiting import until
from tests.unit.deployments.intake.test_batches import PullingSegmenter

NAME = "zanzibar-quorum"
NUMBERS = [*range(31_001, 31_011), 32_013, 31_012]  # two chunks, of which the second is given up
RECORDING = CODED_START + " ".join(map(str, NUMBERS)).encode()
TRACES = (
    NAME.encode(),
    b"w31001",  # the transcript
    b"thursday-instead",  # a correction
    b"quagga",  # prompt, vocabulary, minutes
    (31_012).to_bytes(2, "little") * 8,  # samples of what was given up
)
SOURCE = b"31001 31002"  # goes when a job ends
OPTIONS = {
    "language": "en",
    "external_id": f"{NAME}-id",
    "metadata": json.dumps({"caller": NAME}),
    "prompt": "quagga",
    "vocabulary": "quagga",
    "recipients": f"{NAME}@example.org",
    "webhook_url": f"https://hooks.example/{NAME}",
    "glossary": "quagga",
    "minutes_title": "quagga",
}
AS_JSON = {
    **OPTIONS,
    "metadata": {"caller": NAME},
    "vocabulary": ["quagga"],
    "recipients": [f"{NAME}@example.org"],
    "glossary": ["quagga"],
}
REFERENCE = ("external_id", "metadata")


class Site:
    """A home with a ledger in a file and a store in a folder, everything that works on them, and a client."""

    def __init__(
        self, home: Path, ledger: Ledger, store: BlobStore, cluster: InProcessCluster, http: httpx.AsyncClient
    ) -> None:
        self.home, self.ledger, self.store, self.cluster, self.http = home, ledger, store, cluster, http

    def found(self) -> list[tuple[str, bytes]]:
        """Files of the home that have traces in them, or in their names."""
        return [
            (str(path.relative_to(self.home)), trace)
            for path in sorted(self.home.rglob("*"))
            for trace in (*TRACES, SOURCE)
            if trace in str(path).encode() or (path.is_file() and trace in path.read_bytes())
        ]

    async def ended(self, job_id: str) -> Job:
        (job,) = await self.cluster.ended(self.ledger.get("default", job_id))
        assert job.state is JobState.SUCCEEDED, job.detail
        await until(lambda: not list(self.store.list(JobKeys(tenant="default", job_id=job_id).work)))
        return job

    async def purge(self, job_id: str) -> None:
        answer = await self.http.delete(f"/v1/jobs/{job_id}", params={"purge": "true"})
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def _site(folder: Path) -> AsyncIterator[Site]:
    home, outside = folder / "home", folder / "outside"
    home.mkdir()
    outside.mkdir()
    url = f"sqlite:///{home}/ledger.sqlite3"
    ledger, store, book = open_ledger(url), LocalStore(home / "store"), SqlBatches(url)
    cluster = InProcessCluster(
        ledger,
        store,
        segmenter=PullingSegmenter(store),
        engine=FakeEngine(poison=[32_013]),
        batches=book,
        max_attempts=1,
        notifications=JobNotifications(webhook=f"https://hooks.example/{NAME}"),
    )
    app = build_api(
        ApiServices(ledger=ledger, store=store, coordinator=cluster.coordinator, batches=book),
        api_config(
            IngestionLimits(
                spool_dir=home / "spool",
                min_free_bytes=0,
                sources=SourceLimits(file_roots=(outside,), schemes=frozenset({"file"})),
            ),
            models=(MODEL,),
            webhooks=WebhookLimits(),
            mail_domains=frozenset(),
        ),
    )
    await cluster.coordinator.start()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test", timeout=60) as http:
        yield Site(home, ledger, store, cluster, http)
    await cluster.coordinator.stop()
    ledger.close()
    book.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with _site(tmp_path) as site:
        yield site


async def _accepted(answer: httpx.Response) -> str:
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


async def by_form(site: Site, outside: Path) -> str:
    files = {"file": (f"{NAME}.wav", RECORDING)}
    headers = {"Idempotency-Key": f"{NAME}-key"}
    return await _accepted(await site.http.post("/v1/jobs", files=files, data=OPTIONS, headers=headers))


async def by_tus(site: Site, outside: Path) -> str:
    given = {**OPTIONS, "filename": f"{NAME}.wav"}
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in given.items())
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(RECORDING)), "Upload-Metadata": metadata}
    begun = await site.http.post("/v1/uploads", headers=headers)
    assert begun.status_code == 201, begun.text
    piece = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    done = await site.http.patch(begun.headers["location"], headers=piece, content=RECORDING)
    return done.headers["x-meetmemo-job"]


async def by_direct_upload(site: Site, outside: Path) -> str:
    wanted = {"n_bytes": len(RECORDING), "filename": f"{NAME}.wav"}
    upload = (await site.http.post("/v1/uploads/presigned", json=wanted)).json()
    await site.http.put(upload["url"], content=RECORDING, headers=upload["headers"])
    reference = {name: AS_JSON[name] for name in REFERENCE}
    options = {name: value for name, value in AS_JSON.items() if name not in REFERENCE}
    return await _accepted(
        await site.http.post("/v1/jobs", json={"upload": upload["id"], "options": options, **reference})
    )


def _file(outside: Path) -> str:
    path = outside / f"{NAME}.wav"
    path.write_bytes(RECORDING)
    return path.as_uri()


async def by_url(site: Site, outside: Path) -> str:
    reference = {name: AS_JSON[name] for name in REFERENCE}
    options = {name: value for name, value in AS_JSON.items() if name not in REFERENCE}
    return await _accepted(
        await site.http.post("/v1/jobs", json={"source": _file(outside), "options": options, **reference})
    )


async def by_batch(site: Site, outside: Path) -> str:
    reference = {name: AS_JSON[name] for name in REFERENCE}
    options = {name: value for name, value in AS_JSON.items() if name not in REFERENCE}
    entry = {
        "source": _file(outside),
        "filename": f"{NAME}.wav",
        "custom_id": f"{NAME}-entry",
        "options": options,
        **reference,
    }
    batch_id = await _accepted(await site.http.post("/v1/batches", json={"name": "calls", "entries": [entry]}))
    await until(lambda: any(site.ledger.list("default").jobs))
    (job,) = site.ledger.list("default").jobs
    shown = (await site.http.get(f"/v1/batches/{batch_id}/entries")).json()["entries"]
    assert shown[0]["custom_id"] == f"{NAME}-entry"
    return job.id


WAYS: tuple[Callable[[Site, Path], Awaitable[str]], ...] = (by_form, by_tus, by_direct_upload, by_url, by_batch)


async def correct(site: Site, job_id: str) -> None:
    """Save a version, and have the minutes written anew from it; the second job is erased first."""
    edits = {"segments": [{"id": 0, "text": "thursday-instead"}]}
    answer = await site.http.post(f"/v1/jobs/{job_id}/corrections", json={"base": 0, **edits, "note": NAME})
    assert answer.status_code == 201, answer.text
    again = await _accepted(await site.http.post(f"/v1/jobs/{job_id}/minutes", json={"minutes_title": "quagga"}))
    await site.ended(again)
    keys = JobKeys(tenant="default", job_id=job_id)
    assert site.store.exists(keys.rewriting(again))
    await site.purge(again)
    assert not site.store.exists(keys.rewriting(again))


async def _leave_everything(site: Site, job: Job) -> None:
    """What a language model, parking, kept audio, a cut connection and a receiver that is gone leave of a job."""
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    minutes = Minutes(title="quagga", language="en", writer="llm", model="m", summary="quagga")
    await MinutesCache(site.store).put(job.tenant, job.id, "ab" * 32, PaidMinutes(minutes=minutes, usage=Usage()))
    DeferredMinutes(site.store).park(MinutesRequest.of(job), "later")
    for key in (keys.audio_mark, keys.playback, keys.peaks):
        site.store.put(key, b"quagga")
    upload = DirectUpload(
        id=job.id, tenant=job.tenant, n_bytes=1, filename=NAME, url_expires_at_s=9e9, expires_at_s=9e9
    )
    site.store.put(keys.upload_mark, encode(upload))
    site.ledger.holds.hold(job.tenant, f"{NAME}-key", "somebody", 0.0)
    gone = DeliveryAttempt(at_s=1.0, duration_s=0.1, status=410, detail=f"{NAME} is gone")
    for delivery in site.ledger.outbox.take_due(10, hold_s=60.0, per_target=10):
        site.ledger.outbox.settle(delivery.message.id, gone, DeliveryState.DISABLED)


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_left_of_a_purged_job(site: Site, tmp_path: Path, way: Callable[..., Awaitable[str]]) -> None:
    """Names, words, addresses, samples: in no blob, no row, no log of the database, no file of the spool."""
    job_id = await way(site, tmp_path / "outside")
    job = await site.ended(job_id)
    assert job.n_failed_chunks == 1
    await correct(site, job_id)
    await _leave_everything(site, job)
    met = {trace for _, trace in site.found()}
    assert met == set(TRACES)
    await site.purge(job_id)
    await until(lambda: not site.found())  # the file was rewritten a moment ago, for the job that wrote minutes anew
    assert list(site.store.list("")) == []
    assert not list(site.store.list(TenantKeys(tenant="default").paid_minutes))
    assert list((site.home / "spool").rglob("*.json")) == []
    assert job_id not in {delivery.message.job_id for delivery in site.ledger.outbox.recent("default")}


async def test_others_keep_what_is_theirs(site: Site, tmp_path: Path) -> None:
    """A purge touches no other job of the same tenant, and no other entry of the same batch."""
    await by_form(site, tmp_path / "outside")
    answer = await site.http.post("/v1/jobs", content=b"OggS 1 2 3", params={"filename": "other.wav"})
    other = await site.ended(await _accepted(answer))
    before = {key: site.store.get(key) for key in site.store.list(f"default/{other.id}/")}
    (job,) = (job for job in site.ledger.list("default").jobs if job.id != other.id)
    await site.ended(job.id)
    await site.purge(job.id)
    assert {key: site.store.get(key) for key in site.store.list("")} == before
    assert site.ledger.get("default", other.id) == other
