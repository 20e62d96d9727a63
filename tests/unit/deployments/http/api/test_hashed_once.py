"""A body that comes in is hashed while it arrives, and never again on its way into the store and the ledger."""

import base64
import hashlib

import pytest

from pipelines.storage.open import open_store
from tests.support.hashing import HashCounter

AUDIO = b"RIFF" + bytes(range(256)) * 400
TUS = {"tus-resumable": "1.0.0"}


@pytest.fixture
async def api(make_api, tmp_path):
    """An application over a folder, which keeps what it is given by moving the file."""
    return await make_api(store=open_store((tmp_path / "blobs").as_uri()))


def job_of(api, job_id):
    """The job that a body became, with what the ledger tells about the body."""
    job = api.ledger.get("default", job_id)
    assert (job.source.n_bytes, job.source.sha256) == (len(AUDIO), hashlib.sha256(AUDIO).hexdigest())
    assert api.store.get(job.source.key) == AUDIO
    return job


async def test_an_upload(api, monkeypatch):
    """The digest that the spool made while the body arrived is the one that the ledger holds."""
    counter = HashCounter(monkeypatch)
    answer = await api.client.post("/v1/jobs", content=AUDIO)
    assert answer.status_code == 202
    assert counter.times(AUDIO) == 1
    job_of(api, answer.json()["id"])


async def test_a_resumable_upload(api, monkeypatch):
    """What came in pieces is hashed once it is whole."""
    name = base64.b64encode(b"a.wav").decode()
    begun = await api.client.post(
        "/v1/uploads", headers={**TUS, "upload-length": str(len(AUDIO)), "upload-metadata": f"filename {name}"}
    )
    counter = HashCounter(monkeypatch)
    for start, end in ((0, 5000), (5000, len(AUDIO))):
        answer = await api.client.patch(
            begun.headers["location"],
            content=AUDIO[start:end],
            headers={**TUS, "content-type": "application/offset+octet-stream", "upload-offset": str(start)},
        )
        assert answer.status_code == 204
    assert counter.times(AUDIO) == 1
    job_of(api, answer.headers["x-meetmemo-job"])


async def test_an_upload_to_a_url_that_was_given(api, monkeypatch):
    """A body that is put before its job begins is hashed as it arrives, like any other."""
    announced = await api.client.post("/v1/uploads/presigned", json={"n_bytes": len(AUDIO), "filename": "a.wav"})
    counter = HashCounter(monkeypatch)
    assert (await api.client.put(announced.json()["url"], content=AUDIO)).status_code == 200
    assert counter.times(AUDIO) == 1
