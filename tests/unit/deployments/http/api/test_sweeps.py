"""Sweeps of large buckets: a page at a time, nothing twice, nothing forgotten, sidecars over the ends of pages."""

import io
import json
import tracemalloc

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from deployments.intake import manifest
from deployments.sources import s3
from deployments.sources.limits import SourceLimits
from deployments.sources.places import SourceCredential
from deployments.sources.s3 import Found, Page, list_pages
from pipelines.jobs.sidecar import sidecar_names
from tests.fakes.ledger import MemoryLedger

PLACE = SourceCredential(name="c", url="s3://calls/eu", secret="id:secret")
SWEEP = "/v1/notifications/s3/sweep"
MIB = 1 << 20


class Bucket:
    """A bucket as boto3 shows it, whose pages come to be when they are asked for; keys are given in order."""

    def __init__(self, make_keys, *, page=1000, bodies=None):
        self._make_keys, self._page, self._bodies = make_keys, page, bodies or {}
        self.n_pages = 0
        self.n_reads = 0

    def get_paginator(self, name):
        return self

    def paginate(self, *, Bucket, Prefix):
        page = []
        for key in self._make_keys():
            if key.startswith(Prefix):
                page.append({"Key": key, "Size": 1, "ETag": '"e"'})
            if len(page) == self._page:
                self.n_pages += 1
                yield {"Contents": page}
                page = []
        self.n_pages += 1
        yield {"Contents": page} if page else {}

    def get_object(self, *, Bucket, Key):
        self.n_reads += 1
        if Key not in self._bodies:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self._bodies[Key])}


def numbered(n):
    return lambda: (f"eu/{number:07d}.wav" for number in range(n))


@pytest.fixture
def serve(monkeypatch):
    """Let places read from a bucket."""
    return lambda bucket: monkeypatch.setattr(s3, "client_of", lambda place: bucket) or bucket


def test_a_listing_is_read_as_it_is_used(serve):
    """200,000 objects cost the memory of a page, and pages that nobody wants are not asked for."""
    bucket = serve(Bucket(numbered(200_000)))
    tracemalloc.start()
    try:
        found = sum(len(page.objects) for page in list_pages("s3://calls/eu/", PLACE))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == 200_000
    assert peak < 8 * MIB
    before = bucket.n_pages
    next(list_pages("s3://calls/eu/", PLACE))
    assert bucket.n_pages == before + 1


class KnowsMost(MemoryLedger):
    """A ledger that has a job for every key but the last of every 10,000 it is asked for."""

    n_asked = 0

    def used_keys(self, tenant, idempotency_keys):
        known = set(super().used_keys(tenant, idempotency_keys))
        for key in idempotency_keys:
            self.n_asked += 1
            if self.n_asked % 10_000:
                known.add(key)
        return frozenset(known)


async def test_a_sweep_of_a_large_bucket(serve, make_api):
    """Among 50,000 objects the five that brought no job are found, in little memory."""
    serve(Bucket(numbered(50_000)))
    api = await make_api(sources=SourceLimits(places=(PLACE,)), ledger=KnowsMost())
    await api.client.post(SWEEP, json={"prefix": "s3://calls/nothing/"})  # loads what is loaded late
    tracemalloc.start()
    try:
        answer = (await api.client.post(SWEEP, json={"prefix": "s3://calls/eu/"})).json()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    wanted = [f"s3://calls/eu/{number:07d}.wav" for number in range(9_999, 50_000, 10_000)]
    assert [item["source"] for item in answer["objects"]] == wanted
    assert not answer["more"]
    assert peak < 16 * MIB


