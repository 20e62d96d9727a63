"""JSON from outside: bounded before it is parsed, parsed off the event loop, after the sender is known."""

import asyncio
import threading
import tracemalloc

import pytest
from pydantic_core import from_json

from deployments.auth.authenticators import ALL_SCOPES, Principal
from deployments.http.json_bodies import MAX_JSON_BYTES
from deployments.http.routes.archive.corrections import MAX_CORRECTION_BYTES, CorrectionRequest
from deployments.intake import json_parsing
from deployments.intake.json_parsing import MAX_NAMES, parse_json, parse_object
from deployments.schemas.batches import MAX_INLINE_BYTES, BatchRequest
from deployments.schemas.options import parsed
from pipelines.errors import InvalidRequest, OptionError, Unauthenticated
from tests.fakes.api_keys import MemoryKeys

JSON = {"content-type": "application/json"}
LARGEST = {"/v1/batches": MAX_INLINE_BYTES, "/v1/jobs/{job_id}/corrections": MAX_CORRECTION_BYTES}
OTHERWISE = {"/v1/jobs", "/v1/notifications/s3"}  # these had a bound of their own, and say 400 for more
N_ROUTES = 17


class Keyring:
    """One key."""

    async def authenticate(self, token):
        if token != "key":
            raise Unauthenticated("The key is unknown.")
        return Principal(tenant="default", scopes=ALL_SCOPES, key_id="a")


@pytest.fixture
async def api(make_api):
    """With every route there is."""
    return await make_api(keys=MemoryKeys())


async def json_routes(api):
    """Method and path, as documented and to be asked, of every operation that takes JSON."""
    document = (await api.client.get("/openapi.json")).json()
    found = [
        (method, path, path.replace("{job_id}", job_id))
        for job_id in [await api.submit()]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]
    assert len(found) == N_ROUTES
    return found


class Body:
    """Bytes that are made as they are taken; counts them."""

    def __init__(self, n_bytes, block=b" " * 65_536):
        self.n_bytes, self.block, self.n_taken = n_bytes, block, 0

    async def __aiter__(self):
        while self.n_taken < self.n_bytes:
            self.n_taken += len(self.block)
            yield self.block


@pytest.mark.parametrize("announced", [True, False])
async def test_a_huge_body_is_refused_at_its_bound(api, announced):
    """Every route that takes JSON: 60 MiB are refused when they are announced, else at the first byte too many."""
    for method, path, url in await json_routes(api):
        body = Body(60 << 20)
        headers = {**JSON, **({"content-length": str(body.n_bytes)} if announced else {})}
        answer = await api.client.request(method, url, content=body, headers=headers)
        if path in OTHERWISE:
            assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_request"), path
        else:
            assert (answer.status_code, answer.json()["reason"]) == (413, "too_large"), path
        assert body.n_taken <= (0 if announced else LARGEST.get(path, MAX_JSON_BYTES) + len(body.block)), path
    assert not api.spooled


async def test_a_large_batch_is_told_the_way(api):
    """The refusal names the form that takes more."""
    answer = await api.client.post("/v1/batches", content=Body(MAX_INLINE_BYTES + 1), headers=JSON)
    assert "JSON Lines (application/x-ndjson)" in answer.json()["detail"]


async def test_nothing_is_read_of_strangers(make_api):
    """Without a key the answer is 401, and the body is not looked at."""
    api = await make_api(keys=MemoryKeys(), authenticator=Keyring())
    api.client.headers["authorization"] = "Bearer key"
    routes = await json_routes(api)
    del api.client.headers["authorization"]
    for method, path, url in routes:
        body = Body(1 << 20)
        answer = await api.client.request(method, url, content=body, headers=JSON)
        assert answer.status_code == 401, path
        assert body.n_taken == 0, path


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"options": {"speakers": ' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
        b"{" + b",".join(b'"n%d":0' % i for i in range(5_000)) + b"}",
        b'{"chunks": [' + b"1" * 10_000 + b"]}",
        b'{"name": NaN, "base": Infinity}',
        b'{"name": "\\ud800", "note": "\\ud800", "tenant": "\\ud800", "source": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"entries": [{"filename": "a.wav"}], "options": {"minutes": "\\ud800"}}',
        b'{"entries": [{"filename": "a.wav"}], "options": {"minutes": ' + b"[" * 300 + b"]" * 300 + b"}}",
        b"\xef\xbb\xbf[]",
        b"",
        b"null",
        b"[]",
        b'"x"',
        b"{",
    ],
    ids=lambda body: repr(body[:16]),
)
async def test_nonsense_is_a_clear_refusal(api, body):
    """Deep, wide, huge numbers, what is no JSON, no UTF-8 and no object: 400 or 422 from every route, never a fault."""
    for method, path, url in await json_routes(api):
        answer = await api.client.request(method, url, content=body, headers=JSON)
        if body in (b"", b"null") and path.endswith(("/replay", "/minutes")):
            assert answer.status_code == 409, path  # no wishes: the job has not ended
            continue
        assert answer.status_code in (400, 422), (path, answer.text)
        assert answer.json()["reason"] in ("invalid_request", "invalid_option"), path


