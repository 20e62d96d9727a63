"""Whatever a place covers is requested below it, as every server may read it."""

import asyncio
import re
import socket
from unittest.mock import patch
from urllib.parse import unquote, urljoin

import boto3
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.sources.pinned_http import pinned_request
from deployments.sources.places import SourceCredential
from deployments.sources.s3 import bucket_and_key, s3_url
from deployments.sources.urls import SourceUrl, is_ambiguous
from tests.servers.s3 import s3_server

WEB = SourceCredential(name="web", url="https://rec.example/files/eu", secret="Bearer x")
BUCKET = SourceCredential(name="bucket", url="s3://calls/eu", secret="id:secret")
PIECES = st.sampled_from(
    [
        *("/", "//", "\\", "%2f", "%252f", "%5c", "%255c", ";", "%3b", "?", "%3f", "#", "%23", "@", ":", "&", "+"),
        *(".", "..", "%2e", "%2E", "%252e", "%25252e", "%c0%ae", "%c0%af", "%e0%80%ae", "%u002e", "%ef%bc%8e"),
        *("．", "\u2024", "\u2025", "%00", "%2500", "%0a", "%ff", "%20", "%", "%2", "~", "%7e", "Ü", "%C3%9C"),
        *("eu", "e%75", "%65u", "us", "files", "a.wav"),
    ]
)
TAILS = st.lists(PIECES, max_size=10).map("".join)
STARTS = ("/files/eu", "/files/eu/", "/files/", "/", "", "/files/us/", "/files%2feu/", "/f%69les/eu/", "/files/eu;x/")


def leaves(path: str, folder: str) -> bool:
    """Whether a server that resolves dots of a path, and the slashes it sees, serves something outside of a folder."""
    resolved: list[str] = []
    for segment in re.split(r"[/\\]", path):
        name = segment.partition(";")[0].strip()
        if name == "..":
            resolved = resolved[:-1]
        elif name not in ("", "."):
            resolved.append(name)
    return not f"/{'/'.join(resolved)}/".startswith(f"{folder}/")


def readings(path: str):
    """Yield a path as servers read it: once decoded, twice, and so on, and with unusual forms of dots."""
    path = re.sub("%(6[1-9a-f]|7[0-9a])", lambda found: unquote(found[0]), path)  # letters need no encoding
    for _ in range(6):
        yield path
        yield path.split("\x00")[0]
        further = unquote(path, errors="ignore")
        yield further
        further = re.sub(r"%u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), further)
        path = further.replace("．", ".").replace("\u2024", ".").replace("\u2025", "..")


async def request_of(url: str) -> httpx.Request:
    async def resolved(host, port, *, type):
        return [(socket.AF_INET, type, 0, "", ("192.0.2.1", port))]

    async with httpx.AsyncClient(trust_env=False) as client:
        with patch.object(asyncio.get_running_loop(), "getaddrinfo", resolved):
            return await pinned_request(client, "GET", url, allow_private=True, headers={})


@given(start=st.sampled_from(STARTS), tail=TAILS, host=st.sampled_from(["rec.example", "REC.example:443"]))
async def test_what_a_web_server_is_asked_for_lies_in_the_place(start, tail, host):
    """What is covered goes over the wire to the place's host, to a path below the place's, however it is read."""
    url = f"https://{host}{start}{tail}"
    if not WEB.covers(url):
        return
    request = await request_of(url)
    wire = request.url.raw_path.partition(b"?")[0].decode()
    assert request.headers["host"] == "rec.example"
    assert wire == SourceUrl.of(url).path
    assert not any(leaves(path, "/files/eu") for path in readings(wire)), wire


@given(start=st.sampled_from(["eu/", "eu", "", "eu%2f", "us/", "/eu/", "e%75/"]), tail=TAILS)
def test_the_key_that_is_asked_for_lies_in_the_place(start, tail):
    """What is covered is the key of an object below the place's prefix, also for stores that know folders."""
    url = f"s3://calls/{start}{tail}"
    if not BUCKET.covers(url):
        return
    bucket, key = bucket_and_key(url)
    assert bucket == "calls"
    assert key == "eu" or key.startswith("eu/")
    assert not any(leaves(path, "/eu") for path in readings(f"/{key}")), key


@given(key=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map("eu/{}".format))
def test_every_honest_key_has_a_url(key):
    """A key that a listing brings leads back to itself, whatever characters it is made of."""
    assert bucket_and_key(s3_url("calls", key)) == ("calls", key)
    assert BUCKET.covers(s3_url("calls", key)) or is_ambiguous(key)


@pytest.mark.parametrize(
    "url",
    [
        "https://rec.example/files/eu/1.wav",
        "https://rec.example:443/files/eu/1.wav",
        "https://REC.example/files/eu/1.wav?channels=2#t=3",
        "https://rec.example/f%69les/eu/1.wav",
        "https://rec.example/files/eu/a/../1.wav",
        "https://rec.example/files/eu//1.wav",
        "https://rec.example/files/eu/a..b/..1/1...wav",
        "https://rec.example/files/eu/2024%2F05%2F1.wav",
        "https://rec.example/files/eu/100%25.wav",
        "https://rec.example/files/eu/call;id=7.wav",
        "https://rec.example/files/eu/Büro 1.wav",
        "https://rec.example/files/eu/B%FCro.wav",
        "https://rec.example/files/eu/2024／05.wav",
    ],
)
def test_honest_urls_are_covered(url):
    """Names of every kind, and other ways to write the same host, keep their credentials."""
    assert WEB.covers(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://rec.example/files/eu/%2e%2e/us/1.wav",
        "https://rec.example/files/eu/.%2E/us/1.wav",
        "https://rec.example/files/eu/%252e%252e/us/1.wav",
        "https://rec.example/files/eu/..%2fus/1.wav",
        "https://rec.example/files/eu/..%5cus/1.wav",
        "https://rec.example/files/eu/..\\us\\1.wav",
        "https://rec.example/files/eu/..;/us/1.wav",
        "https://rec.example/files/eu/..%3b/us/1.wav",
        "https://rec.example/files/eu/..;a=b/us/1.wav",
        "https://rec.example/files/eu/.%20./us/1.wav",
        "https://rec.example/files/eu/%c0%ae%c0%ae/us/1.wav",
        "https://rec.example/files/eu/%u002e%u002e/us/1.wav",
        "https://rec.example/files/eu/%ef%bc%8e%ef%bc%8e/us/1.wav",
        "https://rec.example/files/eu/.%ff./us/1.wav",
        "https://rec.example/files/eu/%" + "25" * 9 + "2e",
        "https://rec.example/files/eu/a%00.wav",
        "https://rec.example/files/eu/a%0d%0aX: y",
        "https://rec.example/files/eu%2f1.wav",
        "https://rec.example/files/eu;x/1.wav",
        "https://rec.example//files/eu/1.wav",
        "https://rec.example/files/eu/../us/1.wav",
        "https://rec.example./files/eu/1.wav",
        "https://rec.example:8443/files/eu/1.wav",
        "https://user@rec.example/files/eu/1.wav",
        "https://rec.example\\@evil.example/files/eu/1.wav",
        "https://rec.example%2f@evil.example/files/eu/1.wav",
        "https://[::1/files/eu/1.wav",
        "https://rec.example:port/files/eu/1.wav",
    ],
)
def test_ways_out_are_not_covered(url):
    """Dots in every encoding, parameters, doubled slashes before the place, other hosts that look the same."""
    assert not WEB.covers(url)


