"""Asking for a language model's minutes over HTTP."""

import pytest

from deployments.artifacts.parked_minutes import DeferredMinutes
from deployments.ports import MinutesRequest

AUDIO = b"RIFF" + bytes(range(256))


async def test_refused_without_a_model(api):
    """Where no language model is configured, asking for one is refused with what works instead."""
    answer = await api.client.post("/v1/jobs", content=AUDIO, params={"minutes": "llm"})
    body = answer.json()
    assert (answer.status_code, body["reason"]) == (422, "invalid_option")
    assert [error["field"] for error in body["errors"]] == ["minutes"]
    assert "extractive" in body["detail"]
    assert (api.blobs, api.spooled) == ([], [])


@pytest.mark.parametrize("choice", ["llm", "auto", "extractive", "none"])
async def test_accepted_with_a_model(make_api, choice):
    """Where one is configured, a job may ask for it, for rules, or for nothing."""
    api = await make_api(llm_configured=True)
    answer = await api.client.post("/v1/jobs", content=AUDIO, params={"minutes": choice})
    assert answer.status_code == 202
    assert answer.json()["options"]["minutes"] == choice


async def test_parked_minutes(api):
    """An operator sees how many jobs wait for their minutes and why, and can leave word to resume."""
    deferred = DeferredMinutes(api.store)
    for job_id in ("a", "b"):
        request = MinutesRequest(tenant="t", job_id=job_id, title="", minutes="auto", language=None)
        deferred.park(request, "Insufficient Balance")
    shown = await api.client.get("/v1/admin/minutes")
    assert shown.json() == {"parked": 2, "reasons": {"Insufficient Balance": 2}}
    assert not deferred.consume_resume_request()
    answer = await api.client.post("/v1/admin/minutes/resume")
    assert (answer.status_code, answer.json()["parked"]) == (202, 2)
    assert (deferred.consume_resume_request(), deferred.consume_resume_request()) == (True, False)
