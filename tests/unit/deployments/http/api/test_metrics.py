"""What Prometheus finds at ``/metrics``."""

from prometheus_client.parser import text_string_to_metric_families

from deployments.http.routes.metrics import render_metrics
from pipelines.jobs.job import JobState
from tests.support.waiting import until


def samples(text: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_state_is_there() -> None:
    """Jobs by state, the disk and the version are there, and what the Coordinator said."""
    counts = {JobState.QUEUED: 3, JobState.FAILED: 0}
    found = samples(render_metrics(counts, (100, 40), b"meetmemo_speed_ratio 12.5\n", "1.2.3"))
    assert found[("meetmemo_jobs", "queued")] == 3
    assert found[("meetmemo_jobs", "failed")] == 0
    assert found[("meetmemo_spool_free_bytes", "")] == 40
    assert found[("meetmemo_speed_ratio", "")] == 12.5
    assert found[("meetmemo_build_info", "1.2.3")] == 1
    assert found[("meetmemo_coordinator_up", "")] == 1


def test_a_silent_coordinator_and_ledger_show() -> None:
    """What does not answer leaves a gap, never a failed scrape, and ``up`` is 0."""
    found = samples(render_metrics(None, None, None, "1"))
    assert found[("meetmemo_coordinator_up", "")] == 0
    assert ("meetmemo_jobs", "queued") not in found


async def test_a_scrape_asks_ledger_and_coordinator(api) -> None:
    """The endpoint serves both, in the format that Prometheus asks for."""
    await api.submit()
    answer = await api.client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    found = samples(answer.content)
    assert found[("meetmemo_jobs", "queued")] == 1
    assert found[("meetmemo_steered", "")] == 1


async def test_a_scrape_survives_outages(api) -> None:
    """Neither a broken Coordinator nor a ledger that is away makes the scrape fail."""
    api.coordinator.broken = ConnectionError("gone")
    api.ledger.outage = "the database is away"
    answer = await api.client.get("/metrics")
    assert answer.status_code == 200
    assert samples(answer.content)[("meetmemo_coordinator_up", "")] == 0


async def test_arrivals_reach_a_coordinator_that_was_away(api) -> None:
    """A job that came while the Coordinator was silent is counted once it hears again, and only once."""
    api.coordinator.broken = ConnectionError("gone")
    await api.submit()
    assert api.coordinator.n_arrived == 0
    api.coordinator.broken = None
    await api.submit(b"RIF")
    await api.client.get("/readyz")
    await until(lambda: api.coordinator.n_arrived)
    assert api.coordinator.n_arrived == 2
