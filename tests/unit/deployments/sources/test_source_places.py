"""Sources with credentials: which place covers which URL, for whom; a real bucket and a server that asks who comes."""

from dataclasses import replace
from urllib.parse import quote

import boto3
import pytest
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from cluster.settings.settings import Settings
from cluster.wiring.limits import source_limits
from deployments.sources import s3
from deployments.sources.fetch import check_url, fetch, fetch_recording
from deployments.sources.limits import SourceLimits
from deployments.sources.places import SourceCredential, credential_for, place_of_prefix
from deployments.sources.raw_audio import header_for
from deployments.sources.s3 import list_objects
from pipelines.errors import (
    ConfigurationError,
    EmptyAudio,
    InvalidOptions,
    SourceUnreachable,
    TooLarge,
    UnsupportedFormat,
)
from tests.servers.s3 import s3_server
from tests.support.asgi_server import serve_asgi

CALLS = SourceCredential(name="calls", url="s3://calls/eu", secret="id:secret")


@pytest.mark.parametrize(
    ("place", "url", "covered"),
    [
        ("s3://calls/eu", "s3://calls/eu/1.wav", True),
        ("s3://calls/eu/", "s3://calls/eu/1.wav", True),
        ("s3://calls", "s3://calls/any/1.wav", True),
        ("s3://calls/eu", "s3://calls/europe/1.wav", False),
        ("s3://calls/eu", "s3://calls/eu/../us/1.wav", False),
        ("s3://calls/eu", "s3://other/eu/1.wav", False),
        ("https://rec.example/files", "https://REC.example/files/1.wav", True),
        ("https://rec.example/files", "http://rec.example/files/1.wav", False),
        ("https://rec.example/files", "https://rec.example.evil/files/1.wav", False),
        ("https://rec.example/files", "https://rec.example@evil/files/1.wav", False),
    ],
)
def test_a_place_covers_what_lies_in_it(place, url, covered):
    """The same scheme, host or bucket, and a path below its own; nothing that only looks like it."""
    assert SourceCredential(name="p", url=place).covers(url) is covered


def test_places_belong_to_tenants():
    """The most specific place counts, and only those that are open to the tenant."""
    own = SourceCredential(name="own", url="s3://calls/eu/sales", tenants=("sales",))
    assert credential_for("s3://calls/eu/sales/1.wav", (CALLS, own), "sales") is own
    assert credential_for("s3://calls/eu/sales/1.wav", (CALLS, own), "other") is CALLS
    assert credential_for("s3://calls/eu/sales/1.wav", (own,), "other") is None


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "ftp://x/"},
        {"url": "s3://"},
        {"url": "s3://b", "secret": "nocolon"},
        {"url": "s3://b/eu/%2e%2e"},
        {"url": "https://x/a/..%2fb"},
        {"url": "https://x/a#b"},
        {"url": "https://id@x/a"},
    ],
)
def test_places_that_cannot_be(bad):
    """A place that nothing can be pulled from is a mistake in the settings; its secret is not shown."""
    with pytest.raises(ConfigurationError):
        SourceCredential(name="p", **bad)
    assert "id:secret" not in repr(CALLS)


@pytest.fixture(scope="module")
def bucket():
    """A bucket with recordings; yields the place to pull them from."""
    with s3_server() as port:
        endpoint = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="eu-1", aws_access_key_id="id", aws_secret_access_key="secret"
        )
        client.create_bucket(Bucket="calls", CreateBucketConfiguration={"LocationConstraint": "eu-1"})  # type: ignore[typeddict-item]
        for key, body in (
            ("eu/a b.wav", b"RIFF" * 100),
            ("eu/ü.mp3", b"ID3"),
            ("eu/empty.wav", b""),
            ("us/x.wav", b"x"),
        ):
            client.put_object(Bucket="calls", Key=key, Body=body)
        yield replace(CALLS, endpoint=endpoint, region="eu-1")


