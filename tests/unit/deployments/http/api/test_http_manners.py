"""HEAD wherever there is GET, slashes at the end, and what pages of other origins may send and read."""

import re

import pytest

from tests.support.api_harness import Connection
from tests.support.waiting import until
from tests.unit.deployments.http.api.test_ingestion_jobs import finish

PORTAL = "https://portal.example"
PREFLIGHT = {"origin": PORTAL, "access-control-request-method": "POST"}


async def test_head_is_get_without_a_body(api):
    """Every address that answers GET answers HEAD with the same status and headers, but for those of its moment."""
    job_id = await api.submit()
    finish(api, job_id)
    paths = (await api.client.get("/openapi.json")).json()["paths"]
    known = {"job_id": job_id, "name": "transcript.txt", "index": "0", "kind": "decisions", "number": "1"}
    gets = [re.sub(r"\{(\w+)\}", lambda name: known.get(name[1], "1"), path) for path in paths if "get" in paths[path]]
    assert len(gets) > 20
    for path in ["/", "/docs", "/openapi.json", "/console/index.html", *gets]:
        if path == "/v1/events":  # without an end
            continue
        head, get = await api.client.head(path), await api.client.get(path)
        assert head.status_code == get.status_code != 405, path
        assert head.content == b""
        assert head.headers["content-type"] == get.headers["content-type"], path
        assert head.headers.keys() == get.headers.keys() | ({"content-length"} & head.headers.keys()), path


async def test_head_of_a_stream_ends(make_api):
    """A stream's head is told at once, and its slot is free again."""
    api = await make_api(max_event_streams=1)
    for _ in range(2):
        answer = await api.client.head("/v1/events")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"].startswith("text/event-stream")


async def test_head_of_a_document(api):
    """Its length and tag, as before a download; a range is no matter of HEAD."""
    job_id = await api.submit()
    finish(api, job_id)
    url = f"/v1/jobs/{job_id}/results/transcript.txt"
    head = await api.client.head(url, headers={"range": "bytes=0-1"})
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "14", b"")
    assert head.headers["etag"] == (await api.client.get(url)).headers["etag"]


async def test_head_where_nothing_is_read(api):
    """An address that only takes POST refuses HEAD, and one that is not there says so."""
    assert (await api.client.head("/v1/audio/transcriptions")).status_code == 405
    assert (await api.client.head("/v1/nothing")).status_code == 404
    assert "head" not in (await api.client.get("/openapi.json")).json()["paths"]["/v1/jobs"]


async def test_head_of_a_resumable_upload_is_its_own(api):
    """Where HEAD has a meaning of its own it keeps it."""
    tus = {"tus-resumable": "1.0.0"}
    made = await api.client.post("/v1/uploads", headers={**tus, "upload-length": "5"})
    head = await api.client.head(made.headers["location"], headers=tus)
    assert (head.status_code, head.headers["upload-offset"]) == (200, "0")


@pytest.mark.parametrize("public_url", ["", "https://x.example.com/stt"])
async def test_a_slash_too_much_is_served(make_api, public_url):
    """The address without it is meant: bodies and keys arrive, and no answer names an inner host."""
    api = await make_api(public_url=public_url)
    made = await api.client.post("/v1/jobs/", content=b"RIFF")
    assert (made.status_code, "location" in made.headers) == (202, True)
    for path in (f"/v1/jobs/{made.json()['id']}/", "/v1/models/", "/v1/models/mini-en/", "/healthz/", "/v1/jobs//"):
        answer = await api.client.get(path)
        assert answer.status_code == 200, path
    assert (await api.client.get("/v1/models/")).json() == (await api.client.get("/v1/models")).json()
    assert (await api.client.head("/v1/jobs/")).status_code == 200
    for path in ("/v1/nothing/", "/v1/nothing", "/v1//", "//"):
        assert (await api.client.get(path)).status_code in (200, 404), path


async def test_pages_send_what_their_libraries_add(make_api):
    """A preflight passes for any header: OpenAI's package for JavaScript adds eight of its own."""
    api = await make_api(cors_origins=(PORTAL,))
    for header in (
        "authorization, x-stainless-os, x-stainless-retry-count",
        "range",
        "x-request-id",
        "traceparent",
        "idempotency-key",
        "openai-organization",
        "x-http-method-override, upload-defer-length",
    ):
        answer = await api.client.options("/v1/jobs", headers={**PREFLIGHT, "access-control-request-headers": header})
        assert answer.status_code == 200, answer.text
        allowed = answer.headers["access-control-allow-headers"].lower()
        assert set(header.split(", ")) <= {name.strip() for name in allowed.split(",")}
    foreign = {**PREFLIGHT, "origin": "https://evil.example", "access-control-request-headers": "range"}
    answer = await api.client.options("/v1/jobs", headers=foreign)
    assert "access-control-allow-origin" not in answer.headers


async def test_pages_read_what_answers_say(make_api):
    """Headers that clients go by can be read by pages that may."""
    api = await make_api(cors_origins=(PORTAL,))
    answer = await api.client.get("/v1/jobs", headers={"origin": PORTAL})
    told = {name.strip() for name in answer.headers["access-control-expose-headers"].lower().split(",")}
    assert told >= {
        "x-request-id",
        "content-disposition",
        "content-range",
        "accept-ranges",
        "location",
        "tus-extension",
        "tus-max-size",
        "tus-version",
        "upload-offset",
        "x-meetmemo-job",
        "x-meetmemo-warning",
    }


async def test_a_client_that_leaves_during_head(api):
    """Nothing is left waiting when the client of a HEAD has gone."""
    connection = Connection(api.app, "HEAD", "/v1/events")
    connection.disconnect()
    await connection.done()
    await until(lambda: connection.task.done())
