"""One stage of jobs done again over HTTP: what it takes is told first, each job has its outcome, of nobody else."""

from dataclasses import replace

import pytest

from deployments.auth.authenticators import ALL_SCOPES, Principal
from pipelines.codec import encode
from pipelines.core import SpokenLanguage
from pipelines.errors import LedgerUnavailable, StoreUnavailable
from pipelines.jobs.events import CancelRequested, Claimed, ResultsStored, Segmented, SpanStored, TranscriptStored
from pipelines.jobs.job import MinutesRecord
from pipelines.jobs.prices import Prices
from pipelines.jobs.state_machine import transition
from pipelines.ledger.open import open_ledger
from pipelines.ledger.sql_batches import SqlBatches
from pipelines.storage.layout import JobKeys
from pipelines.transcript.corrections import Correction
from tests.unit.deployments.http.api.test_search_routes import MINUTES, TRANSCRIPT, index

PRICES = Prices(usd_per_audio_hour=0.6, usd_per_economy_audio_hour=0.2)
WRITTEN = MinutesRecord(state="written", writer="extractive", language="en")
HEARD = replace(TRANSCRIPT, languages=(SpokenLanguage(channel=0, language="en", probability=0.9, seconds=60.0),))


class Tenants:
    """Everybody is the tenant its token names."""

    async def authenticate(self, token):
        return Principal(tenant=token or "default", scopes=ALL_SCOPES)


@pytest.fixture
async def api(make_api):
    return await make_api(prices=PRICES, authenticator=Tenants())


def ended(api, job_id, *, tenant="default", audio_s=1800.0, kept=True, minutes=WRITTEN, transcript=HEARD):
    """End a job as the Coordinator would, with what it leaves in the store."""
    keys = JobKeys(tenant=tenant, job_id=job_id)
    api.store.put(keys.transcript, encode(transcript))
    api.store.put(keys.result("minutes.json"), encode(MINUTES))
    if kept:
        api.store.put(keys.playback, b"webm")
    lease = api.ledger.acquire_lease("test", 60.0)
    job = api.ledger.get(tenant, job_id)
    cut = SpanStored(audio_s=audio_s, chunks=(), channel=0)
    results = ResultsStored(names=("transcript.json",), minutes=minutes)
    for event in (Claimed(), cut, Segmented(n_chunks=0), TranscriptStored(), results):
        after, _ = transition(job, event)
        job = api.ledger.apply(lease, after, job.version)


async def transcribed(api, *, key="default", **params):
    """Submit a recording, end its job, and return its id."""
    query = {"keep_audio": "true", "reuse": "false", **params.pop("options", {})}
    answer = await api.client.post("/v1/jobs", content=b"RIFF", params=query, headers={"x-api-key": key})
    assert answer.status_code == 202, answer.text
    ended(api, answer.json()["id"], tenant=key, **params)
    return answer.json()["id"]