async def test_objects_are_fetched(bucket, tmp_path):
    """With the place's credentials, by URL-encoded key; what is missing, empty, too large or elsewhere is named."""
    limits = SourceLimits(places=(bucket,), max_bytes=1000)
    path = tmp_path / "source"
    assert (await fetch("s3://calls/eu/a%20b.wav", path, limits)).name == "a b.wav"
    assert path.read_bytes() == b"RIFF" * 100
    with pytest.raises(SourceUnreachable, match="404"):
        await fetch("s3://calls/eu/none.wav", path, limits)
    with pytest.raises(EmptyAudio):
        await fetch("s3://calls/eu/empty.wav", path, limits)
    with pytest.raises(TooLarge):
        await fetch("s3://calls/eu/a%20b.wav", path, replace(limits, max_bytes=10))
    assert not path.exists()
    with pytest.raises(InvalidOptions, match="no bucket"):
        check_url("s3://calls/us/x.wav", limits)
    with pytest.raises(InvalidOptions, match="segment of dots"):
        await fetch("s3://calls/eu/%2e%2e/us/x.wav", path, limits)
    closed = replace(limits, places=(replace(bucket, tenants=("a",)),))
    with pytest.raises(InvalidOptions, match="no bucket"):
        await fetch("s3://calls/eu/a%20b.wav", path, closed, "b")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("a b.wav", "a space, which in a URL is written %20"),
        ("x#y.mp3", "in a name are written %3F and %23"),
        ("what?.mp3", "in a name are written %3F and %23"),
        ("x.mp3?versionId=7", "in a name are written %3F and %23"),
    ],
)
def test_raw_keys_are_told_how_they_are_written(name, complaint):
    """A key as the bucket shows it is refused with the escape to use, never read as another key."""
    places = (SourceCredential(name="calls", url="s3://calls/eu", secret="id:secret"),)
    with pytest.raises(InvalidOptions, match=complaint):
        check_url(f"s3://calls/eu/{name}", SourceLimits(places=places))
    check_url(f"s3://calls/eu/{quote(name)}", SourceLimits(places=places))


def test_prefixes_are_told_the_same():
    """A listing below a folder with such a character says how it is written, not that there are no credentials."""
    place = SourceCredential(name="calls", url="s3://calls/eu", secret="id:secret")
    assert place_of_prefix("s3://calls/eu/a b/", (place,), "t") == place
    with pytest.raises(InvalidOptions, match="written %3F and %23"):
        place_of_prefix("s3://calls/eu/no #1/", (place,), "t")
    for other in ("s3://calls/us/", "https://calls/eu/"):
        with pytest.raises(InvalidOptions, match="in no bucket"):
            place_of_prefix(other, (place,), "t")


async def test_objects_are_looked_at_before_they_are_fetched(bucket, tmp_path):
    """A text is refused from its first bytes; samples by name get their header, also in many parts."""
    client = s3.client_of(bucket)
    samples = bytes(range(256)) * (40 << 10)
    for key, body in (("eu/notes.wav", b"no recording " * 1000), ("eu/call.ulaw", samples)):
        client.put_object(Bucket="calls", Key=key, Body=body)
    limits = SourceLimits(places=(bucket,), max_bytes=20 << 20)
    path = tmp_path / "source"
    with pytest.raises(UnsupportedFormat, match="a text"):
        await fetch_recording("s3://calls/eu/notes.wav", path, limits)
    await fetch_recording("s3://calls/eu/call.ulaw", path, limits)
    assert path.read_bytes() == header_for("audio/PCMU") + samples
    await fetch_recording("s3://calls/eu/%C3%BC.mp3", path, limits)
    assert path.read_bytes() == b"ID3"
    for key in ("eu/notes.wav", "eu/call.ulaw"):
        client.delete_object(Bucket="calls", Key=key)


