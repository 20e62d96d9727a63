"""The soak's own parts: its plan, its journal, and a judge that finds what is wrong."""

import json
from dataclasses import replace

import pytest

from pipelines.core import BlobRef
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.storage.layout import JobKeys
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.soak import judge
from tests.soak.journal import Journal
from tests.soak.picture import draw
from tests.soak.plan import VICTIMS, Kind, Plan
from tests.soak.sampler import OTHERS, PARTS, Held, append_row, growth, percentile, read_rows, row_of

PLAN = Plan(seed=3, n_jobs=1_000, n_meetings=20, n_tenants=5)


def job_of(number: int, place: int = 0, state: JobState = JobState.SUCCEEDED) -> Job:
    """Return a job of an item as it should be at the end."""
    item = PLAN.item(number)
    return Job(
        id=f"{number:016x}{place:016x}",
        tenant=item.tenant,
        options=JobOptions(model="m", prompt=item.prompts[place]),
        source=BlobRef(key=f"{item.tenant}/s", n_bytes=1),
        filename="a.mp3",
        created_at_s=1.0,
        state=state,
    )


def first(kind: Kind) -> int:
    """Return the number of the plan's first item of a kind."""
    return next(number for number in range(1_000) if PLAN.item(number).kind is kind)


def told(number: int, jobs: list[str] | None = None) -> dict[str, object]:
    """Return an item's line in the journal."""
    item = PLAN.item(number)
    return {"number": number, "kind": item.kind, "tenant": item.tenant, "jobs": jobs or []}


def test_a_plan_is_the_same_every_time():
    """Whoever goes on with a soak does what it would have done; all kinds and all tenants are among it."""
    items = [PLAN.item(number) for number in range(500)]
    again = Plan(seed=3, n_jobs=1_000, n_meetings=20, n_tenants=5)
    assert [again.item(number) for number in range(500)] == items
    assert {item.kind for item in items} == set(Kind)
    assert {item.tenant for item in items} == set(PLAN.tenants)
    assert len({prompt for item in items for prompt in item.prompts}) == sum(len(item.prompts) for item in items)


def test_each_kind_of_process_is_killed_in_turn():
    """As many minutes as there are kinds hit each once."""
    n_kinds = len(VICTIMS)
    for begin in (0, n_kinds):
        assert {PLAN.victim(begin + minute) for minute in range(n_kinds)} == set(VICTIMS)


def test_a_journal_is_gone_on_with(tmp_path):
    """What it began with is kept, a line that was cut off is none, and another plan is refused."""
    journal = Journal(tmp_path)
    journal.begin(PLAN)
    journal.keep(port=5)
    journal.items.append({"number": 1})
    with (tmp_path / "items.jsonl").open("a") as file:
        file.write('{"numb')
    again = Journal(tmp_path)
    assert again.begin(PLAN)["port"] == 5
    assert list(again.items) == [{"number": 1}]
    again.items.append({"number": 2})
    assert list(again.items) == [{"number": 1}, {"number": 2}]
    with pytest.raises(ValueError, match="another soak"):
        again.begin(replace(PLAN, seed=4))


@pytest.mark.parametrize(
    ("made", "what"),
    [
        ([], "lost"),
        ([0, 1], "doubled"),
    ],
)
def test_lost_and_doubled_jobs_are_found(made, what):
    """An item has as many jobs as it has prompts, no fewer and no more."""
    number = first(Kind.UPLOAD)
    jobs = [replace(job_of(number), id=f"{place:032x}") for place in made]
    found = judge.Judgement()
    judge.judge_jobs(PLAN, [told(number)], {job.id: job for job in jobs}, found)
    assert list(found.findings) == [what]


