"""Jobs and fixtures that the ledger's contract is written with."""

from datetime import datetime
from typing import Literal

import pytest

from pipelines.core import BlobRef
from pipelines.jobs.events import Claimed, Event, Segmented, TranscriptStored
from pipelines.jobs.job import Job, JobOptions
from pipelines.jobs.state_machine import transition
from pipelines.ledger.protocol import Lease, Ledger

TTL_S = 30.0
TRANSCRIBED = (Segmented(n_chunks=0), TranscriptStored())


def make_job(
    job_id: str = "j1",
    *,
    tenant: str = "acme",
    created_at_s: float = 1_000.0,
    filename: str = "call.wav",
    priority: int = 0,
    deadline: datetime | None = None,
    priority_class: Literal["standard", "economy"] = "standard",
) -> Job:
    return Job(
        id=job_id,
        tenant=tenant,
        options=JobOptions(
            model="mini-en",
            priority=priority,
            deadline=deadline,
            speakers=("Ann", "Bob"),
            priority_class=priority_class,
        ),
        source=BlobRef(key=f"{tenant}/{job_id}/source", n_bytes=7, sha256="ab" * 32),
        filename=filename,
        created_at_s=created_at_s,
    )


def after(job: Job, *events: Event) -> Job:
    for event in events:
        job, _ = transition(job, event)
    return job


def won(lease: Lease | None) -> Lease:
    """A lease that nobody else held."""
    assert lease is not None
    return lease


class LedgerBase:
    """Needs fixtures ``clock`` (a ManualClock), ``ledger`` and ``another``: a second ledger over the same data."""

    @pytest.fixture
    def lease(self, ledger: Ledger) -> Lease:
        return won(ledger.acquire_lease("coordinator-1", TTL_S))

    @pytest.fixture
    def running(self, ledger: Ledger, lease: Lease) -> Job:
        """A job that the lease has claimed and begun."""
        ledger.create(make_job("running"))
        (job,) = ledger.claim(lease, 10)
        return ledger.apply(lease, after(job, Claimed()), job.version)
