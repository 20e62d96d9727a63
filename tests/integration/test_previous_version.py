"""A home that an earlier version left amid its work is opened by this one, which loses nothing and ends everything."""

import hashlib
import json
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, create_engine, select

from deployments.retention.housekeeping import enforce_retention
from pipelines.jobs.job import JobState
from pipelines.ledger import migrations
from pipelines.ledger.outbox import DeliveryState
from pipelines.storage.layout import JobKeys, outcome_of
from tests.fixtures.installation import KEPT, TENANT, Installation, source_of
from tests.fixtures.make_previous_home import FIRST, FOLDER, TUS
from tests.servers.postgres import PostgresServer, find_binaries
from tests.support.in_process_cluster import WORDS_PER_CHUNK
from tests.support.missing import missing
from tests.support.waiting import until

ARCHIVES = sorted(FOLDER.glob("home-*.tar.xz"))
BINARIES = find_binaries()
PASSED_S = 3600.0  # between the versions: leases have run out, deliveries are due


@dataclass(frozen=True, kw_only=True)
class Previous:
    """A home, what `tests.fixtures.make_previous_home` wrote down about it, and where its ledger is."""

    home: Path
    made: dict[str, Any]
    ledger_url: str

    def job(self, name: str) -> str:
        """Return the id of a job."""
        job_id: str = self.made["jobs"][name]["id"]
        return job_id


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    if BINARIES is None:
        missing("no PostgreSQL server (initdb, postgres) is installed")
    with PostgresServer(BINARIES) as server:
        yield server


@pytest.fixture(params=ARCHIVES, ids=lambda path: path.name.partition(".")[0])
def archive(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def previous(request: pytest.FixtureRequest, archive: Path, tmp_path: Path) -> Previous:
    home = tmp_path / "home"
    with tarfile.open(archive) as packed:
        packed.extractall(home, filter="tar")  # with its modes: the folder of a home is its user's alone
    made = json.loads((home / "made.json").read_text())
    url = f"sqlite:///{home / 'ledger.sqlite3'}"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("server")
        url = _loaded(home / "ledger.sqlite3", server.url(archive.name.partition(".")[0].replace("-", "_")))
    return Previous(home=home, made=made, ledger_url=url)


def _loaded(file: Path, url: str) -> str:
    """Make the tables of the file's revision in PostgreSQL, with its rows; return ``url``."""
    lite, postgres = create_engine(f"sqlite:///{file}"), create_engine(url)
    with lite.connect() as source, postgres.begin() as target:
        config = Config(attributes={"connection": target})
        config.set_main_option("script_location", str(Path(migrations.__file__).parent))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, str(migrations.revision(source)))
        known, tables = MetaData(), MetaData()
        known.reflect(source)
        tables.reflect(target)
        for table in tables.sorted_tables:
            numbered = table.autoincrement_column  # by a sequence of the server's own
            columns = [
                column for column in known.tables[table.name].c if numbered is None or column.name != numbered.name
            ]
            rows = [dict(row) for row in source.execute(select(*columns)).mappings()]
            target.execute(table.delete())  # what migrations wrote
            if rows:
                target.execute(table.insert(), rows)
    lite.dispose()
    postgres.dispose()
    return url


async def test_an_earlier_versions_home_goes_on(previous: Previous) -> None:
    """Jobs of every state reach their end whole; documents, batches, keys, messages and uploads are what they were."""
    made, opened_s = previous.made, time.monotonic()
    async with Installation(
        previous.home,
        ledger_url=previous.ledger_url,
        token=made["token"],
        # Not of today: what is made and what expires is as far apart whenever this runs.
        clock=lambda: made["made_at_s"] + PASSED_S + time.monotonic() - opened_s,
        upload_clock=lambda: made["made_at_s"] + 60.0,
    ) as site:
        found = {name: site.ledger.get(TENANT, job["id"]) for name, job in made["jobs"].items()}
        assert {name: job.state for name, job in found.items()} == {n: job["state"] for n, job in made["jobs"].items()}
        assert {job.state for job in found.values()} == set(JobState)
        kept = {key for key in site.store.list("") if _stays(key, previous)}
        decoded = _decoded(site, previous)
        await site.coordinator.start()
        await _check_jobs(site, previous)
        assert not decoded & site.engine.heard, "what an earlier version has decoded is not decoded again"
        await _check_parked(site, previous)
        await _check_documents(site, previous)
        await _check_batches(site, previous)
        await _check_keys(site, previous)
        await _check_history(site, previous)
        await _check_upload(site, previous)
        await _check_messages(site, previous)
        enforce_retention(site.ledger, site.store, KEPT, now_s=made["made_at_s"] + PASSED_S, book=site.batches)
        left = set(site.store.list(""))
        assert kept <= left, "housekeeping deletes nothing that lives"
        assert not [key for key in left if "/work/" in key or key.endswith("/source")]
        await _check_quarantine(site, previous)


