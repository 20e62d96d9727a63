"""Voice profiles over HTTP: consent, tenants, receipts; no voice in any answer or log."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from deployments.auth.authenticators import ALL_SCOPES, Principal, Scope
from pipelines.codec import encode
from pipelines.core import ModelInfo, Segment, Transcript
from pipelines.errors import OptionError, UnsupportedFormat
from pipelines.jobs.events import Claimed, ResultsStored, Segmented, TranscriptStored
from pipelines.jobs.job import RESULT_FORMATS
from pipelines.storage.layout import JobKeys, TenantKeys
from tests.fakes.enrolment import SEALED, FakeEnrolment
from tests.fakes.store import MemoryStore

CLIP = {"file": ("ann.wav", b"RIFF clip")}
FORM = {"name": "Ann", "consent_by": "Ann, by e-mail"}
HEARD = Transcript(
    duration_s=20.0,
    language="en",
    languages=(),
    segments=(
        Segment(id=0, channel=0, speaker="Ann", start_s=0.0, end_s=4.0, text="We ship."),
        Segment(id=1, channel=0, speaker="Bob", start_s=4.0, end_s=8.0, text="Good."),
        Segment(id=2, channel=1, speaker="Ann", start_s=8.0, end_s=14.0, text="Thanks."),
        Segment(id=3, channel=0, speaker="Ann", start_s=14.0, end_s=16.0, text="Yes.", overlap=True),
    ),
    coverage=(),
    model=ModelInfo(name="m"),
)


class Tenants:
    """Everybody is the tenant its token names, with that tenant's credential."""

    async def authenticate(self, token):
        scopes = {Scope.JOBS_READ} if token == "reader" else ALL_SCOPES
        return Principal(tenant=token or "default", scopes=frozenset(scopes), key_id=f"key-of-{token}")


@pytest.fixture
def enrolment():
    return FakeEnrolment(MemoryStore())


@pytest.fixture
async def api(make_api, enrolment):
    return await make_api(store=enrolment.store, enrolment=lambda: enrolment, authenticator=Tenants())


async def enrol(api, tenant="mine", files=CLIP, **fields):
    data = {name: value for name, value in {**FORM, **fields}.items() if value is not None}
    return await api.client.post("/v1/voices", files=files or {}, data=data, headers={"x-api-key": tenant})


async def test_a_voice_is_enrolled_with_consent(api, enrolment, capsys):
    """The answer tells all but the voice; the clip is there while it is heard, and gone afterwards."""
    answer = await enrol(api, consent_at="2026-11-02T10:00:00Z")
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert {**body, "id": "", "created_at": ""} == {
        "id": "",
        "name": "Ann",
        "consent_by": "Ann, by e-mail",
        "consent_at": "2026-11-02T10:00:00Z",
        "enrolled_by": "key-of-mine",
        "created_at": "",
        "speech_s": 4.0,
        "job_id": None,
    }
    assert enrolment.clips == [b"RIFF clip"]
    assert api.blobs == [TenantKeys(tenant="mine").voice(body["id"])]
    listed = await api.client.get("/v1/voices", headers={"x-api-key": "mine"})
    assert listed.json() == {"voices": [body]}
    shown = await api.client.get(f"/v1/voices/{body['id']}", headers={"x-api-key": "mine"})
    assert shown.json() == body
    told = answer.text + listed.text + shown.text + "".join(capsys.readouterr())
    assert SEALED not in told
    assert SEALED.encode() in api.store.get(api.blobs[0])


@pytest.mark.parametrize(
    ("files", "fields", "names"),
    [
        (CLIP, {"consent_by": None}, "consent_by"),
        (CLIP, {"consent_by": " "}, "consent_by"),
        (CLIP, {"name": None}, "name"),
        (CLIP, {"consent_at": (datetime.now(UTC) + timedelta(days=1)).isoformat()}, "consent_at"),
        (CLIP, {"job_id": "0" * 32, "speaker": "Ann"}, "file"),
        (CLIP, {"speaker": "Ann"}, "speaker"),
        (CLIP, {"vector": "1"}, "vector"),
        ({"other": (None, "x")}, {}, "other"),
    ],
)
async def test_without_consent_or_a_voice_nothing_is_kept(api, enrolment, files, fields, names):
    """The answer names the field."""
    answer = await enrol(api, files=files, **fields)
    assert answer.status_code == 422, answer.text
    assert names in answer.text
    assert api.blobs == []
    assert enrolment.asked == []


