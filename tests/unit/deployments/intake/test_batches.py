"""Batches, from the manifest to the last job: over a whole cluster on SQLite, and the commands that submit them."""

import asyncio
import hashlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from rich.console import Console

from cluster.client.batch_upload import plan, submit, upload_missing, watch
from cluster.client.http import Client
from deployments.coordinator.coordinator import JOBS_AHEAD
from deployments.http.app import build_api
from deployments.http.config import ApiServices
from deployments.limits import IngestionLimits
from deployments.retention.housekeeping import DAY_S, Retention, enforce_retention
from deployments.schemas.batches import ManifestEntry
from deployments.sources.limits import SourceLimits
from pipelines.errors import ConfigurationError, CorruptAudio, IllegalTransition
from pipelines.ids import new_id
from pipelines.jobs.batch import BatchState, Probe, moved
from pipelines.jobs.job import JobState
from pipelines.jobs.prices import Prices
from pipelines.ledger.open import open_ledger
from pipelines.ledger.sql_batches import SqlBatches
from pipelines.scheduling.shards import Shard
from pipelines.storage.layout import JobKeys
from tests.fakes.store import MemoryStore
from tests.support.api_harness import api_config
from tests.support.in_process_cluster import MODEL, CodedSegmenter, InProcessCluster
from tests.support.waiting import until

JSONL = {"content-type": "application/x-ndjson"}


class PullingSegmenter(CodedSegmenter):
    """Reads ``file:`` sources as the Segmenter does; a recording of "bad" cannot be decoded."""

    async def segment(self, request):
        if request.source_url:
            text = _read(request.source_url)
            if b"bad" in text:
                raise CorruptAudio("nothing decodes")
            self._store.put(JobKeys(tenant=request.tenant, job_id=request.job_id).source, text)
        async for found in super().segment(request):
            yield found

    async def probe(self, tenant, url):
        text = _read(url)
        if b"bad" in text:
            raise CorruptAudio("nothing decodes")
        return Probe(audio_s=None if b"live" in text else len(text.split()) * 0.5)


def _read(url):
    return Path(url.removeprefix("file://")).read_bytes()


class CountedBook(SqlBatches):
    """Counts what is asked of it."""

    def __init__(self, url):
        super().__init__(url)
        self.n_asked: Counter[str] = Counter()

    def __getattribute__(self, name):
        if name in ("get", "list", "counts", "counts_of"):
            self.n_asked[name] += 1
        return super().__getattribute__(name)


