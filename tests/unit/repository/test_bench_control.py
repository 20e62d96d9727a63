"""`scripts/bench-control`: what it measures of the Coordinator alone, and the bounds that this has by now."""

import pytest

from pipelines.storage.layout import JobKeys
from scripts.control.coordinator_alone import measure, spans_of

N_JOBS = 24


@pytest.fixture(scope="module")
def calls() -> dict[str, float]:
    """The calls of ledger and store for each of some short jobs that wait when the Coordinator starts."""
    found = measure(N_JOBS, 2)
    assert found.loop_s > 0
    return {name: n / N_JOBS for name, n in found.calls.items()}


def test_jobs_share_transactions(calls: dict[str, float]) -> None:
    """A claim, a begin and an end are three writes of a job; most of them share a transaction with other jobs'."""
    assert calls["ledger writing"] < 1.5


def test_a_job_reads_nothing_from_the_ledger(calls: dict[str, float]) -> None:
    """The Coordinator knows its jobs; what it reads is what others may have written, once for all jobs."""
    assert calls.get("ledger reading", 0.0) < 1.0


def test_a_job_waits_for_no_store(calls: dict[str, float]) -> None:
    """Transcripts are put together, and working data deleted, in other processes."""
    assert [name for name in calls if name.startswith("store ")] == []


def test_tables_of_recordings() -> None:
    """The parts around the Coordinator name each chunk once, in spans that tile the recording."""
    spans = spans_of(JobKeys(tenant="t", job_id="j"), 25)
    assert [chunk.index for span in spans for chunk in span.chunks] == list(range(25))
    assert [span.start for span in spans[1:]] == [span.end for span in spans[:-1]]