async def redo(api, job_id, stage, *, status=202, key="default", again="", **options):
    headers = {"x-api-key": key, **({"idempotency-key": again} if again else {})}
    answer = await api.client.post(f"/v1/jobs/{job_id}/redo", json={"stage": stage, **options}, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def redo_many(api, stage, *, status=200, again="", key="default", **wanted):
    headers = {"x-api-key": key, **({"idempotency-key": again} if again else {})}
    answer = await api.client.post("/v1/redo", json={"stage": stage, **wanted}, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("stage", "given", "changed"),
    [
        ("language", {"language": "fr"}, {"language": "fr"}),
        ("words", {"model": "base", "beam_size": 5}, {"model": "base", "beam_size": 5, "language": "en"}),
        ("speakers", {"diarize": "3"}, {"diarize": "3"}),
        ("minutes", {"minutes_title": "Board"}, {"minutes_title": "Board", "priority": 100}),
        ("documents", {"minutes_title": "Board"}, {"minutes_title": "Board", "priority": 100}),
    ],
)
async def test_each_stage_is_a_job_of_its_own(api, stage, given, changed):
    """It names the first one, has its options but for what was given, and keeps no recording of its own."""
    job_id = await transcribed(api, options={"metadata": '{"room": "7"}'})
    before = (await api.client.get(f"/v1/jobs/{job_id}")).json()
    job = await redo(api, job_id, stage, **given)
    assert (job["state"], job["stage"], job["metadata"]) == ("queued", stage, {"room": "7"})
    assert job_id in (job["redo_of"], job["minutes_of"])
    assert job["options"] == {**before["options"], **changed, "keep_audio": False}
    stored = api.ledger.get("default", job["id"])
    assert stored.recording_of == (job_id if stage in ("language", "words", "speakers") else "")
    for one in (job_id, job["id"]):
        versions = (await api.client.get(f"/v1/jobs/{one}/redo")).json()["versions"]
        assert [version["id"] for version in versions] == [job_id, job["id"]]
    assert (await api.client.get(f"/v1/jobs/{job_id}")).json() == before
    (entry,) = (await api.client.get("/v1/audit", params={"action": "redo"})).json()["entries"]
    assert (entry["object"], entry["detail"]) == (job_id, {"stage": stage})


async def test_languages_are_detected_anew_only_where_they_are_the_stage(api):
    """Words stay in the language that was found; a language that was given once does not bind its own stage."""
    found = replace(HEARD, languages=(HEARD.languages[0], replace(HEARD.languages[0], language="fr")))
    job_id = await transcribed(api, transcript=found)
    assert (await redo(api, job_id, "words", beam_size=2))["options"]["languages"] == ["en", "fr"]
    given = await transcribed(api, options={"language": "en"})
    assert (await redo(api, given, "language"))["options"]["language"] is None


async def test_a_stage_of_a_stage(api):
    """Speakers of words that were decoded again: the words are the later job's, the recording is the first one's."""
    job_id = await transcribed(api)
    words = (await redo(api, job_id, "words", beam_size=2))["id"]
    ended(api, words, kept=False)
    speakers = await redo(api, words, "speakers")
    assert speakers["redo_of"] == words
    assert api.ledger.get("default", speakers["id"]).recording_of == job_id
    versions = (await api.client.get(f"/v1/jobs/{speakers['id']}/redo")).json()["versions"]
    assert [each["id"] for each in versions] == [job_id, words, speakers["id"]]
    heard = await api.client.get(f"/v1/jobs/{words}/audio")
    assert (heard.status_code, heard.content) == (200, b"webm")


async def test_a_dry_run(api):
    """It tells hours and price by the estimate's own reckoning, and makes nothing."""
    job_id = await transcribed(api)
    n_blobs, jobs = len(api.blobs), dict(api.ledger.jobs)
    body = await redo(api, job_id, "words", status=200, dry_run=True, priority_class="economy")
    assert (body["dry_run"], body["kept"], body["n_made"]) == (True, ["language"], 0)
    assert {name: body["decoded"][name] for name in ("audio_h", "cost_usd", "wall_s", "device_s")} == {
        "audio_h": 0.5,
        "cost_usd": 0.1,
        "wall_s": 9000.0,
        "device_s": 180.0,
    }
    assert (len(api.blobs), api.ledger.jobs) == (n_blobs, jobs)


@pytest.mark.parametrize("record", [None, MinutesRecord(state="failed")])
async def test_what_was_said_of_minutes_goes_with_them(api, record):
    """Documents of a job without minutes are made again without a word of them; who says one is refused."""
    job_id = await transcribed(api, minutes=record, options={"minutes_title": "Board", "minutes_template": "classic"})
    job = await redo(api, job_id, "documents")
    assert (job["options"]["minutes"], job["options"]["minutes_title"]) == ("none", "")
    refused = await redo(api, job_id, "documents", status=422, minutes_title="Council")
    assert (refused["reason"], "minutes_title" in refused["detail"]) == ("invalid_option", True)
    assert len((await api.client.get("/v1/jobs", headers={"x-api-key": "default"})).json()["jobs"]) == 2


async def test_minutes_may_be_left_out(api):
    """What follows a stage is left out when asked, whatever the job had said of its minutes."""
    job_id = await transcribed(api, options={"minutes_title": "Board"})
    job = await redo(api, job_id, "words", minutes="none")
    assert (job["options"]["minutes"], job["options"]["minutes_title"]) == ("none", "")


@pytest.mark.parametrize(
    ("stage", "kept", "heard_h", "n_minutes"),
    [
        ("speakers", ["language", "words"], 0.5, 1),
        ("minutes", ["language", "words", "speakers"], 0.0, 1),
        ("documents", ["language", "words", "speakers", "minutes"], 0.0, 0),
    ],
)
async def test_stages_that_decode_nothing_cost_nothing(api, stage, kept, heard_h, n_minutes):
    """Nor do they take time of the device; the last two never need the recording."""
    job_id = await transcribed(api, kept=stage == "speakers")
    body = await redo(api, job_id, stage, status=200, dry_run=True)
    assert (body["kept"], body["heard_h"], body["n_minutes"], body["n_refused"]) == (kept, heard_h, n_minutes, 0)
    decoded = body["decoded"]
    assert [decoded[name] for name in ("audio_h", "cost_usd", "wall_s", "device_s")] == [0.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("stage", ["language", "words", "speakers"])
async def test_a_recording_that_is_not_kept(api, stage):
    """It is refused with a reason of its own, in a dry run as well."""
    job_id = await transcribed(api, kept=False)
    assert (await redo(api, job_id, stage, status=410))["reason"] == "audio_gone"
    body = await redo(api, job_id, stage, status=200, dry_run=True)
    (one,) = body["jobs"]
    assert (one["reason"], one["work"], body["n_refused"], body["decoded"]["audio_h"]) == ("audio_gone", None, 1, 0.0)


@pytest.mark.parametrize(
    ("asked", "status", "reason"),
    [
        ({"stage": "words", "glossary": ["x"]}, 422, "invalid_option"),
        ({"stage": "speakers", "model": "base"}, 422, "invalid_option"),
        ({"stage": "words", "mask": []}, 422, "invalid_option"),
        ({"stage": "words", "version": 1}, 422, "invalid_option"),
        ({"stage": "speakers", "diarize": "off"}, 422, "invalid_option"),
        ({"stage": "nothing"}, 422, "invalid_option"),
        ({}, 422, "invalid_option"),
        ({"stage": "words", "model": "nosuch"}, 422, "model_unknown"),
        ({"stage": "minutes", "version": 3}, 404, "not_found"),
        ({"stage": "documents", "minutes_template": "nobody"}, 422, "template_unknown"),
    ],
)
async def test_what_is_refused(api, asked, status, reason):
    """Options that the stage does not read, the mask above all; models, versions and templates that are not there."""
    job_id = await transcribed(api)
    answer = await api.client.post(f"/v1/jobs/{job_id}/redo", json=asked)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason), answer.text


async def test_jobs_that_have_nothing_to_take(api):
    """A job that runs, one whose transcript is gone, minutes that are parked, channels that were kept as one."""
    running = await api.submit(keep_audio="true")
    assert (await redo(api, running, "words", status=409))["reason"] == "illegal_transition"
    gone = await transcribed(api)
    api.store.delete(JobKeys(tenant="default", job_id=gone).transcript)
    assert (await redo(api, gone, "documents", status=409))["reason"] == "illegal_transition"
    parked = await transcribed(api, minutes=MinutesRecord(state="parked"))
    assert (await redo(api, parked, "documents", status=409))["reason"] == "result_pending"
    wide = await transcribed(api)
    job = api.ledger.jobs[wide] if wide in api.ledger.jobs else api.ledger.get("default", wide)
    lease = api.ledger.acquire_lease("test", 60.0)
    api.ledger.apply(lease, replace(job, n_channels=3), job.version)
    assert (await redo(api, wide, "words", status=410))["reason"] == "audio_gone"


async def test_repeated_requests(api):
    """Under one key there is one job; another request under it is refused, and no version is listed for it."""
    job_id = await transcribed(api)
    first = await redo(api, job_id, "words", again="k", beam_size=2)
    assert (await redo(api, job_id, "words", again="k", beam_size=2, status=200))["id"] == first["id"]
    assert (await redo(api, job_id, "words", again="k", beam_size=3, status=422))["reason"] == "idempotency_conflict"
    assert len((await api.client.get(f"/v1/jobs/{job_id}/redo")).json()["versions"]) == 2
    assert len([key for key in api.blobs if "/.rewritten/" in key]) == 1


async def test_no_version_goes_missing(api):
    """Whichever write fails, there is no job that is not listed: the mark comes first."""
    job_id = await transcribed(api)
    put, create = api.store.put, api.ledger.create

    def no_mark(key, data, **more):
        if "/.rewritten/" in key:
            raise StoreUnavailable("away")
        return put(key, data, **more)

    def answer_is_lost(job, **more):
        create(job, **more)
        raise LedgerUnavailable("away")

    n_jobs = len(api.ledger.jobs)
    api.store.put = no_mark
    await redo(api, job_id, "words", status=503, beam_size=2)
    assert len(api.ledger.jobs) == n_jobs
    api.store.put, api.ledger.create = put, answer_is_lost
    await redo(api, job_id, "words", status=503, beam_size=2, again="k")
    api.ledger.create = create
    made = await redo(api, job_id, "words", status=200, beam_size=2, again="k")
    versions = (await api.client.get(f"/v1/jobs/{job_id}/redo")).json()["versions"]
    assert [each["id"] for each in versions] == [job_id, made["id"]]


async def test_several_jobs(api):
    """Each has its outcome: one that cannot be done costs the others nothing, and one that is not there is told."""
    kept, gone = await transcribed(api), await transcribed(api, kept=False)
    dry = await redo_many(api, "words", jobs=[kept, gone, "nosuch"], dry_run=True, model="base")
    assert (dry["n_jobs"], dry["n_refused"], dry["n_made"], dry["decoded"]["cost_usd"]) == (3, 2, 0, 0.3)
    body = await redo_many(api, "words", jobs=[kept, gone, "nosuch"], model="base", again="k")
    outcomes = [(each["job_id"], each["reason"], each["created"]) for each in body["jobs"]]
    assert outcomes == [(kept, None, True), (gone, "audio_gone", False), ("nosuch", "job_unknown", False)]
    again = await redo_many(api, "words", jobs=[kept, gone, "nosuch"], model="base", again="k")
    assert (again["n_made"], again["jobs"][0]["created"]) == (1, False)
    assert again["jobs"][0]["redo"] == body["jobs"][0]["redo"]


async def test_what_was_interrupted_goes_on(make_api):
    """No more jobs are taken in the middle of it: the rest is told, and the same request makes it later, each once."""
    api = await make_api(max_live_jobs=1)
    first, second = await transcribed(api), await transcribed(api)
    body = await redo_many(api, "minutes", jobs=[first, second], again="k")
    assert [each["reason"] for each in body["jobs"]] == [None, "overloaded"]
    ended(api, body["jobs"][0]["redo"])
    body = await redo_many(api, "minutes", jobs=[first, second], again="k")
    assert [each["created"] for each in body["jobs"]] == [False, True]


async def test_a_batch(make_api, tmp_path):
    """All its jobs, page by page; those that are gone are not among them."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = open_ledger(url)
    book = SqlBatches(url)
    api = await make_api(ledger=ledger, batches=book)
    entries = [{"filename": f"{number}.wav", "custom_id": str(number)} for number in range(2)]
    answer = await api.client.post("/v1/batches", json={"entries": entries, "options": {"keep_audio": True}})
    batch_id = answer.json()["id"]
    ids = []
    for seq in range(2):
        path = f"/v1/batches/{batch_id}/entries/{seq}"
        ids.append((await api.client.put(path, content=b"RIFF%d" % seq)).json()["id"])
        ended(api, ids[-1])
    body = await redo_many(api, "speakers", batch=batch_id, dry_run=True)
    assert ([each["job_id"] for each in body["jobs"]], body["heard_h"], body["next_after"]) == (ids, 1.0, None)
    later = await redo_many(api, "speakers", batch=batch_id, after=0, dry_run=True)
    assert [each["job_id"] for each in later["jobs"]] == ids[1:]
    assert (await redo_many(api, "speakers", batch="nosuch", status=404))["reason"] == "not_found"
    ledger.close()


async def test_what_a_search_finds(make_api, tmp_path):
    """Each recording once, in its newest version; of nobody else; and that somebody searched is in the audit log."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    api = await make_api(ledger=ledger, authenticator=Tenants())
    mine, theirs = await transcribed(api, key="mine"), await transcribed(api, key="theirs")
    words = (await redo(api, mine, "words", key="mine", beam_size=2))["id"]
    ended(api, words, tenant="mine", kept=False)
    index(api)
    body = await redo_many(api, "documents", search={"q": "budget"}, key="mine")
    assert [each["job_id"] for each in body["jobs"]] == [words]
    body = await redo_many(api, "documents", search={"q": "budget", "created_before": "2001-01-01T00:00:00Z"})
    assert (body["n_jobs"], body["decoded"]["audio_h"]) == (0, 0.0)
    other = await redo_many(api, "documents", jobs=[mine], key="theirs")
    assert [each["reason"] for each in other["jobs"]] == ["job_unknown"]
    assert theirs not in str(body)
    ledger.close()


@pytest.mark.parametrize("selected", [{}, {"jobs": ["a"], "batch": "b"}, {"jobs": []}, {"jobs": ["a"], "after": 3}])
async def test_one_selection(api, selected):
    """Exactly one is given."""
    assert (await redo_many(api, "minutes", status=422, **selected))["reason"] == "invalid_option"


async def test_a_version_that_was_corrected(any_api):
    """What people corrected is what later stages take, unless they name a version."""
    job_id = await transcribed(any_api)
    correction = Correction(version=1, author="", note="", n_segments=1, name="000001-" + "a" * 32)
    any_api.ledger.corrections.add("default", job_id, correction)
    for stage in ("speakers", "minutes", "documents"):
        assert (await redo(any_api, job_id, stage))["transcript_version"] == 1
        assert (await redo(any_api, job_id, stage, version=0))["transcript_version"] == 0


async def test_a_stage_that_failed_is_retried(api):
    """The same stage of the same job, as long as there is something to take."""
    job_id = await transcribed(api)
    made = await redo(api, job_id, "speakers")
    await api.client.post(f"/v1/jobs/{made['id']}/cancel")
    lease = api.ledger.acquire_lease("test", 60.0)
    job = api.ledger.get("default", made["id"])
    api.ledger.apply(lease, transition(job, CancelRequested())[0], job.version)
    answer = await api.client.post(f"/v1/jobs/{made['id']}/retry")
    assert (answer.status_code, answer.json()["stage"], answer.json()["redo_of"]) == (202, "speakers", job_id)
    api.store.delete(JobKeys(tenant="default", job_id=job_id).playback)
    answer = await api.client.post(f"/v1/jobs/{made['id']}/retry")
    assert (answer.status_code, answer.json()["reason"]) == (410, "audio_gone")


async def test_a_hold_on_the_first_job_keeps_its_versions(api):
    """Nothing of a recording that is held is deleted, whichever job has it."""
    job_id = await transcribed(api)
    made = (await redo(api, job_id, "words", beam_size=2))["id"]
    ended(api, made, kept=False)
    held = await api.client.put(f"/v1/jobs/{job_id}/hold", json={"name": "Doe", "reason": "a letter"})
    assert held.status_code in (200, 201), held.text
    answer = await api.client.delete(f"/v1/jobs/{made}", params={"purge": "true"})
    assert (answer.status_code, answer.json()["reason"]) == (409, "legal_hold"), answer.text