@pytest.mark.parametrize(
    ("url", "covered"),
    [
        ("s3://calls/eu%2F1.wav", True),
        ("s3://calls/eu//1.wav", True),
        ("s3://calls/eu/50%25.wav", True),
        ("s3://calls/eu/a%252Fb.wav", True),
        ("s3://calls/eu/a%231%3F.wav", True),
        ("s3://calls/eu/a;b.wav", True),
        ("s3://calls/eu/%2e%2e/us/1.wav", False),
        ("s3://calls/eu/%252e%252e/us/1.wav", False),
        ("s3://calls/eu/./1.wav", False),
        ("s3://calls/eu/a#1.wav", False),
        ("s3://calls/eu/a?b", False),
        ("s3://calls?/eu/1.wav", False),
        ("s3://calls/eu/%FF.wav", False),
        ("s3://CALLS/eu/1.wav", False),
        ("s3://id@calls/eu/1.wav", False),
        ("s3://calls//eu/1.wav", False),
    ],
)
def test_keys(url, covered):
    """The key is judged that is asked for; ? and # in it have to be encoded, so that nothing is cut off."""
    assert BUCKET.covers(url) is covered


def test_another_alphabet():
    """A host in another alphabet is the same in both forms."""
    place = SourceCredential(name="p", url="https://bücher.example/a")
    assert place.covers("https://xn--bcher-kva.example/a/1.wav")
    assert place.covers("https://BÜCHER.example/a/1.wav")


def test_a_bucket_serves_what_was_judged():
    """A real client asks a real server for exactly the key that was judged."""
    with s3_server() as port:
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="eu-1",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
        )
        client.create_bucket(Bucket="calls", CreateBucketConfiguration={"LocationConstraint": "eu-1"})  # type: ignore[typeddict-item]
        for key in ("eu/a#1?.wav", "eu/50%.wav", "eu/a%2Fb.wav", "eu/a+b c;d.wav"):
            client.put_object(Bucket="calls", Key=key, Body=key.encode())
            bucket, judged = bucket_and_key(s3_url("calls", key))
            assert client.get_object(Bucket=bucket, Key=judged)["Body"].read() == key.encode()


def test_dots_in_a_redirect_are_judged_after_they_are_resolved():
    """A server may lead to a neighbour within the place by dots, but not out of it."""
    here = "https://rec.example/files/eu/a/1.wav"
    assert WEB.covers(urljoin(here, "../b/1.wav"))
    assert not WEB.covers(urljoin(here, "../../us/1.wav"))
    assert not WEB.covers(urljoin(here, "..%2f..%2fus/1.wav"))