async def test_depth_is_named(api):
    """Whoever nests too deeply is told so."""
    answer = await api.client.post("/v1/batches", content=b'{"options":' + b"[" * 5000, headers=JSON)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_request")
    assert "recursion limit" in answer.json()["detail"]


async def test_what_is_not_called_json(api):
    """A form that a page may send without being asked is not taken for JSON."""
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await api.client.post(
            "/v1/admin/keys", content=b'{"tenant": "a", "scopes": ["admin"]}', headers={"content-type": media_type}
        )
        assert (answer.status_code, answer.json()["reason"]) == (415, "unsupported_media_type")
    named = {"content-type": "application/vnd.meetmemo+json; charset=utf-8"}
    answer = await api.client.post("/v1/admin/keys", content=b'{"tenant": "a", "scopes": ["admin"]}', headers=named)
    assert answer.status_code == 201


async def test_others_are_answered_meanwhile(api, monkeypatch):
    """While a body is parsed the event loop goes on: the parser here ends only after another request was answered."""
    began, answered = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(data, **options):
        loop.call_soon_threadsafe(began.set)
        assert answered.wait(30)
        return from_json(data, **options)

    monkeypatch.setattr(json_parsing, "from_json", slow)
    for method, path, url in await json_routes(api):
        if path in OTHERWISE - {"/v1/notifications/s3"}:
            continue  # 64 KiB are parsed where they are
        began.clear()
        answered.clear()
        async with asyncio.timeout(30):
            request = asyncio.create_task(api.client.request(method, url, content=b'{"a": 1}', headers=JSON))
            await began.wait()
            assert (await api.client.get("/healthz")).status_code == 200
            answered.set()
            assert (await request).status_code in (400, 422), path


def full(head, item, tail, n_bytes):
    return head + item * ((n_bytes - len(head) - len(tail)) // len(item)) + tail


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (BatchRequest, full(b'{"entries":[', b"{},", b"0]}", MAX_INLINE_BYTES)),
        (BatchRequest, full(b'{"entries":[', b'{"a":{"b":0}},', b"0]}", MAX_INLINE_BYTES)),
        (BatchRequest, full(b'{"entries":[', b"0,", b"0]}", MAX_INLINE_BYTES)),
        (BatchRequest, full(b'{"entries":[', b"0.1,", b"0]}", MAX_INLINE_BYTES)),
        (BatchRequest, b'{"options":{' + b",".join(b'"%d":0' % i for i in range(380_000)) + b"}}"),
        (CorrectionRequest, full(b'{"base":0,"segments":[', b"0,", b"0]}", MAX_CORRECTION_BYTES)),
        (CorrectionRequest, full(b'{"base":0,"segments":[', b"{},", b"0]}", 590_000)),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else value.__name__,
)
def test_memory_of_the_worst_bodies(kind, body):
    """What a body becomes until it is refused takes less than 64 MiB; 64 MiB of JSON took 2.1 GB."""
    tracemalloc.start()
    try:
        with pytest.raises((InvalidRequest, OptionError)):
            parsed(kind, parse_object(body))
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


def test_bounds_of_parsing(monkeypatch):
    """Objects and lists, names in all and in one object; the mark of UTF-8 files is passed over."""
    monkeypatch.setattr(json_parsing, "MAX_CONTAINERS", 10)
    monkeypatch.setattr(json_parsing, "MAX_COLONS", MAX_NAMES)
    assert parse_json(b"\xef\xbb\xbf[[], {}, [[[[[[[1]]]]]]]]") == [[], {}, [[[[[[[1]]]]]]]]
    with pytest.raises(InvalidRequest, match="10 objects and lists"):
        parse_json(b"[[], {}, [[[[[[[[1]]]]]]]]]")
    with pytest.raises(InvalidRequest, match="too many values"):
        parse_json(b'[{"a": 1}' + b', {"a": 1}' * MAX_NAMES + b"]")
    monkeypatch.undo()
    deep = b'[{"a": {%s}}]' % b", ".join(b'"%d": 0' % i for i in range(MAX_NAMES + 1))
    with pytest.raises(InvalidRequest, match=f"more than {MAX_NAMES} names"):
        parse_json(deep)