async def test_nothing_twice_nothing_forgotten(serve, make_api):
    """Sweeps that are repeated while there is more take each object once, in order, over the ends of pages."""
    bucket = serve(Bucket(numbered(1230), page=170))
    api = await make_api(sources=SourceLimits(places=(PLACE,)), max_live_jobs=10_000)
    taken: list[str] = []
    rounds: list[bool] = []
    while not rounds or rounds[-1]:
        before = bucket.n_pages
        answer = (await api.client.post(SWEEP, json={"prefix": "s3://calls/eu/"})).json()
        assert {item["outcome"] for item in answer["objects"]} == {"accepted"}
        taken += [item["source"] for item in answer["objects"]]
        rounds.append(answer["more"])
        if len(rounds) == 1:
            assert bucket.n_pages - before == 3  # 500 new ones lie in three pages of 170
    assert rounds == [True, True, False]
    assert taken == [f"s3://calls/{key}" for key in numbered(1230)()]
    assert sum(api.ledger.counts().values()) == 1230


@pytest.mark.parametrize("page", [1, 2, 3, 5, 100])
async def test_sidecars_over_the_end_of_a_page(serve, make_api, page):
    """A sidecar counts whether it is listed before or after its recording, in the same page or in another."""
    keys = ["eu/a.flac", "eu/a.g.wav", "eu/a.json", "eu/a.wav", "eu/b.wav", "eu/b.wav.json", "eu/c.json", "eu/c.wav"]
    bodies = {key: json.dumps({"external_id": key}).encode() for key in keys if key.endswith(".json")}
    bodies["eu/a.json"] = json.dumps({"metadata": {"queue": "a"}}).encode()
    bucket = serve(Bucket(lambda: iter([*keys, "eu/d.wav"]), page=page, bodies=bodies))
    place = SourceCredential(name="c", url="s3://calls/eu", secret="id:secret", sidecars=True)
    api = await make_api(sources=SourceLimits(places=(place,)))
    answer = (await api.client.post(SWEEP, json={"prefix": "s3://calls/eu/"})).json()
    jobs = {
        item["source"].removeprefix("s3://calls/"): api.ledger.get("default", item["job_id"])
        for item in answer["objects"]
    }
    said = {name: (job.reference.external_id, dict(job.reference.metadata)) for name, job in jobs.items()}
    assert said == {
        "eu/a.flac": ("", {"queue": "a"}),
        "eu/a.g.wav": ("", {}),
        "eu/a.wav": ("", {"queue": "a"}),
        "eu/b.wav": ("eu/b.wav.json", {}),
        "eu/c.wav": ("eu/c.json", {}),
        "eu/d.wav": ("", {}),
    }
    if page == 100:
        # One read each where a.json follows, b.wav.json first, c.json second; d.wav's would lie behind the page's end.
        assert bucket.n_reads == 2 + 2 + 1 + 2 + 2


NAMES = st.text(st.sampled_from("ab./-é"), min_size=1, max_size=5).filter(lambda name: name.strip("./"))


@given(stems=st.sets(NAMES), cut=st.tuples(st.integers(0, 20), st.integers(0, 20)), ordered=st.booleans())
def test_no_sidecar_is_overlooked(stems, cut, ordered):
    """Wherever a page begins and ends: a sidecar that is in the bucket is never held for absent."""
    keys = sorted({f"{stem}{end}" for stem in stems for end in ("", ".wav", ".json", ".wav.json")}, reverse=not ordered)
    page = keys[min(cut) : max(cut)]
    part = Page([Found(bucket="calls", key=key, n_bytes=1, etag="") for key in page])
    for key in page:
        if set(sidecar_names(key)) & set(keys):
            assert part.may_have_sidecar(key)


async def test_a_batch_of_a_prefix_stops_at_its_limit(serve, make_api, monkeypatch):
    """Of a prefix with more objects than a batch may have no more are listed than it takes to know."""
    monkeypatch.setattr(manifest, "MAX_ENTRIES", 2500)
    bucket = serve(Bucket(numbered(200_000)))
    api = await make_api(sources=SourceLimits(places=(PLACE,)))
    answer = await api.client.post("/v1/batches", json={"prefix": "s3://calls/eu/"})
    assert answer.status_code == 422
    assert "2500 entries at most" in answer.text
    assert bucket.n_pages == 3
