"""The export of a person's data: every file with its digest, nothing of others, streamed."""

import hashlib
import io
import json
import zipfile
from dataclasses import replace

from pipelines.core import NameSource, Speaker
from tests.unit.deployments.http.api.test_search_routes import TRANSCRIPT, Tenants, submitted


async def exported(api, *, key="default", status=200, **body):
    answer = await api.client.post("/v1/exports", json=body, headers={"x-api-key": key})
    assert answer.status_code == status, answer.text
    if status != 200:
        return {}
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1] == "manifest.json"
        return {name: archive.read(name) for name in archive.namelist()}


def ids(files):
    return set(json.loads(files["manifest.json"])["jobs"]) if files else set()


async def test_all_that_there_is_of_a_job(any_api):
    """Record, documents, versions, translation and recording, each with size and digest; not what is internal."""
    job_id = await submitted(any_api, external_id="call-7", metadata=json.dumps({"who": "Ann"}), filename="call.wav")
    await submitted(any_api, external_id="call-8")
    root = f"default/{job_id}/"
    any_api.store.put(f"{root}audio/copy.webm", b"sound")
    any_api.store.put(f"{root}results/.translated/de", b"{}")
    any_api.store.put(f"{root}results/.minutes-abc", b"internal")
    edits = {"base": 0, "segments": [{"id": 0, "text": "Corrected."}]}
    assert (await any_api.client.post(f"/v1/jobs/{job_id}/corrections", json=edits)).status_code == 201
    files = await exported(any_api, external_id="call-7")
    own = {name.removeprefix(f"jobs/{job_id}/") for name in files}
    version = next(name for name in own if name.startswith("versions/"))
    assert own == {
        "manifest.json",
        "job.json",
        "versions.json",
        version,
        "transcript.as-recognised.json",
        "documents/minutes.json",
        "translations/de.json",
        "audio.webm",
    }
    assert files[f"jobs/{job_id}/audio.webm"] == b"sound"
    assert b"Corrected." in files[f"jobs/{job_id}/{version}"]
    assert json.loads(files[f"jobs/{job_id}/job.json"])["metadata"] == {"who": "Ann"}
    manifest = json.loads(files.pop("manifest.json"))
    assert {each["path"]: (each["n_bytes"], each["sha256"]) for each in manifest["files"]} == {
        name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()
    }
    assert (manifest["query"], manifest["jobs"]) == ({"external_id": "call-7"}, [job_id])
    entries = (await any_api.client.get("/v1/audit", params={"action": "export"})).json()["entries"]
    assert [each["object"] for each in entries] == [job_id]


async def test_by_metadata_and_by_voice(api):
    """Jobs with all pairs; jobs in which a profile named somebody; nothing found is told."""
    ann = replace(
        TRANSCRIPT, speakers=(Speaker(label="S1", name="Ann", source=NameSource.PROFILE, profile="v1", similarity=0.9),)
    )
    both = await submitted(api, metadata=json.dumps({"matter": "17", "room": "7"}), transcript=ann)
    one = await submitted(api, metadata=json.dumps({"matter": "17"}), filename="b.wav")
    assert ids(await exported(api, metadata=["matter=17"])) == {both, one}
    assert ids(await exported(api, metadata=["matter=*", "room=7"])) == {both}
    assert ids(await exported(api, voice="v1")) == {both}
    assert ids(await exported(api, voice="v1", metadata=["room=8"], status=404)) == set()
    await exported(api, external_id="nobody", status=404)
    for wrong in ({}, {"metadata": ["x"]}, {"voice": "../x"}):
        await exported(api, status=422, **wrong)


async def test_of_nobody_else(make_api):
    """Another tenant's jobs are in no export."""
    api = await make_api(authenticator=Tenants())
    mine = await submitted(api, key="mine", external_id="call-7")
    assert ids(await exported(api, key="mine", external_id="call-7")) == {mine}
    await exported(api, key="other", external_id="call-7", status=404)
