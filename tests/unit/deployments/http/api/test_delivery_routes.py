"""Webhooks and e-mails over HTTP: which targets a job may name, the delivery log, and telling again."""

import pytest

from deployments.notifications.messages import JobNotifications
from deployments.notifications.webhooks import WebhookLimits
from pipelines.errors import Reason
from pipelines.jobs.events import Failed
from pipelines.jobs.state_machine import transition
from pipelines.ledger.outbox import DeliveryAttempt, DeliveryState

HOOK = "https://hooks.example/meetmemo?token=secret"


@pytest.fixture
async def api(make_api):
    return await make_api(webhooks=WebhookLimits(), mail_domains=frozenset({"example.org"}))


async def told(api, job_id):
    """End a job, as the Coordinator does, and try its first message in vain."""
    lease = api.ledger.acquire_lease("test", 60.0)
    job = api.ledger.get("default", job_id)
    after, _ = transition(job, Failed(reason=Reason.TIMED_OUT, detail="late"))
    api.ledger.apply(lease, after, job.version, JobNotifications().of(job, after, at_s=1_800_000_000.0))
    (taken,) = api.ledger.outbox.take_due(1, hold_s=60.0, per_target=1)
    attempt = DeliveryAttempt(at_s=1_800_000_001.0, duration_s=0.25, status=500, detail="500 Internal Server Error")
    api.ledger.outbox.settle(taken.message.id, attempt, DeliveryState.FAILED)
    return taken.message.id


async def test_log_and_replay(api):
    """The log tells target, state and attempts, without the URL's query; a replay makes the message due again."""
    job_id = await api.submit(webhook_url=HOOK)
    delivery_id = await told(api, job_id)
    path = f"/v1/jobs/{job_id}/deliveries"
    (delivery,) = (await api.client.get(path)).json()["deliveries"]
    assert delivery["id"] == delivery_id
    assert (delivery["channel"], delivery["event"], delivery["state"]) == ("webhook", "job.failed", "failed")
    assert delivery["target"] == "https://hooks.example/meetmemo"
    assert [attempt["status"] for attempt in delivery["attempts"]] == [500]
    (listed,) = (await api.client.get("/v1/deliveries", params={"state": "failed"})).json()["deliveries"]
    assert (listed["id"], listed["attempts"]) == (delivery_id, [])
    assert (await api.client.get("/v1/deliveries", params={"state": "delivered"})).json() == {"deliveries": []}
    answer = await api.client.post(f"{path}/{delivery_id}/replay")
    assert (answer.status_code, answer.json()["state"]) == (202, "pending")
    assert [taken.message.id for taken in api.ledger.outbox.take_due(9, hold_s=1.0, per_target=1)] == [delivery_id]


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/v1/jobs/nobody/deliveries", "job_unknown"),
        ("POST", "/v1/jobs/nobody/deliveries/msg/replay", "job_unknown"),
        ("GET", "/v1/deliveries?state=lost", "invalid_option"),
    ],
)
async def test_what_is_not_there(api, method, path, reason):
    """An unknown job, and a state that is none, are enumerated errors."""
    assert (await api.client.request(method, path)).json()["reason"] == reason


async def test_an_unknown_delivery(api):
    """A delivery that a job does not have cannot be replayed."""
    job_id = await api.submit()
    answer = await api.client.post(f"/v1/jobs/{job_id}/deliveries/msg_other/replay")
    assert (answer.status_code, answer.json()["reason"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"webhook_url": "http://hooks.example/"}, "webhook_url: must begin with https://"),
        ({"webhook_url": "https://10.0.0.1/"}, "webhook_url: points to an address that is not public"),
        ({"recipients": "ann@elsewhere.example"}, "recipients: no mail is sent to elsewhere.example"),
        ({"recipients": "ann"}, "recipients.0: must be an e-mail address such as ann@example.com"),
        ({"recipients": ["ann@example.org"] * 21}, "recipients: may have 20 entries at most"),
    ],
)
async def test_targets_that_are_refused(api, options, complaint):
    """What could never be delivered is refused when the job is submitted."""
    answer = await api.client.post("/v1/jobs", content=b"RIFF", params=options)
    assert answer.status_code == 422
    assert complaint in answer.json()["detail"]


async def test_targets_that_are_taken(api):
    """They are shown with the job, the URL without its query."""
    params = {"webhook_url": HOOK, "recipients": ["ann@example.org", "bob@Example.org"]}
    answer = await api.client.post("/v1/jobs", content=b"RIFF", params=params)
    assert answer.status_code == 202
    assert answer.json()["options"]["webhook_url"] == "https://hooks.example/meetmemo"
    assert answer.json()["options"]["recipients"] == ["ann@example.org", "bob@Example.org"]
    assert api.ledger.get("default", answer.json()["id"]).options.webhook_url == HOOK


async def test_nothing_is_configured(make_api):
    """Without secrets there are no webhooks, without a mail server no e-mails: neither is ignored."""
    api = await make_api()
    for options, complaint in (
        ({"webhook_url": HOOK}, "webhook_url: this server has no secret to sign webhooks with"),
        ({"recipients": "ann@example.org"}, "recipients: no mail server is configured"),
    ):
        answer = await api.client.post("/v1/jobs", content=b"RIFF", params=options)
        assert (answer.status_code, answer.json()["detail"]) == (422, complaint)


async def test_a_secret_that_comes_later(make_api):
    """Webhooks are taken as soon as there is something to sign them with, and no longer once it is gone."""
    there = [False, True, False]
    api = await make_api(webhooks=WebhookLimits(), can_sign=lambda: there[0])
    for wanted in (422, 202, 422):
        answer = await api.client.post("/v1/jobs", content=b"RIFF", params={"webhook_url": HOOK})
        assert answer.status_code == wanted
        there.pop(0)