class Office:
    """A cluster, its HTTP application, and a client of both."""

    def __init__(self, cluster, book, app, folder):
        self.cluster, self.book, self.folder = cluster, book, folder
        transport = httpx.ASGITransport(app=app)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60)
        self.client = Client("http://test", transport=transport)

    def recording(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return f"file://{path}"

    async def post(self, **body):
        answer = await self.http.post("/v1/batches", json=body)
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def shown(self, batch_id):
        return (await self.http.get(f"/v1/batches/{batch_id}")).json()

    async def until(self, batch_id, predicate):
        batch = None

        async def met():
            nonlocal batch
            batch = await self.shown(batch_id)
            return predicate(batch)

        await until(met, 60, poll_s=0.05)
        return batch

    async def finished(self, batch_id):
        return await self.until(batch_id, lambda batch: batch["finished"])


@pytest.fixture
async def office(tmp_path):
    folder = tmp_path / "recordings"
    folder.mkdir()
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger, store, book = open_ledger(url), MemoryStore(), CountedBook(url)
    cluster = InProcessCluster(ledger, store, segmenter=PullingSegmenter(store), batches=book)
    app = build_api(
        ApiServices(ledger=ledger, store=store, coordinator=cluster.coordinator, batches=book),
        api_config(
            IngestionLimits(
                spool_dir=tmp_path / "spool",
                min_free_bytes=0,
                sources=SourceLimits(file_roots=(folder,), schemes=frozenset({"file", "https"})),
            ),
            models=(MODEL,),
            prices=Prices(usd_per_audio_hour=3.6),
        ),
    )
    office = Office(cluster, book, app, folder)
    yield office
    await office.http.aclose()
    await cluster.coordinator.stop()
    ledger.close()
    book.close()


async def test_the_list_is_one_question_to_each(office, monkeypatch):
    """However many batches there are, they are counted together and the Coordinator is asked once."""
    batches = [
        await office.post(name=f"calls {number}", entries=[{"source": office.recording(f"{number}.wav", "1 2")}])
        for number in range(5)
    ]
    shown = [await office.shown(batch["id"]) for batch in reversed(batches)]
    coordinator, n_asked = office.cluster.coordinator, 0
    status = coordinator.status

    async def counted():
        nonlocal n_asked
        n_asked += 1
        return await status()

    monkeypatch.setattr(coordinator, "status", counted)
    office.book.n_asked.clear()
    assert (await office.http.get("/v1/batches")).json()["batches"] == shown
    assert n_asked == 1
    assert office.book.n_asked == {"list": 1, "counts_of": 1}


async def test_a_batch_becomes_jobs_that_end(office):
    """Entries become jobs with the batch's options and their own over them; the output manifest has checksums."""
    await office.cluster.coordinator.start()
    entries = [
        {"source": office.recording("a.wav", "1 2 3"), "custom_id": "first"},
        {"source": office.recording("b.wav", "4 5"), "options": {"minutes": "extractive", "priority": 3}},
        {"source": office.recording("c.wav", "bad")},
    ]
    batch = await office.post(name="calls", options={"minutes": "none"}, entries=entries)
    assert (batch["n_entries"], batch["finished"]) == (3, False)
    batch = await office.finished(batch["id"])
    assert batch["counts"] == {"succeeded": 2, "failed": 1}
    assert batch["audio_s"] == batch["done_s"] == pytest.approx(2.5)
    output = await office.http.get(f"/v1/batches/{batch['id']}/manifest")
    first, second, third = map(json.loads, output.text.splitlines())
    assert (first["custom_id"], first["filename"], first["state"]) == ("first", "a.wav", "succeeded")
    assert [note["code"] for note in second["notes"]] == []
    assert set(first["results"]) < set(second["results"])
    assert (third["state"], third["reason"], third["results"]) == ("failed", "corrupt_audio", {})
    stored = await office.http.get(first["results"]["transcript.txt"]["url"])
    assert first["results"]["transcript.txt"]["sha256"] == hashlib.sha256(stored.content).hexdigest()


async def test_external_ids_of_entries(office):
    """Jobs and the output have them; an id of another recording drops its entry, a retry keeps its own."""
    await office.cluster.coordinator.start()
    broken = office.recording("b.wav", "bad")
    entries = [
        {"source": office.recording("a.wav", "1 2"), "external_id": "c1", "metadata": {"queue": "sales"}},
        {"source": broken, "external_id": "c2"},
        {"source": office.recording("c.wav", "3"), "external_id": "c1"},
    ]
    batch = await office.finished((await office.post(entries=entries))["id"])
    assert batch["counts"] == {"succeeded": 1, "failed": 1, "dropped": 1}
    output = await office.http.get(f"/v1/batches/{batch['id']}/manifest")
    first, second, third = map(json.loads, output.text.splitlines())
    assert (first["external_id"], first["metadata"]) == ("c1", {"queue": "sales"})
    assert third["detail"].startswith("external_id_conflict")
    job = (await office.http.get(f"/v1/jobs/{first['job_id']}")).json()
    assert (job["external_id"], job["metadata"]) == ("c1", {"queue": "sales"})
    office.recording("b.wav", "4 5")
    await office.http.post(f"/v1/batches/{batch['id']}/retry")
    await office.finished(batch["id"])
    (retried,) = (await office.http.get("/v1/jobs", params={"external_id": "c2"})).json()["jobs"]
    assert (retried["state"], retried["id"] != second["job_id"]) == ("succeeded", True)


async def test_jobs_belong_to_the_batchs_request(office):
    """Batch and jobs show the request's id, and a trace goes on in them."""
    await office.cluster.coordinator.start()
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    body = {"entries": [{"source": office.recording("a.wav", "1 2")}]}
    headers = {"X-Request-ID": "req-17", "traceparent": trace}
    batch = (await office.http.post("/v1/batches", json=body, headers=headers)).json()
    assert (await office.finished(batch["id"]))["request_id"] == "req-17"
    (job,) = (await office.http.get("/v1/jobs")).json()["jobs"]
    assert job["request_id"] == "req-17"
    (kept,) = office.book.entries("default", batch["id"])
    assert kept.job.traceparent.startswith(f"00-{'a' * 32}-")


async def test_batches_go_with_their_jobs(office):
    """Not before the last job, nor while something waits to become one; by the tenant's own days."""
    await office.cluster.coordinator.start()
    ended = (await office.post(entries=[{"source": office.recording("a.wav", "1 2")}]))["id"]
    await office.finished(ended)
    await office.cluster.coordinator.stop()
    waiting = (await office.post(entries=[{"source": office.recording("b.wav", "3")}]))["id"]
    await office.http.post(f"/v1/batches/{waiting}/pause")
    never = (await office.post(entries=[{"filename": "never uploaded.wav"}]))["id"]
    later_s, ledger, store = time.time() + 8 * DAY_S, office.cluster.ledger, office.cluster.store

    def left(**retention):
        enforce_retention(ledger, store, Retention(**retention), later_s, office.book)
        return {batch.id for batch in office.book.list("default", 10)}

    assert left(results_days=0.0) == {ended, waiting, never}
    assert left(results_days=7.0, tenants={"default": 9.0}) == {ended, waiting, never}
    ledger_ids = [job.id for job in ledger.list("default").jobs]
    assert left(results_days=7.0) == {waiting}
    assert len(ledger_ids) == 1
    assert ledger.list("default").jobs == ()
    assert office.book.entries("default", waiting)
    await office.http.post(f"/v1/batches/{waiting}/cancel")
    assert left(results_days=7.0) == set()


async def test_an_entry_forgets_a_job_that_is_erased(office):
    """Its name, source, options and reference go with the job; number, state and the other entries stay."""
    await office.cluster.coordinator.start()
    words = {"custom_id": "secret", "external_id": "secret", "metadata": {"caller": "secret"}}
    entries = [
        {"source": office.recording("secret.wav", "1 2"), "options": {"prompt": "secret"}, **words},
        {"source": office.recording("b.wav", "3 4"), "custom_id": "second"},
    ]
    batch = await office.post(entries=entries)
    await office.finished(batch["id"])
    first, second = office.book.entries("default", batch["id"])
    answer = await office.http.delete(f"/v1/jobs/{first.job_id}", params={"purge": "true"})
    assert answer.status_code == 200
    blank, other = office.book.entries("default", batch["id"])
    assert "secret" not in repr(blank)
    assert (blank.seq, blank.state, blank.job_id, blank.job) == (0, first.state, first.job_id, None)
    assert other == second
    assert office.book.counts("default", batch["id"]).gone == 1
    listed = await office.http.get(f"/v1/batches/{batch['id']}/entries")
    manifest = await office.http.get(f"/v1/batches/{batch['id']}/manifest")
    assert (listed.status_code, manifest.status_code) == (200, 200)
    assert "secret" not in listed.text + manifest.text


async def test_retry_takes_on_only_what_failed(office):
    """A mended recording gets a new job; what succeeded keeps its own."""
    await office.cluster.coordinator.start()
    good, bad = office.recording("a.wav", "1 2"), office.recording("b.wav", "bad")
    batch = await office.post(entries=[{"source": good}, {"source": bad}])
    await office.finished(batch["id"])
    before = (await office.http.get(f"/v1/batches/{batch['id']}/entries")).json()["entries"]
    office.recording("b.wav", "7 8")
    answer = (await office.http.post(f"/v1/batches/{batch['id']}/retry")).json()
    assert answer["n_retried"] == 1
    assert (await office.finished(batch["id"]))["counts"] == {"succeeded": 2}
    after = (await office.http.get(f"/v1/batches/{batch['id']}/entries")).json()["entries"]
    assert after[0]["job_id"] == before[0]["job_id"]
    assert after[1]["job_id"] != before[1]["job_id"]


async def test_pause_resume_cancel(office):
    """A paused batch makes no more jobs, a resumed one goes on, a cancelled one drops the rest and ends its jobs."""
    office.cluster.engine.gate.clear()
    office.cluster.coordinator.retune(max_live_jobs=1, max_pulls={}, retention=Retention())
    assert JOBS_AHEAD == 2
    await office.cluster.coordinator.start()
    source = office.recording("a.wav", "1 2 3")
    batch = await office.post(entries=[{"source": source}] * 6)

    def made(batch):
        return 6 - batch["counts"].get("pending", 0)

    await office.until(batch["id"], lambda batch: made(batch) == 2)
    assert (await office.http.post(f"/v1/batches/{batch['id']}/pause")).json()["state"] == "paused"
    office.cluster.engine.gate.set()
    assert made(await office.until(batch["id"], lambda batch: batch["counts"].get("succeeded") == 2)) == 2
    office.cluster.engine.gate.clear()
    assert (await office.http.post(f"/v1/batches/{batch['id']}/resume")).json()["state"] == "running"
    await office.until(batch["id"], lambda batch: made(batch) == 4)
    cancelled = (await office.http.post(f"/v1/batches/{batch['id']}/cancel")).json()
    assert cancelled["state"] == "cancelled"
    office.cluster.engine.gate.set()
    batch = await office.finished(batch["id"])
    assert batch["counts"]["dropped"] == 2
    assert batch["counts"]["succeeded"] + batch["counts"].get("cancelled", 0) == 4
    assert (await office.http.post(f"/v1/batches/{batch['id']}/resume")).status_code == 409


async def test_dry_run_looks_and_waits(office):
    """A dry run makes no job; it tells hours, cost and what cannot be read, and resuming starts it."""
    await office.cluster.coordinator.start()
    sources = [office.recording("a.wav", "1 2 3 4"), office.recording("b.wav", "bad"), office.recording("c", "live 1")]
    batch = await office.post(dry_run=True, entries=[{"source": source} for source in sources])
    assert batch["state"] == "probing"
    batch = await office.until(batch["id"], lambda batch: batch["state"] != "probing")
    assert batch["state"] == "estimated"
    assert batch["estimate"]["n_unreadable"] == 1
    assert (batch["estimate"]["n_probed"], batch["estimate"]["n_unknown"]) == (1, 1)
    assert batch["estimate"]["audio_h"] == pytest.approx(2 / 3600, abs=1e-4)
    assert batch["estimate"]["cost_usd"] == pytest.approx(0.002)
    assert not office.cluster.ledger.list(None).jobs
    await office.http.post(f"/v1/batches/{batch['id']}/resume")
    assert (await office.finished(batch["id"]))["counts"] == {"succeeded": 2, "failed": 1}


async def test_the_same_request_is_the_same_batch(office):
    """Under one idempotency key a repetition brings the first batch, another request a conflict."""
    headers = {"idempotency-key": "k"}
    line = json.dumps(office.recording("a.wav", "1")) + "\n"
    send = {"content": line, "headers": {**headers, "content-type": "application/x-ndjson"}}
    first = await office.http.post("/v1/batches", params={"name": "n", "minutes": "none"}, **send)
    again = await office.http.post("/v1/batches", params={"name": "n", "minutes": "none"}, **send)
    other = await office.http.post("/v1/batches", params={"name": "m"}, **send)
    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 422)
    assert first.json()["id"] == again.json()["id"]
    (entry,) = office.book.entries("default", first.json()["id"])
    assert entry.options.minutes == "none"