def _stays(key: str, previous: Previous) -> bool:
    """Whether a blob is to be there for good: not what the replay that waits puts right."""
    return any(kind in key for kind in ("/results/", "/audio/", "audio-kept/")) or (
        "/quarantine/" in key and previous.job("partial") not in key
    )


def _decoded(site: Installation, previous: Previous) -> set[int]:
    """The numbers in chunks of unfinished jobs whose results are stored."""
    numbers: set[int] = set()
    for job in previous.made["jobs"].values():
        for key in site.store.list(JobKeys(tenant=TENANT, job_id=job["id"]).chunks):
            first = outcome_of(key)[0] * WORDS_PER_CHUNK
            numbers |= set(job["words"][first : first + WORDS_PER_CHUNK])
    assert len(numbers) > 8 * WORDS_PER_CHUNK
    return numbers


async def _check_jobs(site: Installation, previous: Previous) -> None:
    """Every job ends as it must, with each of its words once, in order."""
    jobs = previous.made["jobs"]
    await until(lambda: all(site.ledger.get(TENANT, job["id"]).state.final for job in jobs.values()), 120)
    ended = {name: site.ledger.get(TENANT, job["id"]) for name, job in jobs.items()}
    assert {name: job.state for name, job in ended.items()} == {name: job["ends"] for name, job in jobs.items()}
    for name, job in ended.items():
        if job.state is JobState.SUCCEEDED and jobs[name]["words"]:
            assert site.cluster.words(job) == jobs[name]["words"], name


async def _check_parked(site: Installation, previous: Previous) -> None:
    """Minutes that were parked follow."""
    waiting = site.ledger.get(TENANT, previous.job("parked"))
    assert waiting.minutes is not None
    assert waiting.minutes.state == "parked"
    assert await site.minutes_writer.follow_up(site.coordinator) == 1
    followed = site.ledger.get(TENANT, waiting.id)
    assert followed.minutes is not None
    assert followed.minutes.state == "written"


async def _check_documents(site: Installation, previous: Previous) -> None:
    """Documents of jobs that had ended are the same bytes; those of all others are there; each can be written anew."""
    for name, noted in previous.made["jobs"].items():
        job = site.ledger.get(TENANT, noted["id"])
        for document in job.results:
            answer = await site.ask("GET", f"/v1/jobs/{job.id}/results/{document}", 200)
            assert answer.content, (name, document)
            if document in noted["documents"]:
                assert hashlib.sha256(answer.content).hexdigest() == noted["documents"][document], (name, document)
    done = previous.job("done")
    corrected = await site.ask("GET", f"/v1/jobs/{done}/results/minutes.docx", 200, params={"version": 1})
    assert corrected.content
    audio = await site.ask("GET", f"/v1/jobs/{previous.job('kept')}/audio", 200)
    assert hashlib.sha256(audio.content).hexdigest() == previous.made["audio"]
    again = (await site.ask("POST", f"/v1/jobs/{done}/minutes", 202, json={"minutes_language": "en"})).json()["id"]
    await until(lambda: site.ledger.get(TENANT, again).state is JobState.SUCCEEDED)


async def _check_batches(site: Installation, previous: Previous) -> None:
    """Batches end as they must, those that wait for somebody can go on."""
    batches = previous.made["batches"]
    for batch in batches.values():
        await until(lambda batch=batch: site.counts(batch["id"]) == batch["ends"])
    await site.ask("POST", f"/v1/batches/{batches['paused']['id']}/resume", 200)
    await site.ask("PUT", f"/v1/batches/{batches['uploading']['id']}/entries/0", 202, content=source_of(range(1, 4)))
    for name, n_entries in (("paused", 1), ("uploading", 2)):
        await until(lambda name=name, n=n_entries: site.counts(batches[name]["id"]) == {"succeeded": n})


