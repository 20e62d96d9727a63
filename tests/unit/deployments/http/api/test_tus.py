"""Resumable uploads by the tus protocol: an official client over a real server, and every way a piece can be wrong."""

import asyncio
import base64
import hashlib
import threading

import pytest
from tusclient.client import TusClient

from deployments.http.dependencies import BACKEND
from deployments.tenant import resumable_uploads
from pipelines.errors import Unauthenticated
from pipelines.storage.layout import PieceKeys
from tests.support.api_harness import Connection
from tests.support.waiting import until

AUDIO = b"RIFF" + bytes(range(256)) * 40
N_BYTES = len(AUDIO)
TUS = {"tus-resumable": "1.0.0"}
PIECE = {**TUS, "content-type": "application/offset+octet-stream"}


def metadata(**values):
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())


async def begin(api, n_bytes=N_BYTES, **values):
    headers = {**TUS, "upload-length": str(n_bytes), "upload-metadata": metadata(**{"filename": "a.wav", **values})}
    return await api.client.post("/v1/uploads", headers=headers)


def keys_of(url):
    return PieceKeys(tenant="default", upload_id=url.rpartition("/")[2])


async def send(api, url, offset, data, **headers):
    return await api.client.patch(url, content=data, headers={**PIECE, "upload-offset": str(offset), **headers})


async def test_the_reference_client(api, real_server, tmp_path):
    """tuspy uploads in pieces with checksums; the job has the bytes, the name and the options."""
    path = tmp_path / "call.wav"
    path.write_bytes(AUDIO)
    async with real_server(api.app) as url:
        client = TusClient(f"{url}/v1/uploads")
        details = {"filename": "call.wav", "filetype": "audio/wav", "minutes": "none", "language": "en"}

        def upload():
            with path.open("rb") as file:
                uploader = client.uploader(file_stream=file, chunk_size=1000, metadata=details, upload_checksum=True)
                uploader.upload()
                return uploader.url

        location = await asyncio.to_thread(upload)
        told = await api.client.head(location.removeprefix(url), headers=TUS)
    job = api.ledger.get("default", told.headers["x-meetmemo-job"])
    assert (job.filename, job.source.n_bytes, job.options.minutes) == ("call.wav", len(AUDIO), "none")
    assert job.source.sha256 == hashlib.sha256(AUDIO).hexdigest()
    assert api.store.get(job.source.key) == AUDIO


async def test_a_cut_connection_goes_on_where_it_was(api):
    """What arrived before the cut is kept; the client asks for the offset and sends only the rest."""
    url = (await begin(api)).headers["location"]
    cut = Connection(api.app, "PATCH", url, {**PIECE, "upload-offset": "0"})
    cut.send(AUDIO[:3000])
    cut.disconnect()
    await cut.done()
    offset = (await api.client.head(url, headers=TUS)).headers["upload-offset"]
    assert offset == "3000"
    answer = await send(api, url, 3000, AUDIO[3000:])
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, str(len(AUDIO)))
    job = api.ledger.get("default", answer.headers["x-meetmemo-job"])
    assert api.store.get(job.source.key) == AUDIO
    again = await api.client.head(url, headers=TUS)
    assert again.headers["x-meetmemo-job"] == job.id


async def test_the_server_says_what_it_can(api):
    """OPTIONS lists version, extensions, size and algorithms; 412 comes with the version."""
    answer = await api.client.options("/v1/uploads")
    assert answer.headers["tus-version"] == "1.0.0"
    able = {"creation", "expiration", "checksum", "termination", "concatenation"}
    assert set(answer.headers["tus-extension"].split(",")) == able
    assert "sha1" in answer.headers["tus-checksum-algorithm"]
    for method, path in (("POST", "/v1/uploads"), ("HEAD", "/v1/uploads/x"), ("PATCH", "/v1/uploads/x")):
        refused = await api.client.request(method, path)
        assert (refused.status_code, refused.headers["tus-version"]) == (412, "1.0.0")