@pytest.mark.parametrize(
    ("manifest", "field", "message"),
    [
        ('{"source": "ftp://x/y"}', "entries[1]", "must begin with"),
        ('"file:///x"\n\n{"sauce": 1}', "entries[3]", "sauce"),
        ("nonsense", "entries[1]", "is not JSON"),
        ('{"source": "https://a.example/1", "options": {"beam_size": 99}}', "entries[1]", "beam_size"),
        ("{}", "entries[1]", "either a source"),
        ("\n\n", "entries", "there are none"),
        ('{"source": "s3://b/k"}', "entries[1]", "no bucket"),
    ],
)
async def test_mistakes_are_named_by_line(office, manifest, field, message):
    """Nothing of a manifest is taken when a line of it is wrong."""
    answer = await office.http.post("/v1/batches", content=manifest, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert message in answer.json()["errors"][0]["message"]
    assert office.book.list("default", 10) == []


async def test_requests_that_make_no_sense(office):
    """Two sources at once, none, another type, broken JSON, another tenant's batch."""
    for body in ({}, {"entries": [], "prefix": "s3://b/"}, {"prefix": "s3://b/p/"}):
        assert (await office.http.post("/v1/batches", json=body)).status_code == 422
    assert (await office.http.post("/v1/batches", content="x")).status_code == 415
    broken = {"content-type": "application/json"}
    assert (await office.http.post("/v1/batches", content="{", headers=broken)).status_code == 400
    for method, path in (("GET", "x"), ("POST", "x/pause"), ("POST", "x/retry"), ("GET", "x/manifest")):
        assert (await office.http.request(method, f"/v1/batches/{path}")).status_code == 404


async def test_ten_thousand_entries_are_accepted_in_seconds(office):
    """And the first of them become jobs without a look at the others."""
    lines = "\n".join(json.dumps({"source": f"https://a.example/{n}.wav"}) for n in range(10_000))
    start_s = time.monotonic()
    answer = await office.http.post("/v1/batches", content=lines, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 202
    assert time.monotonic() - start_s < 20
    assert answer.json()["counts"] == {"pending": 10_000}
    lease = office.cluster.ledger.acquire_lease("test", 60.0)
    assert office.book.create_jobs(lease, 64, iter(f"job{n:05}" for n in range(1000)).__next__) == 64
    assert office.book.create_jobs(lease, 64, iter(()).__next__) == 0
    assert office.cluster.ledger.counts("default")[JobState.QUEUED] == 64


async def test_a_batch_is_fed_by_the_shard_that_owns_it(office):
    """Of two shards each makes the jobs of its own batches, whichever shard these jobs then belong to."""
    for n in range(6):
        entry = json.dumps({"source": f"https://a.example/{n}.wav"})
        ndjson = {"content-type": "application/x-ndjson"}
        assert (await office.http.post("/v1/batches", content=entry, headers=ndjson)).status_code == 202
    ids = [batch.id for batch in office.book.list("default", 10)]
    for index in range(2):
        shard = Shard(index, 2)
        lease = office.cluster.ledger.acquire_lease(f"owner-{index}", 60.0, shard)
        n_mine = sum(map(shard.owns, ids))
        assert office.book.create_jobs(lease, 64, new_id) == n_mine
        assert office.book.create_jobs(lease, 64, new_id) == 0
    assert office.cluster.ledger.counts("default")[JobState.QUEUED] == 6


async def test_a_folder_is_uploaded(office, tmp_path):
    """Every recording of a folder becomes an entry and is uploaded; the same folder again is the same batch."""
    await office.cluster.coordinator.start()
    folder = tmp_path / "calls"
    (folder / "monday").mkdir(parents=True)
    for name in ("a.wav", "monday/b.wmv", ".hidden.wav"):
        (folder / name).write_bytes(b"OggS 1 2")
    (folder / "monday/notes.mp3").write_text("No recording of ours.")
    (folder / "monday/a.wav.json").write_text("{}")
    (folder / "empty.wav").write_bytes(b"")
    planned = plan(str(folder), {"minutes": "none"}, dry_run=False)
    assert list(planned.uploads) == ["a.wav", "monday/b.wmv"]
    told = {item.path.name: item.why for item in planned.left_out}
    assert told == {"empty.wav": "is empty", "a.wav.json": "is a JSON text", "notes.mp3": "is a text"}
    batch = await submit(office.client, planned)
    assert batch["counts"] == {"uploading": 2}
    (folder / "monday/b.wmv").unlink()
    missing = ["monday/b.wmv: not there any more"]
    assert await upload_missing(office.client, batch["id"], planned.uploads) == missing
    (folder / "monday/b.wmv").write_bytes(b"OggS 3")
    assert await upload_missing(office.client, batch["id"], planned.uploads) == []
    ended = await watch(office.client, batch["id"], Console(quiet=True))
    assert ended["counts"] == {"succeeded": 2}
    again = await office.http.put(f"/v1/batches/{batch['id']}/entries/0", content=b"OggS 9")
    assert again.status_code in (409, 422)
    assert (await office.http.put(f"/v1/batches/{batch['id']}/entries/7", content=b"OggS 9")).status_code == 404
    assert len(office.cluster.ledger.list(None).jobs) == 2


def test_plans(tmp_path):
    """What is no folder, recording, manifest or prefix is refused, and told by its name."""
    with pytest.raises(ConfigurationError, match="no file or folder"):
        plan(str(tmp_path / "nothing"), {}, dry_run=False)
    with pytest.raises(ConfigurationError, match="no recordings"):
        plan(str(tmp_path), {}, dry_run=False)
    (tmp_path / "a.txt").write_bytes(b"%PDF-1.7")
    with pytest.raises(ConfigurationError, match=r"a\.txt is a PDF: neither a recording nor a manifest"):
        plan(str(tmp_path / "a.txt"), {}, dry_run=False)
    with pytest.raises(ConfigurationError, match="left out, is a PDF"):
        plan(str(tmp_path), {}, dry_run=False)
    (tmp_path / "call.bin").write_bytes(b"OggS 1")
    one = plan(str(tmp_path / "call.bin"), {}, dry_run=False)
    assert (one.body["name"], one.body["entries"]) == ("call.bin", [{"filename": "call.bin", "custom_id": "call.bin"}])
    assert plan(str(tmp_path), {}, dry_run=True).uploads == one.uploads
    (tmp_path / "m.jsonl").write_text('"https://a.example/1.wav"\n')
    assert plan(str(tmp_path / "m.jsonl"), {}, dry_run=True).params["dry_run"] == "true"
    assert plan("s3://bucket/calls/", {}, dry_run=True).body["prefix"] == "s3://bucket/calls/"


def test_moves():
    """Every move from every state is the next state or an error."""
    assert moved(BatchState.ESTIMATED, "resume") is BatchState.RUNNING
    for state, move in (
        (BatchState.CANCELLED, "resume"),
        (BatchState.PROBING, "pause"),
        (BatchState.PROBING, "resume"),
    ):
        with pytest.raises(IllegalTransition):
            moved(state, move)


async def test_uploads_that_end_while_the_answer_comes_have_not_given_up() -> None:
    """An answer from before the last upload still names entries as uploading; the next one tells the end."""
    asked = asyncio.Event()
    uploads = asyncio.create_task(asked.wait())
    answers = [
        {"state": "running", "finished": False, "counts": {"uploading": 2}},
        {"state": "running", "finished": True, "counts": {"succeeded": 2}},
    ]

    class SlowClient:
        async def batch(self, batch_id: str) -> dict[str, Any]:
            asked.set()
            await uploads
            return {"name": "", "n_entries": 2, "done_s": 0.0, "eta_s": None, **answers.pop(0)}

    batch = await watch(cast("Client", SlowClient()), "b", Console(quiet=True), until=uploads)
    assert batch["finished"]


async def test_inline_mistakes_are_named_by_entry(office):
    """As those of a manifest, the first ones of all entries."""
    entries = [{"source": "https://a.example/1"}, {"sauce": 1}, "x", {"source": "https://a.example/2", "metadata": 1}]
    answer = await office.http.post("/v1/batches", json={"entries": [*entries, *[{}] * 100]})
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_option")
    errors = answer.json()["errors"]
    assert [error["field"] for error in errors[:3]] == ["entries[2]", "entries[3]", "entries[4]"]
    assert len(errors) == 20
    many = {f"o{number}": 1 for number in range(65)}
    answer = await office.http.post("/v1/batches", json={"options": many, "entries": entries[:1]})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "options")


@pytest.mark.parametrize(
    ("manifest", "field", "message"),
    [
        ('{"filename": "a.wav"}\n"' + "x" * 70_000 + '"\n{}', "entries[2]", "65536 characters"),
        ("[" * 60_000, "entries[1]", "recursion limit"),
        ('{"filename": "a.wav", "options": {"speakers": ' + "[" * 300 + "]" * 300 + "}}", "entries[1]", "recursion"),
        ('{"filename": "a.wav", "custom_id": "\\ud800"}', "entries[1]", "is not JSON"),
        ('{"filename": "a.wav", "options": {"priority": NaN}}', "entries[1]", "is not JSON"),
        ("{" + ",".join(f'"n{number}":0' for number in range(5_000)) + "}", "entries[1]", "more than 128 names"),
        ('"https://a.example/1"\n' + "\n" * 20, "entries[11]", "10 lines at most"),
    ],
    ids=lambda text: text[:20],
)
async def test_lines_are_bounded(office, monkeypatch, manifest, field, message):
    """In length, depth, names and number; what follows a line that is too long is read as the next one."""
    monkeypatch.setattr("deployments.intake.manifest.MAX_LINES", 10)
    answer = await office.http.post("/v1/batches", content=manifest, headers=JSONL)
    assert (answer.status_code, answer.json()["reason"]) == (422, "invalid_option"), answer.text
    (error, *more) = answer.json()["errors"]
    assert error["field"] == field
    assert message in error["message"]
    assert [each["field"] for each in more] == (["entries[3]"] if "xxx" in manifest else [])


async def test_a_manifest_is_read_no_further_than_it_counts(office, monkeypatch):
    """One line at a time: what comes after the last entry that a batch may have is never made an object."""
    monkeypatch.setattr("deployments.intake.manifest.MAX_ENTRIES", 3)
    checked = []
    kind = ManifestEntry.model_validate

    def check(value):
        checked.append(value)
        return kind(value)

    monkeypatch.setattr(ManifestEntry, "model_validate", check)
    answer = await office.http.post("/v1/batches", content='"https://a.example/1"\n' * 1_000, headers=JSONL)
    assert "a batch holds 3 entries at most" in answer.json()["detail"]
    assert len(checked) == 4


async def test_a_folder_too_large_for_one_object(office, tmp_path, monkeypatch):
    """Its entries are sent line by line, with the same options."""
    monkeypatch.setattr("cluster.client.batch_upload.MAX_INLINE_BYTES", 10)
    folder = tmp_path / "calls"
    folder.mkdir()
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(b"OggS 1 2")
    planned = plan(str(folder), {"minutes": "none"}, dry_run=False)
    batch = await submit(office.client, planned)
    assert (batch["name"], batch["counts"]) == ("calls", {"uploading": 2})
    entries = (await office.http.get(f"/v1/batches/{batch['id']}/entries")).json()["entries"]
    assert [entry["custom_id"] for entry in entries] == ["a.wav", "b.wav"]
    assert await upload_missing(office.client, batch["id"], planned.uploads) == []
