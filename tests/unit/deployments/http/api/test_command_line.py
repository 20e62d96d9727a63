"""The command line against an endpoint: lists, prefixes of ids, JSON."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.cli.main import app
from pipelines.errors import OptionError
from pipelines.ledger.open import open_ledger
from pipelines.ledger.sql_batches import SqlBatches
from tests.support.asgi_server import serve_asgi


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
    return str((await api.client.post("/v1/jobs", content=b"RIFF")).json()["id"])


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