async def test_an_object_that_grows(bucket, tmp_path, monkeypatch):
    """An object that is replaced by a larger one after its size was asked for is cut off like any other."""
    client = s3.client_of(bucket)
    real = client.head_object

    def late(**asked):
        said = real(**asked)
        client.put_object(Bucket="calls", Key="eu/grows.wav", Body=b"RIFF" * 1000)
        return said

    client.put_object(Bucket="calls", Key="eu/grows.wav", Body=b"RIFF")
    monkeypatch.setattr(client, "head_object", late)
    with pytest.raises(TooLarge, match="1000 bytes"):
        await fetch("s3://calls/eu/grows.wav", tmp_path / "source", SourceLimits(places=(bucket,), max_bytes=1000))
    assert not (tmp_path / "source").exists()
    client.delete_object(Bucket="calls", Key="eu/grows.wav")


def test_objects_are_listed(bucket):
    """Below a prefix, without empty ones, with URLs that lead back to them."""
    found = list(list_objects("s3://calls/eu/", bucket))
    assert [(item.url, item.n_bytes) for item in found] == [
        ("s3://calls/eu/a%20b.wav", 400),
        ("s3://calls/eu/%C3%BC.mp3", 3),
    ]
    assert all(item.etag and '"' not in item.etag for item in found)


def test_a_listing_stays_in_its_place(bucket):
    """The place's own prefix lists what is below it, not what begins with the same letters."""
    place = replace(bucket, url="s3://calls/e")
    assert list(list_objects("s3://calls/e", place)) == []
    assert len(list(list_objects("s3://calls", replace(bucket, url="s3://calls")))) == 3


async def test_a_server_is_told_who_comes(tmp_path):
    """The header goes to the place alone: a redirect out of it does not carry the secret away."""
    seen = {}

    async def file(request):
        seen[request.url.path] = request.headers.get("authorization")
        return Response(b"RIFF")

    routes = [
        Route("/files/a.wav", file),
        Route("/open/a.wav", file),
        Route("/files/away", lambda request: RedirectResponse("/open/a.wav")),
        Route("/files/around", lambda request: RedirectResponse("/files/..%2fopen/a.wav")),
        Route("/files/..%2fopen/a.wav", file),
        Route("/files/../open/a.wav", file),
        Route("/files/back", lambda request: RedirectResponse("/open/back")),
        Route("/open/back", lambda request: RedirectResponse("/files/a.wav")),
        Route("/files/bucket", lambda request: RedirectResponse("s3://calls/eu/1.wav")),
        Route("/files/broken", lambda request: RedirectResponse("http://[::1/a.wav")),
    ]
    async with serve_asgi(Starlette(routes=routes)) as url:
        place = SourceCredential(name="recorder", url=f"{url}/files", secret="Bearer x")
        limits = SourceLimits(allow_private=True, places=(place, CALLS))
        await fetch(f"{url}/files/a.wav", tmp_path / "a", limits)
        await fetch(f"{url}/files/away", tmp_path / "b", limits)
        assert seen == {"/files/a.wav": "Bearer x", "/open/a.wav": None}
        seen.clear()
        await fetch(f"{url}/files/..%2fopen/a.wav", tmp_path / "c", limits)
        await fetch(f"{url}/files/around", tmp_path / "d", limits)
        assert set(seen.values()) == {None}
        seen.clear()
        await fetch(f"{url}/files/back", tmp_path / "e", limits)
        assert seen == {"/files/a.wav": "Bearer x"}
        for name, words in (("bucket", "not a safe place"), ("broken", "cannot be read")):
            with pytest.raises(SourceUnreachable, match=words):
                await fetch(f"{url}/files/{name}", tmp_path / "f", limits)


def test_rotated_credentials(tmp_path, monkeypatch):
    """A bucket's keys are read when they are used; another pair gets another client."""
    file = tmp_path / "calls"
    file.write_text("old:secret")
    monkeypatch.setenv("CALLS_FILE", str(file))
    settings = Settings.model_validate({"sources": [{"name": "c", "url": "s3://calls/eu", "secret": "CALLS"}]})
    (place,) = source_limits(settings).places
    first = s3.client_of(place)
    assert s3.client_of(place) is first
    file.write_text("new:secret")
    assert place.key_pair == ("new", "secret")
    assert s3.client_of(place) is not first
