"""Twilio's recording status callback, signed by Twilio's own library."""

from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from cluster.settings.settings import Settings
from cluster.wiring.twilio import twilio_accounts
from deployments.intake.twilio import TwilioAccount
from deployments.limits import TenantLimits
from deployments.sources.limits import SourceLimits
from deployments.sources.places import credential_for
from pipelines.errors import ConfigurationError, Reason
from pipelines.jobs.events import Claimed, Failed
from pipelines.jobs.state_machine import transition
from pipelines.secret import revealed

SID, TOKEN = "AC" + "0" * 32, "the auth token"
ACCOUNT = TwilioAccount(sid=SID, tenant="support", auth_token=TOKEN)
OTHER = TwilioAccount(sid="AC" + "1" * 32, tenant="sales", auth_token="another token")
PUBLIC = "https://memo.example"
PATH = "/v1/recorders/twilio"
FORM = {
    "AccountSid": SID,
    "CallSid": "CA1",
    "RecordingSid": "RE1",
    "RecordingUrl": f"https://api.twilio.com/2010-04-01/Accounts/{SID}/Recordings/RE1",
    "RecordingStatus": "completed",
    "RecordingDuration": "17",
    "RecordingChannels": "1",
    "ErrorCode": "",
}


@pytest.fixture
async def api(make_api):
    return await make_api(twilio=(ACCOUNT, OTHER), public_url=PUBLIC)


async def tell(api, *, path=PATH, token=TOKEN, url=None, **form):
    """Send a callback as Twilio does: to the public URL, through a proxy that calls the server by another name."""
    sent = {**FORM, **form}
    signature = RequestValidator(token).compute_signature(url or f"{PUBLIC}{path}", sent)
    headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
    return await api.client.post(path, content=urlencode(sent), headers=headers)


async def test_a_completed_recording_becomes_a_job(api):
    """The account's tenant has it, by the recording's id; a repeated callback is the same job."""
    first = await tell(api)
    assert (first.status_code, first.json()["outcome"]) == (200, "accepted"), first.text
    job = api.ledger.get("support", first.json()["job_id"])
    assert (job.source_url, job.filename, job.options.channels) == (FORM["RecordingUrl"], "RE1.wav", "mix")
    assert job.options.source_patience_s == 600  # Twilio does not call twice
    assert job.reference.external_id == "RE1"
    assert dict(job.reference.metadata) == {"CallSid": "CA1", "RecordingDuration": "17"}
    again = (await tell(api)).json()
    assert (again["outcome"], again["job_id"]) == ("repeated", job.id)
    assert len(api.ledger.list(None).jobs) == 1


async def test_two_channels_and_options(api):
    """Both channels are asked for and kept apart; the callback's URL says the rest, and is signed with it."""
    told = await tell(api, path=f"{PATH}?speakers=Agent,Customer&minutes=none", RecordingChannels="2")
    job = api.ledger.get("support", told.json()["job_id"])
    assert job.source_url == f"{FORM['RecordingUrl']}.wav?RequestedChannels=2"
    assert (job.options.channels, job.options.speakers, job.options.minutes) == ("split", ("Agent", "Customer"), "none")
    mixed = await tell(api, path=f"{PATH}?channels=mix", RecordingChannels="2", RecordingSid="RE2")
    assert api.ledger.get("support", mixed.json()["job_id"]).options.channels == "mix"


@pytest.mark.parametrize("status", ["in-progress", "absent", "failed"])
async def test_other_statuses_bring_no_job(api, status):
    """They are acknowledged, so that Twilio does not try again."""
    told = await tell(api, RecordingStatus=status)
    assert (told.status_code, told.json()["outcome"], told.json()["job_id"]) == (200, "ignored", None)
    assert api.ledger.list(None).jobs == ()


async def test_a_recording_that_failed_may_come_again(api):
    """A callback after the job has failed is another attempt."""
    job_id = (await tell(api)).json()["job_id"]
    job = api.ledger.get("support", job_id)
    lease = api.ledger.acquire_lease("test", 60.0)
    for event in (Claimed(), Failed(reason=Reason.SOURCE_UNREACHABLE, detail="404")):
        job = api.ledger.apply(lease, transition(job, event)[0], job.version)
    assert (await tell(api)).json()["outcome"] == "accepted"


