"""The command line against an endpoint: lists, prefixes of ids, JSON."""

import asyncio
import json
import re
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.cli.batch import failure_text, state_of
from cluster.cli.main import app
from cluster.client.batch_upload import failed_entries
from pipelines.errors import ConfigurationError, OptionError
from pipelines.ledger.open import open_ledger
from pipelines.ledger.sql_batches import SqlBatches
from tests.support.asgi_server import serve_asgi
from tests.unit.deployments.http.api.test_redo_routes import ended as redo_ended


@pytest.fixture
async def api(make_api, tmp_path):
    """An application whose batches are in the ledger's database."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    return await make_api(ledger=open_ledger(url), batches=SqlBatches(url))


@pytest.fixture
async def meetmemo(api):
    """Run ``meetmemo`` against the API of the test; raises what it raises."""
    async with serve_asgi(api.app) as url:

        async def run(*arguments: str) -> str:
            outcome: Any = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--url", url])
            if outcome.exception and not isinstance(outcome.exception, SystemExit):
                raise outcome.exception
            return str(outcome.stdout)

        yield run


async def submit(api) -> str:
    answer = await api.client.post("/v1/jobs", content=b"RIFF", params={"reuse": False})
    return str(answer.json()["id"])


async def test_jobs_by_how_their_ids_begin(api, meetmemo):
    """A list in a pipe has whole ids; any unique beginning names a job; several with the same are told."""
    first, second = await submit(api), await submit(api)
    assert [line.split("\t")[0] for line in (await meetmemo("jobs", "list")).splitlines()] == ["id", second, first]
    assert json.loads(await meetmemo("jobs", "show", first[:-1]))["id"] in (first, second)
    assert [job["id"] for job in json.loads(await meetmemo("jobs", "list", "--json", "--limit", "1"))["jobs"]] == [
        second
    ]
    with pytest.raises(OptionError, match="several jobs"):
        await meetmemo("jobs", "show", first[:2])
    await meetmemo("jobs", "cancel", second[:-1], first)
    assert {job.state.value for job in api.ledger.list(None).jobs} <= {"cancelled", "queued"}
    assert all(api.ledger.get("default", job_id).cancel_requested for job_id in (first, second))


async def test_batches(api, meetmemo):
    """They are listed, shown by a beginning of their id, and steered by it."""
    body = {"name": "calls", "entries": [{"filename": "a.wav", "custom_id": "a"}]}
    batch_id = (await api.client.post("/v1/batches", json=body)).json()["id"]
    (line,) = (await meetmemo("batch", "list")).splitlines()[1:]
    assert line.split("\t")[:4] == [batch_id, "calls", "running", "1"]
    assert json.loads(await meetmemo("batch", "status", batch_id[:16], "--json"))["id"] == batch_id
    assert "paused" in await meetmemo("batch", "pause", batch_id[:16])
    assert (await api.client.get("/v1/batches", params={"id": batch_id[:9]})).json()["batches"][0]["id"] == batch_id
    assert (await api.client.get("/v1/batches", params={"id": "x"})).json()["batches"] == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--model", "nosuch"), "this cluster has no model 'nosuch'; there are: mini-en"),
        (("--template", "x"), "there is no template 'x'; there are: "),
        (("--language", "klingon"), "language"),
        (("--minutes", "llm"), "minutes"),
        (("--webhook-url", "https://hooks.example"), "webhook_url: this cluster does not offer it"),
    ],
)
@pytest.mark.parametrize("command", [("transcribe",), ("batch", "submit"), ("watch", "--once")], ids=" ".join)
async def test_refused_before_the_upload(api, meetmemo, tmp_path, command, arguments, complaint):
    """Wrong options are wrong usage, told before a byte is sent."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.wav").write_bytes(b"RIFF    WAVEfmt ")
    with pytest.raises((OptionError, ConfigurationError), match=re.escape(complaint)):
        await meetmemo(*command, str(folder), *arguments)
    assert api.ledger.list(None).jobs == ()


async def test_a_batch_tells_what_failed(api, meetmemo):
    """A batch that has ended says so, and names the recordings that failed, with the reason."""
    batch = {"finished": True, "state": "running", "n_entries": 9, "counts": {"failed": 1, "succeeded": 8}}
    assert state_of(batch) == "finished"
    entry = {"custom_id": "a/b.mp3", "reason": "corrupt_audio", "detail": "nothing in it can be decoded"}
    assert failure_text(entry) == "a/b.mp3: corrupt_audio: nothing in it can be decoded"
    body = {"name": "calls", "entries": [{"filename": f"{n}.wav", "custom_id": str(n)} for n in range(30)]}
    batch_id = (await api.client.post("/v1/batches", json=body)).json()["id"]
    await meetmemo("batch", "cancel", batch_id)
    assert "cancelled" in await meetmemo("batch", "status", batch_id[:20])


async def test_failed_entries_are_found_across_pages():
    """Those after the first page too, no more than wanted, and no page more than needed."""
    asked: list[int] = []

    class Pages:
        async def batch_entries(self, batch_id: str, params: dict[str, int]) -> dict[str, Any]:
            asked.append(params["after"])
            entries = [{"seq": params["after"], "state": state} for state in ("succeeded", "failed")]
            return {"entries": entries, "next_after": params["after"] + 1 if params["after"] < 9 else None}

    found = await failed_entries(Pages(), "b", 3)  # type: ignore[arg-type]  # as much of a client as it needs
    assert [entry["seq"] for entry in found] == asked == [-1, 0, 1]


async def test_a_stage_again(api, meetmemo):
    """A dry run tells what it takes; jobs are named by how they begin; what is refused is told and is exit code 1."""
    job_id = await submit(api)
    redo_ended(api, job_id)
    body = json.loads(
        await meetmemo("redo", job_id[:-1], "--stage", "words", "--beam-size", "2", "--dry-run", "--json")
    )
    assert (body["n_jobs"], body["n_made"], body["decoded"]["audio_h"], body["kept"]) == (1, 0, 0.5, ["language"])
    rows = (await meetmemo("redo", job_id, "--stage", "documents", "--title", "Board")).splitlines()
    made = rows[-1].split("\t")[3]
    assert api.ledger.get("default", made).options.minutes_title == "Board"
    body = json.loads(
        await meetmemo("redo", "--search", "nothing", "--where", "speaker=Ann", "--stage", "minutes", "--json")
    )
    assert body["n_jobs"] == 0
    with pytest.raises(OptionError, match="either jobs, --batch or --search"):
        await meetmemo("redo", job_id, "--batch", "b", "--stage", "minutes")