@pytest.mark.parametrize("error", [OptionError("the clip has several voices"), UnsupportedFormat("no sound")])
async def test_a_clip_that_is_not_one_voice_leaves_nothing(api, enrolment, error):
    """Neither a profile nor the clip."""
    enrolment.fail = error
    answer = await enrol(api)
    assert answer.status_code == 422, answer.text
    assert str(error) in answer.json()["detail"]
    assert api.blobs == []


async def test_a_deleted_voice_is_gone(api):
    """The receipt has the digest of the record; a second deletion finds nothing."""
    body = (await enrol(api)).json()
    other = (await enrol(api, name="Bob")).json()
    url, mine = f"/v1/voices/{body['id']}", {"x-api-key": "mine"}
    receipt = await api.client.delete(url, headers=mine)
    assert receipt.status_code == 200
    assert receipt.json()["gone"] is True
    assert len(receipt.json()["record_sha256"]) == 64
    assert (await api.client.get(url, headers=mine)).status_code == 404
    assert (await api.client.delete(url, headers=mine)).status_code == 404
    left = (await api.client.get("/v1/voices", headers=mine)).json()["voices"]
    assert [each["id"] for each in left] == [other["id"]]


async def test_another_tenants_voices_are_unknown(api):
    """They are neither listed nor shown, nor deleted; paths lead nowhere."""
    voice_id = (await enrol(api)).json()["id"]
    theirs = {"x-api-key": "other"}
    assert (await api.client.get("/v1/voices", headers=theirs)).json() == {"voices": []}
    for path in (voice_id, f"..%2F..%2Fmine%2Fvoices%2F{voice_id}", "0" * 32):
        for method in ("GET", "DELETE"):
            answer = await api.client.request(method, f"/v1/voices/{path}", headers=theirs)
            assert answer.status_code == 404, (method, path)
    assert len(api.blobs) == 1


async def test_who_may_only_read_enrols_and_deletes_nothing(api):
    """Voices need the scope that jobs need."""
    assert (await enrol(api, tenant="reader")).status_code == 403
    assert (await api.client.delete("/v1/voices/0", headers={"x-api-key": "reader"})).status_code == 403


async def test_without_a_key_of_the_installation_nobody_is_enrolled(make_api):
    """The answer says what its operator has to do."""
    api = await make_api()
    answer = await enrol(api)
    assert answer.status_code == 409
    assert "MEETMEMO_VOICES_KEY" in answer.json()["detail"]
    assert api.blobs == []


async def test_a_key_that_is_set_meanwhile(make_api, enrolment):
    """Counts from the next request on."""
    ports = [None]
    api = await make_api(store=enrolment.store, enrolment=lambda: ports[0], authenticator=Tenants())
    assert (await enrol(api)).status_code == 409
    ports[0] = enrolment
    assert (await enrol(api)).status_code == 201


async def test_a_corrected_speaker_is_enrolled(make_api, enrolment):
    """From where they are alone in the recording that their job keeps, by their newest name."""
    api = await make_api(store=enrolment.store, enrolment=lambda: enrolment)
    job_id = await api.submit(filename="call.wav")
    api.advance(job_id, Claimed(), Segmented(n_chunks=0), TranscriptStored(), ResultsStored(names=RESULT_FORMATS))
    keys = JobKeys(tenant="default", job_id=job_id)
    api.store.put(keys.transcript, encode(HEARD))
    await api.client.post(f"/v1/jobs/{job_id}/corrections", json={"base": 0, "speakers": {"Ann": "Ann Lee"}})
    form = [("name", "Ann Lee"), ("consent_by", "Ann"), ("job_id", job_id), ("speaker", "Ann Lee")]
    multipart = {name: (None, value) for name, value in form}

    async def post(**changes):
        files = {**multipart, **{name: (None, value) for name, value in changes.items()}}
        return await api.client.post("/v1/voices", files=files)

    gone = await post()
    assert (gone.status_code, gone.json()["reason"]) == (404, "blob_missing")
    api.store.put(keys.playback, b"webm")
    unknown = await post(speaker="Ann")
    assert unknown.status_code == 404
    answer = await post()
    assert answer.status_code == 201, answer.text
    assert answer.json()["job_id"] == job_id
    (request,) = enrolment.asked
    assert [(each.channel, each.start_s, each.end_s) for each in request.passages] == [(0, 0.0, 4.0), (1, 8.0, 14.0)]
    assert json.loads(api.store.get(TenantKeys(tenant="default").voice(answer.json()["id"])))["origin"] == job_id
