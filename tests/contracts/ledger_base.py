"""Jobs and fixtures that the ledger's contract is written with."""

import pytest

from pipelines.core import BlobRef
from pipelines.jobs.events import Claimed, Segmented, TranscriptStored
from pipelines.jobs.job import Job, JobOptions
from pipelines.jobs.state_machine import transition

TTL_S = 30.0
TRANSCRIBED = (Segmented(n_chunks=0), TranscriptStored())


def make_job(job_id="j1", *, tenant="acme", created_at_s=1_000.0, filename="call.wav", priority=0, deadline=None):
    return Job(
        id=job_id,
        tenant=tenant,
        options=JobOptions(model="mini-en", priority=priority, deadline=deadline, speakers=("Ann", "Bob")),
        source=BlobRef(key=f"{tenant}/{job_id}/source", n_bytes=7, sha256="ab" * 32),
        filename=filename,
        created_at_s=created_at_s,
    )


def after(job, *events):
    for event in events:
        job, _ = transition(job, event)
    return job


class LedgerBase:
    """Needs fixtures ``clock`` (a ManualClock), ``ledger`` and ``another``: a second ledger over the same data."""

    @pytest.fixture
    def lease(self, ledger):
        return ledger.acquire_lease("coordinator-1", TTL_S)

    @pytest.fixture
    def running(self, ledger, lease):
        """A job that the lease has claimed and begun."""
        ledger.create(make_job("running"))
        (job,) = ledger.claim(lease, 10)
        return ledger.apply(lease, after(job, Claimed()), job.version)