@pytest.mark.parametrize(
    "forged",
    [
        {"token": "wrong"},
        {"token": OTHER.auth_token},
        {"url": f"{PUBLIC}{PATH}?minutes=none"},
        {"AccountSid": "AC" + "2" * 32},
        {"AccountSid": OTHER.sid},
    ],
)
async def test_what_is_not_signed_is_refused(api, forged):
    """By nobody, by another account, for another URL, for an account that is not known."""
    answer = await tell(api, **forged)
    assert (answer.status_code, answer.json()["reason"]) == (401, "unauthenticated")
    assert api.ledger.list(None).jobs == ()


async def test_no_signature_and_no_account(api, make_api):
    """Without a signature nothing goes; without accounts nobody is known."""
    unsigned = await api.client.post(PATH, data=FORM)
    assert unsigned.status_code == 401
    assert (await tell(await make_api(public_url=PUBLIC))).status_code == 401


async def test_without_a_proxy(make_api):
    """Without a public URL the signature is that of the URL the request came to, its port named or not."""
    api = await make_api(twilio=(ACCOUNT,))
    for sid, url in (("RE1", f"http://meetmemo.test{PATH}"), ("RE2", f"http://meetmemo.test:80{PATH}")):
        assert (await tell(api, url=url, RecordingSid=sid)).status_code == 200


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"RecordingSid": ""}, 400),
        ({"RecordingUrl": ""}, 400),
        ({"RecordingUrl": "http://169.254.169.254/latest"}, 422),
        ({"RecordingUrl": "file:///etc/passwd"}, 422),
    ],
)
async def test_bad_callbacks(api, form, status):
    """Signed, but not usable: what is missing, and URLs that lead inside."""
    answer = await tell(api, **form)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert api.ledger.list(None).jobs == ()


async def test_bad_forms_and_options(api):
    """Too large, and with options that are none."""
    assert (await api.client.post(PATH, content=b"x" * (1 << 17))).status_code == 400
    assert (await tell(api, path=f"{PATH}?beam=1")).status_code == 422


async def test_the_tenants_rate_counts(make_api):
    """Callbacks use up the tenant's requests as requests with a key do."""
    tenants = {"support": TenantLimits(requests_per_s=0.001, request_burst=1)}
    api = await make_api(twilio=(ACCOUNT,), public_url=PUBLIC, tenants=tenants)
    assert [(await tell(api)).status_code for _ in range(2)] == [200, 429]


def test_recordings_are_fetched_with_the_account():
    """Only its tenant may, and only what is the account's; the header is what HTTP calls basic."""
    url = FORM["RecordingUrl"]
    assert credential_for(url, [ACCOUNT.place], "sales") is None
    assert credential_for(url.replace(SID, OTHER.sid), [ACCOUNT.place], "support") is None
    credential = credential_for(f"{url}.wav?RequestedChannels=2", [ACCOUNT.place], "support")
    assert credential is not None
    assert credential.authorization.startswith("Basic QUMw")
    assert TOKEN not in repr(ACCOUNT)


def test_settings(monkeypatch):
    """The token comes from the environment; a server without it does not start."""
    settings = Settings.model_validate({"twilio": [{"account": SID, "tenant": "support", "auth_token": "MY_TOKEN"}]})
    with pytest.raises(ConfigurationError, match="MY_TOKEN"):
        twilio_accounts(settings)
    monkeypatch.setenv("MY_TOKEN", TOKEN)
    (account,) = twilio_accounts(settings)
    assert (account.sid, account.tenant, account.place.authorization) == (SID, "support", ACCOUNT.place.authorization)


def test_a_rotated_auth_token(monkeypatch):
    """The new token verifies callbacks and fetches recordings, in replicas that run."""
    settings = Settings.model_validate({"twilio": [{"account": SID, "tenant": "support", "auth_token": "MY_TOKEN"}]})
    monkeypatch.setenv("MY_TOKEN", "old")
    (account,) = twilio_accounts(settings)
    before = account.place.authorization
    monkeypatch.setenv("MY_TOKEN", "new")
    assert revealed(account.auth_token) == "new"
    assert account.place.authorization != before


@pytest.mark.parametrize(("asked", "patience_s"), [("", 7), ("&source_patience_s=9", 9)])
async def test_the_server_says_how_long_a_recording_is_waited_for(make_api, asked, patience_s):
    """Where the callback's URL does not."""
    sources = SourceLimits(callback_patience_s=7)
    api = await make_api(twilio=(ACCOUNT, OTHER), public_url=PUBLIC, sources=sources)
    noted = (await tell(api, path=f"{PATH}?priority=1{asked}")).json()
    assert api.ledger.get("support", noted["job_id"]).options.source_patience_s == patience_s
