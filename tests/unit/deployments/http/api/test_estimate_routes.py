"""``/v1/estimate`` and ``/v1/capacity``: what work would take, without submitting it."""

import pytest

from deployments.limits import BacklogBound
from pipelines.errors import CorruptAudio
from pipelines.jobs.batch import Probe
from pipelines.jobs.prices import Prices

PRICES = Prices(usd_per_audio_hour=0.6, usd_per_economy_audio_hour=0.2, usd_per_device_hour=3.0)


async def test_an_estimate_by_lengths(make_api):
    """Two recordings of half an hour: time, price by audio and by device; no job is made."""
    api = await make_api(prices=PRICES)
    answer = await api.client.post("/v1/estimate", json={"audio_s": [1800, 1800]})
    body = answer.json()
    assert (answer.status_code, body["audio_h"], body["n_probed"], body["wall_s"]) == (200, 1.0, 2, 1800.0)
    assert (body["cost_usd"], body["device_s"], body["device_cost_usd"]) == (0.6, 360.0, 0.3)
    assert (body["model"], body["priority_class"], body["typical_error"]) == ("mini-en", "standard", 0.1)
    assert body["done_at"].endswith("Z")
    assert api.ledger.jobs == {}


async def test_economy_has_a_price_and_a_time_of_its_own(make_api):
    api = await make_api(prices=PRICES)
    asked = {"audio_s": [3600], "options": {"priority_class": "economy"}}
    body = (await api.client.post("/v1/estimate", json=asked)).json()
    assert (body["cost_usd"], body["wall_s"], body["priority_class"]) == (0.2, 18_000.0, "economy")
    assert api.coordinator.asked_estimates == [("default", "mini-en", 3600.0, True)]


async def test_sources_are_looked_at(make_api):
    """A source with a length, one without, one that cannot be read; its query is not shown."""
    api = await make_api()
    urls = [f"https://8.8.8.8/{name}.wav?token=secret" for name in ("good", "silent", "bad")]
    found = (Probe(audio_s=60.0), Probe(audio_s=None), CorruptAudio("not a recording"))
    api.coordinator.probes = dict(zip(urls, found, strict=True))
    body = (await api.client.post("/v1/estimate", json={"sources": urls, "audio_s": [30]})).json()
    assert (body["n_probed"], body["n_unknown"], body["n_unreadable"]) == (2, 1, 1)
    assert body["wall_s"] == 45.0
    assert [each["audio_s"] for each in body["recordings"]] == [60.0, None, None]
    assert "not a recording" in body["recordings"][2]["detail"]
    assert "secret" not in str(body)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 422),
        ({"audio_s": [0]}, 422),
        ({"audio_s": [60], "options": {"model": "nosuch"}}, 422),
        ({"audio_s": [60], "options": {"beam": 3}}, 422),
        ({"sources": ["http://127.0.0.1/a.wav"]}, 422),
        ({"sources": ["https://8.8.8.8/a.wav"] * 21}, 422),
    ],
    ids=["nothing", "no length", "model", "option", "private", "too many"],
)
async def test_what_cannot_be_estimated(api, asked, status):
    """Is refused as submitting it would be."""
    assert (await api.client.post("/v1/estimate", json=asked)).status_code == status


async def test_a_coordinator_that_does_not_answer(api):
    """Hours are told, times are not; capacity is not known at all."""
    api.coordinator.broken = ConnectionError("gone")
    body = (await api.client.post("/v1/estimate", json={"audio_s": [3600]})).json()
    assert (body["audio_h"], body["wall_s"], body["done_at"], body["cost_usd"]) == (1.0, None, None, None)
    assert (await api.client.get("/v1/capacity")).status_code == 503


async def test_capacity(api):
    """Speed, backlog, free share, and what a job of two hours would take in each class."""
    body = (await api.client.get("/v1/capacity", params={"hours": 2})).json()
    assert (body["speed"], body["backlog_audio_h"], body["free_share"]) == (2.0, 0.5, 0.25)
    assert (body["n_live_jobs"], body["n_queued_jobs"]) == (3, 4)
    assert (body["hours"], body["wall_s"], body["economy_wall_s"]) == (2.0, 3600.0, 36_000.0)
    assert (body["full"], body["retry_after_s"]) == (False, None)


async def test_capacity_of_a_full_cluster(make_api):
    api = await make_api(bound=BacklogBound(max_jobs=1))
    await api.submit()
    body = (await api.client.get("/v1/capacity")).json()
    assert (body["full"], body["retry_after_s"]) == (True, 60)