def test_what_ends_as_asked_is_no_finding():
    """A cancelled job may be cancelled or be done already, an erased one is away; others have succeeded."""
    upload, cancel, purge, batch = map(first, (Kind.UPLOAD, Kind.CANCEL, Kind.PURGE, Kind.BATCH))
    jobs = [job_of(upload), job_of(cancel, state=JobState.CANCELLED)]
    jobs += [job_of(batch, place) for place in range(len(PLAN.item(batch).prompts))]
    done = [told(number) for number in (upload, cancel, purge, batch)]
    found = judge.Judgement()
    judge.judge_jobs(PLAN, done, {job.id: job for job in jobs}, found)
    assert not found.findings
    wrong = [job_of(upload, state=JobState.CANCELLED), job_of(purge)]
    judge.judge_jobs(PLAN, [told(upload), told(purge)], {job.id: job for job in wrong}, found)
    assert sorted(found.findings) == ["cancelled", "erased, and there"]


def test_webhooks_are_counted_by_their_ids():
    """The same delivery may come again; a second one, another end, or none at all is wrong."""
    jobs = {job.id: job for job in (job_of(first(Kind.UPLOAD)),)}
    (job_id,) = jobs
    good = {"id": "msg_1", "job": job_id, "type": "job.succeeded"}
    found = judge.Judgement()
    judge.judge_webhooks([good, good], jobs, set(), found)
    assert not found.findings
    assert found.figures["webhooks"] == {"received": 2, "repeated": 1}
    for messages in ([], [good, good | {"id": "msg_2"}], [good | {"type": "job.failed"}]):
        found = judge.Judgement()
        judge.judge_webhooks(messages, jobs, set(), found)
        assert len(found.findings) == 1


def test_keys_of_no_job_are_found():
    """Results of known jobs stay, what a killed process left is housekeeping's, and anything else is wrong."""
    ledger, store = MemoryLedger(clock=ManualClock()), MemoryStore()
    job = job_of(first(Kind.UPLOAD), state=JobState.QUEUED)
    ledger.create(job)
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    store.put(keys.result("transcript.json"), b"{}")
    found = judge.Judgement()
    judge.judge_store(ledger, store, {job.id: job}, found)
    assert not found.findings
    store.put(f"{job.tenant}/{'f' * 32}/results/transcript.json", b"{}")
    judge.judge_store(ledger, store, {job.id: job}, found)
    assert list(found.findings) == ["keys of no job"]


def test_growth_is_told_from_noise():
    """A line through the values tells by how much they grow; what a part holds more of is a finding."""
    assert growth([1.0, 2.0, 3.0]) == pytest.approx(2.0)
    assert growth([5.0, float("nan"), 5.0]) == 0.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    steady = [row(minute, 500.0 + 10 * (minute % 2)) for minute in range(40)]
    found = judge.Judgement()
    judge.judge_growth(steady, found)
    assert not found.findings
    judge.judge_growth([row(minute, 500.0 + 10 * minute) for minute in range(40)], found)
    assert list(found.findings) == ["MiB grow"]
    started_again = [row(minute, 200.0) for minute in range(40)] + [row(minute, 500.0, run=2) for minute in range(40)]
    found = judge.Judgement()
    judge.judge_growth(started_again, found)
    assert not found.findings


def row(minute: int, memory_mb: float, run: int = 1) -> dict[str, float]:
    """Return a sample of which only the Coordinator's memory matters."""
    columns = [f"{part} {what}" for part in (*PARTS, OTHERS) for what in ("MiB", "files", "processes")]
    return {
        **dict.fromkeys(columns, float("nan")),
        "minute": minute,
        "run": run,
        "Coordinator MiB": memory_mb,
        "Coordinator processes": 1,
    }


def test_samples_are_read_back_and_drawn(tmp_path):
    """The picture needs nothing but the file of samples."""
    path = tmp_path / "samples.csv"
    held = {"Coordinator": Held(memory_mb=100.0, n_files=50, n_processes=1)}
    for minute in (1, 2):
        append_row(path, row_of(held, run=1, minute=minute, ended=minute, p50_s=1.0, killed="Segmenter"))
    rows = read_rows(path)
    assert [row["minute"] for row in rows] == [1.0, 2.0]
    assert rows[0]["Coordinator MiB"] == 100.0
    draw(rows, tmp_path / "soak.png", json.dumps("title"))
    assert (tmp_path / "soak.png").stat().st_size > 10_000