async def test_wrong_pieces(api, monkeypatch):
    """A wrong offset, checksum, type, too much: each has its status, and nothing of it stays."""
    monkeypatch.setattr(resumable_uploads, "PATIENCE_S", 0.0)
    url = (await begin(api)).headers["location"]
    good = base64.b64encode(hashlib.sha1(AUDIO[:10]).digest()).decode()
    bad = base64.b64encode(hashlib.sha1(b"x").digest()).decode()
    assert (await send(api, url, 5, b"x")).status_code == 409
    assert (await send(api, url, 0, AUDIO[:10], **{"upload-checksum": f"sha1 {bad}"})).status_code == 460
    assert (await send(api, url, 0, AUDIO[:10], **{"upload-checksum": "crc32 AA=="})).status_code == 400
    assert (await send(api, url, 0, AUDIO[:10], **{"content-type": "audio/wav"})).status_code == 415
    assert (await send(api, url, 0, AUDIO + b"x")).status_code == 400
    assert (await api.client.head(url, headers=TUS)).headers["upload-offset"] == "0"
    assert (await send(api, url, 0, AUDIO[:10], **{"upload-checksum": f"sha1 {good}"})).status_code == 204
    busy = Connection(api.app, "PATCH", url, {**PIECE, "upload-offset": "10"})
    busy.send(b"")
    busy.send(AUDIO[10:20])
    await until(lambda: BACKEND.of(api.app).resumable.n_writers)
    assert (await send(api, url, 10, b"")).status_code == 423
    busy.disconnect()
    await busy.done()
    assert (await api.client.head(url, headers=TUS)).headers["upload-offset"] == "20"


async def test_what_a_torn_connection_brought_is_waited_for(api, monkeypatch):
    """A client asks for the offset at once after a cut, and is not refused when it goes on there."""
    url = (await begin(api)).headers["location"]
    files, may_store = BACKEND.of(api.app).resumable, threading.Event()
    keep = files.keep

    def keep_slowly(*arguments):
        may_store.wait(30)
        return keep(*arguments)

    monkeypatch.setattr(files, "keep", keep_slowly)
    torn = Connection(api.app, "PATCH", url, {**PIECE, "upload-offset": "0"})
    torn.send(AUDIO[:20])
    await until(lambda: files.n_writers)
    torn.disconnect()
    asked = asyncio.create_task(api.client.head(url, headers=TUS))
    await asyncio.sleep(0.3)
    may_store.set()
    assert (await asked).headers["upload-offset"] == "20"
    assert (await send(api, url, 20, AUDIO[20:])).status_code == 204
    await torn.done()


async def test_beginnings_that_are_refused(make_api):
    """Too large, empty, unreadable metadata, unknown options, too many open."""
    api = await make_api(max_upload_bytes=100)
    assert (await begin(api, 101)).status_code == 413
    assert (await begin(api, 0)).status_code == 422
    assert (await begin(api, 10, beam="3")).status_code == 422
    for header in ("filename ä", "a AA==,a AA=="):
        headers = {**TUS, "upload-length": "5", "upload-metadata": header.encode()}
        assert (await api.client.post("/v1/uploads", headers=headers)).status_code == 400
    assert (await api.client.post("/v1/uploads", headers={**TUS, "upload-length": "-1"})).status_code == 400
    for _ in range(64):
        assert (await begin(api, 5)).status_code == 201
    assert (await begin(api, 5)).status_code == 429


async def test_given_up_and_expired(api, monkeypatch):
    """Terminated uploads are gone; those that nobody finished go after a day; others' are unknown."""
    url = (await begin(api)).headers["location"]
    assert (await api.client.delete(url, headers=TUS)).status_code == 204
    assert (await api.client.head(url, headers=TUS)).status_code == 404
    old = (await begin(api)).headers["location"]
    monkeypatch.setattr("deployments.intake.resumable.uploads.LIFETIME_S", -1.0)
    late = (await begin(api)).headers["location"]
    assert (await api.client.head(late, headers=TUS)).status_code == 404
    assert (await api.client.head(old, headers=TUS)).status_code == 200
    BACKEND.of(api.app).resumable.sweep()
    assert api.blobs == [keys_of(old).record]
    assert (await api.client.head("/v1/uploads/../../etc/passwd", headers=TUS)).status_code == 404


async def test_killed_before_the_job_was_made(api):
    """All bytes are there, but no job: the next question for the offset makes it."""
    url = (await begin(api)).headers["location"]
    api.store.put(keys_of(url).piece(0, len(AUDIO)), AUDIO)
    told = await api.client.head(url, headers=TUS)
    assert told.headers["upload-offset"] == str(len(AUDIO))
    assert api.ledger.get("default", told.headers["x-meetmemo-job"]).source.n_bytes == len(AUDIO)


