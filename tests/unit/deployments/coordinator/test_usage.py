"""What a job took: counted once, summed exactly, shown to its owner and to the operator."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.cli.main import app
from cluster.cli.usage_report import since
from deployments.ports import WrittenResults
from deployments.schemas.jobs import JobBody
from pipelines.core import Usage
from pipelines.errors import OptionError
from pipelines.jobs.events import MinutesFollowed
from pipelines.jobs.job import JobState, MinutesRecord
from pipelines.jobs.state_machine import transition
from pipelines.jobs.usage import JobUsage
from pipelines.ledger.open import open_ledger
from pipelines.storage.layout import JobKeys
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_a_job_knows_what_it_took() -> None:
    """Through the real Coordinator, a job ends with device and processor time and the size of its documents."""
    store = MemoryStore()
    cluster = InProcessCluster(MemoryLedger(), store)
    await cluster.coordinator.start()
    (job,) = await cluster.ended(cluster.submit("j", range(60)))
    await cluster.coordinator.stop()
    assert job.usage.device_s > 0
    assert job.usage.cpu_s > 0
    keys = JobKeys(tenant="t", job_id="j")
    assert job.usage.result_bytes == sum(len(store.get(keys.result(name))) for name in job.results)
    body = JobBody.from_domain(job, None, "")
    assert body.usage.device_real_time_factor == pytest.approx(job.usage.device_s / job.progress.audio_s, abs=1e-5)
    assert body.usage.result_bytes == job.usage.result_bytes


async def test_a_restart_counts_no_chunk_twice() -> None:
    """A job that is recovered after its chunks were transcribed ends with the time of those chunks, once."""
    ledger, store = MemoryLedger(), MemoryStore()
    first = InProcessCluster(ledger, store, owner="first")
    await first.coordinator.start()
    (job,) = await first.ended(first.submit("j", range(30)))
    await first.coordinator.stop()
    lease = ledger.acquire_lease("test", 60.0)
    assert lease is not None
    summarizing = replace(job, state=JobState.SUMMARIZING, usage=replace(job.usage, result_bytes=0))
    ledger.apply(lease, summarizing, job.version)
    ledger.release(lease)
    second = InProcessCluster(ledger, store, owner="first")
    await second.coordinator.start()
    (again,) = await second.ended(job)
    await second.coordinator.stop()
    assert again.usage == job.usage


def test_minutes_that_follow_are_added() -> None:
    """Documents of minutes that followed are added to what a job took that had ended."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())
    job = replace(cluster.submit("j", [1]), state=JobState.SUCCEEDED, usage=JobUsage(device_s=2.0, result_bytes=10))
    event = MinutesFollowed(names=("minutes.json",), usage=JobUsage(result_bytes=30))
    after, _ = transition(job, event)
    assert after.usage == JobUsage(device_s=2.0, result_bytes=40)
    assert WrittenResults(names=()).usage == JobUsage()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("36h", datetime(2026, 11, 23, 0, tzinfo=UTC)),
        ("7d", datetime(2026, 11, 17, 12, tzinfo=UTC)),
        ("2w", datetime(2026, 11, 10, 12, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T02:00+02:00", datetime(2026, 11, 1, tzinfo=UTC)),
    ],
)
def test_when_a_report_begins(text: str, expected: datetime) -> None:
    """Dates, times with a zone and lengths of time are understood."""
    assert since(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "d", "-3d", "yesterday", "999999w", "3m", "2026-13-01"])
def test_what_is_no_time(text: str) -> None:
    """Anything else is refused with words about what is wanted."""
    with pytest.raises(OptionError, match="neither a date"):
        since(text, NOW)


def test_report_sums_by_tenant_and_model(tmp_path: Path) -> None:
    """The command adds up ended jobs of the period, by tenant or model; others are left out."""
    ledger = open_ledger(f"sqlite:///{tmp_path}/ledger.sqlite3")
    cluster = InProcessCluster(ledger, MemoryStore())
    lease = ledger.acquire_lease("test", 60.0)
    assert lease is not None
    recent_s = datetime.now(UTC).timestamp()
    for number, (tenant, state) in enumerate(
        [
            ("acme", JobState.SUCCEEDED),
            ("acme", JobState.FAILED),
            ("bell", JobState.SUCCEEDED),
            ("bell", JobState.QUEUED),
        ]
    ):
        job = replace(cluster.submit(f"old-{number}", [1], tenant=tenant), id=f"j{number}", created_at_s=recent_s)
        created, _ = ledger.create(replace(job, version=0, updated_at_s=0.0))
        minutes = MinutesRecord(state="written", usage=Usage(n_calls=1, n_prompt=100, cost_usd=0.25))
        ended = replace(created, state=state, usage=JobUsage(device_s=1.5), minutes=minutes)
        ledger.apply(lease, ended, created.version)
    ledger.delete("acme", "j0")  # what it took stays in the sums
    ledger.close()
    runner = CliRunner()
    told = runner.invoke(app, ["report", "--since", "1d", "--home", str(tmp_path), "--json"])
    assert told.exit_code == 0, told.output
    accounts = {entry["name"]: entry for entry in json.loads(told.stdout)["accounts"]}
    assert (accounts["acme"]["n_jobs"], accounts["acme"]["n_failed"]) == (2, 1)
    assert accounts["acme"]["usage"]["device_s"] == 3.0
    assert accounts["bell"]["tokens"]["cost_usd"] == 0.25
    table = runner.invoke(app, ["report", "--since", "1d", "--home", str(tmp_path), "--by", "model"])
    assert "fake" in table.stdout
