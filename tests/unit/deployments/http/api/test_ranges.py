"""Parts of recordings, clips and documents: a player seeks without the whole copy, a download goes on after a cut."""

import io

import boto3
import pytest

from pipelines.storage.layout import JobKeys
from pipelines.storage.open import open_store
from tests.fakes.store import MemoryStore
from tests.servers.s3 import s3_server
from tests.unit.deployments.http.api.test_ingestion_jobs import finish

COPY = bytes(range(256)) * 4096  # 1 MiB: several blocks of an answer


@pytest.fixture(scope="module")
def s3_url():
    """A bucket of a real server."""
    with pytest.MonkeyPatch.context() as environment, s3_server() as port:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{port}", region_name="us-east-1")
        client.create_bucket(Bucket="ranges")
        client.close()
        yield f"s3://ranges/p?endpoint=http://127.0.0.1:{port}&region=us-east-1"


@pytest.fixture(params=["memory", "folder", "bucket"])
async def api(request, make_api, tmp_path):
    """An application over each kind of store."""
    if request.param == "bucket":
        return await make_api(store=open_store(request.getfixturevalue("s3_url")))
    return await make_api(store=MemoryStore() if request.param == "memory" else open_store(f"file://{tmp_path}/blobs"))


@pytest.fixture
async def audio(api):
    """The address of a copy to listen to."""
    job_id = await api.submit(keep_audio="true", filename="Büro.wav")
    api.store.put(JobKeys(tenant="default", job_id=job_id).playback, COPY)
    return f"/v1/jobs/{job_id}/audio"


async def test_a_player_asks_for_parts(api, audio):
    """As Safari does: two bytes first, then from anywhere to the end."""
    whole = await api.client.get(audio)
    assert (whole.status_code, whole.content) == (200, COPY)
    assert (whole.headers["accept-ranges"], whole.headers["content-length"]) == ("bytes", str(len(COPY)))
    assert whole.headers["content-disposition"].startswith('inline; filename="B_ro.webm"')
    for wanted, start, stop in (("0-1", 0, 2), ("700000-", 700_000, len(COPY)), ("-5", len(COPY) - 5, len(COPY))):
        part = await api.client.get(audio, headers={"range": f"bytes={wanted}"})
        assert (part.status_code, part.content) == (206, COPY[start:stop])
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(COPY)}"
        assert part.headers["content-length"] == str(stop - start)
        assert part.headers["etag"] == whole.headers["etag"]


async def test_no_such_bytes(api, audio):
    """416 says how long the copy is."""
    answer = await api.client.get(audio, headers={"range": f"bytes={len(COPY)}-"})
    assert (answer.status_code, answer.json()["reason"]) == (416, "range_not_satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(COPY)}"


async def test_a_download_goes_on_only_with_the_same_bytes(api, audio):
    """With ``If-Range`` a part comes of the entity that the client knows, else the whole; a known one is not sent."""
    etag = (await api.client.get(audio)).headers["etag"]
    part = {"range": "bytes=10-19"}
    assert (await api.client.get(audio, headers={**part, "if-range": etag})).content == COPY[10:20]
    assert (await api.client.get(audio, headers={"if-none-match": etag})).status_code == 304
    job_id = audio.split("/")[3]
    api.store.put(JobKeys(tenant="default", job_id=job_id).playback, b"new" + COPY[3:])
    changed = await api.client.get(audio, headers={**part, "if-range": etag})
    assert (changed.status_code, len(changed.content)) == (200, len(COPY))


async def test_only_the_part_is_read(make_api):
    """The store hands out what is asked for, not the three hours before it."""
    n_read = 0

    class CountingStream(io.BytesIO):
        def read(self, n_bytes: int | None = -1) -> bytes:
            nonlocal n_read
            data = super().read(n_bytes)
            n_read += len(data)
            return data

    class CountingStore(MemoryStore):
        def open(self, key):
            return CountingStream(self.get(key))

    api = await make_api(store=CountingStore())
    job_id = await api.submit(keep_audio="true")
    api.store.put(JobKeys(tenant="default", job_id=job_id).playback, COPY)
    answer = await api.client.get(f"/v1/jobs/{job_id}/audio", headers={"range": "bytes=900000-900099"})
    assert answer.content == COPY[900_000:900_100]
    assert n_read == 100


async def test_documents_and_their_versions(api):
    """A document's part, and its ``If-None-Match``, as the audio's."""
    job_id = await api.submit()
    finish(api, job_id)
    url = f"/v1/jobs/{job_id}/results/transcript.txt"
    whole = await api.client.get(url)
    part = await api.client.get(url, headers={"range": "bytes=3-5", "if-range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[3:6])
    assert part.headers["content-disposition"] == whole.headers["content-disposition"]
    beyond = await api.client.get(url, headers={"range": "bytes=5000-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")