@pytest.mark.parametrize("path", ["/v1/uploads/zz", f"/v1/uploads/{'0' * 32}"])
async def test_unknown_uploads(api, path):
    """What nobody began is unknown."""
    assert (await api.client.head(path, headers=TUS)).status_code == 404
    assert (await send(api, path, 0, b"x")).status_code == 404
    assert (await api.client.delete(path, headers=TUS)).status_code == 404


async def part(api, data):
    """Send a part of a recording; return its path."""
    headers = {**TUS, "upload-length": str(len(data)), "upload-concat": "partial"}
    url = (await api.client.post("/v1/uploads", headers=headers)).headers["location"]
    answer = await send(api, url, 0, data)
    assert answer.status_code == 204
    assert "x-meetmemo-job" not in answer.headers
    return url


async def join(api, *urls, **values):
    headers = {**TUS, "upload-concat": f"final;{' '.join(urls)}", "upload-metadata": metadata(**values)}
    return await api.client.post("/v1/uploads", headers=headers)


async def test_parts_that_were_sent_side_by_side(api):
    """They become one job with the bytes in their order, and no job of half a recording; the parts are gone."""
    urls = [await part(api, data) for data in (AUDIO[:1000], AUDIO[1000:1500], AUDIO[1500:])]
    assert api.ledger.list(None).jobs == ()
    assert (await api.client.head(urls[0], headers=TUS)).headers["upload-concat"] == "partial"
    answer = await join(api, urls[0], f"https://memo.example/stt{urls[1]}", urls[2], filename="a.wav", beam_size="3")
    assert answer.status_code == 201
    (job,) = api.ledger.list(None).jobs
    assert answer.headers["x-meetmemo-job"] == job.id
    assert (job.filename, job.options.beam_size, api.store.get(job.source.key)) == ("a.wav", 3, AUDIO)
    there = await api.client.head(answer.headers["location"], headers=TUS)
    assert (there.headers["upload-offset"], there.headers["x-meetmemo-job"]) == (str(len(AUDIO)), job.id)
    assert {(await api.client.head(url, headers=TUS)).status_code for url in urls} == {404}
    assert there.headers["upload-concat"].startswith("final;")
    final = keys_of(answer.headers["location"]).record
    assert [key for key in api.blobs if key.startswith("_uploads/")] == [final]


async def test_parts_that_do_not_fit(api):
    """One that is not whole, no part, unknown, or named twice; what is no recording leaves nothing."""
    whole = await part(api, AUDIO)
    headers = {**TUS, "upload-length": "5000", "upload-concat": "partial"}
    short = (await api.client.post("/v1/uploads", headers=headers)).headers["location"]
    assert (await join(api, whole, short)).status_code == 409
    assert (await join(api, whole, (await begin(api)).headers["location"])).status_code == 400
    assert (await join(api, whole, "/v1/uploads/" + "0" * 32)).status_code == 404
    assert (await join(api, whole, whole)).status_code == 400
    assert (await join(api)).status_code == 400
    assert (await join(api, await part(api, b"<html>" * 99))).status_code == 422
    deferred = await api.client.post("/v1/uploads", headers={**TUS, "upload-defer-length": "1"})
    assert "say the length in Upload-Length" in deferred.json()["detail"]
    assert api.ledger.list(None).jobs == ()


async def test_methods_in_a_header(api):
    """Behind a proxy that lets only GET and POST through, the other methods come in a header; elsewhere it counts
    for nothing.
    """
    url = (await begin(api)).headers["location"]
    override = {"x-http-method-override": "PATCH"}
    first = await api.client.post(url, content=AUDIO[:1000], headers={**PIECE, "upload-offset": "0", **override})
    assert (first.status_code, first.headers["upload-offset"]) == (204, "1000")
    asked = await api.client.post(url, headers={**TUS, "x-http-method-override": "HEAD"})
    assert asked.headers["upload-offset"] == "1000"
    ended = await api.client.post(url, headers={**TUS, "x-http-method-override": "DELETE"})
    assert ended.status_code == 204
    sent = await api.client.post("/v1/jobs", content=AUDIO, headers={"x-http-method-override": "DELETE"})
    assert sent.status_code == 202


class NoKeys:
    """Knows no key."""

    async def authenticate(self, token):
        raise Unauthenticated("The key is unknown.")


async def test_nobody_needs_a_key_to_ask_what_the_server_can(make_api):
    """OPTIONS is answered without one, since browsers and clients send none with it."""
    api = await make_api(authenticator=NoKeys())
    assert (await api.client.options("/v1/uploads")).status_code == 204
    assert (await api.client.head("/v1/uploads/x", headers=TUS)).status_code == 401