async def _check_keys(site: Installation, previous: Previous) -> None:
    """A key opens what it opened, a revoked one nothing."""
    await site.ask("GET", "/v1/jobs", 200)
    await site.ask("GET", "/v1/jobs", 401, headers={"x-api-key": previous.made["revoked_token"]})


async def _check_history(site: Installation, previous: Previous) -> None:
    """Idempotency keys, external ids, corrections, events and the costs of erased jobs are still known."""
    done = previous.job("done")
    assert await site.submit("done", range(101, 125), status=200, **FIRST) == done
    for external_id, name in (("call-1", "done"), ("call-2", "by-url")):
        (job,) = (await site.ask("GET", "/v1/jobs", 200, params={"external_id": external_id})).json()["jobs"]
        assert job["id"] == previous.job(name)
    assert site.ledger.get(TENANT, previous.job("reused")).reused_from == done
    names = [event.name for event in site.ledger.events(TENANT, done)]
    assert [name for name in names if name in set(JobState)] == ["transcribing", "summarizing", "succeeded"]
    saved = await site.ask("GET", f"/v1/jobs/{done}/corrections", 200)
    assert (saved.json()["newest"], saved.json()["versions"][0]["note"]) == (1, "first words")
    correction = {"base": 1, "segments": [{"id": 1, "text": "corrected again"}]}
    await site.ask("POST", f"/v1/jobs/{done}/corrections", 201, json=correction)
    texts = [
        segment["text"] for segment in (await site.ask("GET", f"/v1/jobs/{done}/transcript", 200)).json()["segments"]
    ]
    assert texts[:2] == ["corrected by hand", "corrected again"]
    await site.ask("GET", f"/v1/jobs/{previous.made['purged']}", 404)
    assert len(site.ledger.costs_of_deleted(0.0)) == 1


async def _check_upload(site: Installation, previous: Previous) -> None:
    """An upload that was open takes the rest and becomes a job."""
    upload = previous.made["upload"]
    told = await site.ask("HEAD", upload["path"], 200, headers=TUS)
    assert told.headers["upload-offset"] == str(upload["n_bytes"])
    piece = {**TUS, "content-type": "application/offset+octet-stream", "upload-offset": str(upload["n_bytes"])}
    rest = source_of(upload["words"])[upload["n_bytes"] :]
    job_id = (await site.ask("PATCH", upload["path"], 204, headers=piece, content=rest)).headers["x-meetmemo-job"]
    await until(lambda: site.ledger.get(TENANT, job_id).state is JobState.SUCCEEDED)
    assert site.cluster.words(site.ledger.get(TENANT, job_id)) == upload["words"]


async def _check_messages(site: Installation, previous: Previous) -> None:
    """What was delivered or refused is not sent again; all else is delivered, under the same ids."""
    before = previous.made["deliveries"]
    assert set(before.values()) == {DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.FAILED}
    await site.deliver()
    after = {each.message.id: each.state for each in site.ledger.outbox.recent(TENANT, limit=1000)}
    waited = {name for name, state in before.items() if state == DeliveryState.PENDING}
    assert {name: after[name] for name in before} == before | dict.fromkeys(waited, DeliveryState.DELIVERED)
    carried = {message.id: message for message in site.post.carried}
    assert not carried.keys() & (before.keys() - waited)
    assert waited <= carried.keys()
    events = {(message.job_id, message.channel, message.event) for message in carried.values()}
    assert (previous.job("parked"), "email", "job.minutes_followed") in events
    for name, job in previous.made["jobs"].items():
        if not JobState(job["state"]).final:
            assert (job["id"], "webhook", f"job.{job['ends']}") in events, name


async def _check_quarantine(site: Installation, previous: Previous) -> None:
    """Chunks that an earlier version gave up can be heard and decoded again."""
    failed = previous.job("failed")
    chunks = (await site.ask("GET", "/v1/quarantine", 200)).json()["chunks"]
    assert [chunk["job_id"] for chunk in chunks] == [failed], "the replay that waited has put the other one right"
    await site.ask("GET", chunks[0]["clip"], 200)
    retried = (await site.ask("POST", f"/v1/jobs/{failed}/retry", 202)).json()["id"]
    await until(lambda: site.ledger.get(TENANT, retried).state is JobState.SUCCEEDED)
    assert site.cluster.words(site.ledger.get(TENANT, retried)) == list(range(501, 506))
