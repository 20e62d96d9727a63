"""What ingestion may ask of every ledger about the submitters' own ids."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipelines.core import BlobRef
from pipelines.errors import ExternalIdConflict, Reason
from pipelines.jobs.events import Failed
from pipelines.jobs.job import Job, JobState, Progress
from pipelines.jobs.reference import Reference
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.protocol import Lease, Ledger, NewJob
from tests.contracts.ledger_base import LedgerBase, after, make_job


def call(job_id: str, external_id: str = "call-1", *, sha256: str = "ab" * 32, tenant: str = "acme") -> Job:
    """A job of a recording that its submitter calls ``external_id``."""
    job = make_job(job_id, tenant=tenant)
    source = BlobRef(key=job.source.key, n_bytes=7, sha256=sha256)
    return replace(job, source=source, reference=Reference(external_id=external_id, metadata=(("queue", "sales"),)))


class ExternalIdsContract(LedgerBase):
    """One job of a tenant for each external id, unless it brought nothing."""

    def test_the_same_recording_is_the_same_job(self, ledger: Ledger, another: Ledger) -> None:
        """By its bytes, or by its URL where it is pulled."""
        first, created = ledger.create(call("j1"))
        assert created
        assert another.create(call("j2")) == (first, False)
        pulled = replace(call("j3", "call-2", sha256=""), source_url="https://recorder.example/2")
        assert ledger.create(pulled)[1]
        assert another.create(replace(pulled, id="j4"))[0].id == "j3"
        assert sum(ledger.counts().values()) == 2

    def test_another_recording_is_a_conflict(self, ledger: Ledger) -> None:
        """Nothing is created; nor is one known by no hash taken for the same."""
        ledger.create(call("j1"))
        for other in (call("j2", sha256="cd" * 32), call("j2", sha256="")):
            with pytest.raises(ExternalIdConflict):
                ledger.create(other)
        assert sum(ledger.counts().values()) == 1

    def test_ids_belong_to_tenants(self, ledger: Ledger) -> None:
        """Two tenants may use the same id, and jobs without one are no concern of each other."""
        ledger.create(call("j1"))
        assert ledger.create(call("j2", sha256="cd" * 32, tenant="umbrella"))[1]
        assert ledger.create(call("j3", ""))[1]
        assert ledger.create(call("j4", ""))[1]

    def test_what_failed_gives_its_id_up(self, ledger: Ledger, lease: Lease) -> None:
        """The next job has it, and a late write of the old one does not take it back."""
        ledger.create(call("j1"))
        (job,) = ledger.claim(lease, 1)
        failed = ledger.apply(lease, after(job, Failed(reason=Reason.CORRUPT_AUDIO, detail="x")), job.version)
        stored, created = ledger.create(call("j2", sha256="cd" * 32))
        assert (stored.id, created) == ("j2", True)
        ledger.apply(lease, replace(failed, detail="y"), failed.version)
        assert ledger.get("acme", "j1").reference == Reference(metadata=(("queue", "sales"),))
        assert [job.id for job in ledger.list("acme", JobFilter(external_id="call-1")).jobs] == ["j2"]

    def test_an_id_outlives_writes_and_goes_with_its_job(self, ledger: Ledger, lease: Lease) -> None:
        """A Coordinator's write keeps it; a deleted job's is free."""
        ledger.create(call("j1"))
        (job,) = ledger.claim(lease, 1)
        ledger.apply(lease, replace(job, progress=Progress(audio_s=3.0)), job.version)
        assert ledger.get("acme", "j1").reference.external_id == "call-1"
        assert ledger.list("acme", JobFilter(external_id="call-1", states=[JobState.QUEUED])).jobs
        assert ledger.list("umbrella", JobFilter(external_id="call-1")).jobs == ()
        ledger.delete("acme", "j1")
        assert ledger.create(call("j2", sha256="cd" * 32))[1]

    def test_in_one_transaction(self, ledger: Ledger) -> None:
        """Requests of a batch meet each other."""
        first, second, third = ledger.create_many(
            [NewJob(job=call("j1")), NewJob(job=call("j2")), NewJob(job=call("j3", sha256="cd" * 32))]
        )
        assert isinstance(first, tuple)
        assert isinstance(second, tuple)
        assert (first[0].id, first[1], second[0].id, second[1]) == ("j1", True, "j1", False)
        assert isinstance(third, ExternalIdConflict)

    def test_many_at_once(self, ledger: Ledger) -> None:
        """Eight deliveries of the same recording at the same time are one job."""
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda number: ledger.create(call(f"j{number}")), range(8)))
        assert sum(created for _, created in outcomes) == 1
        assert len({job.id for job, _ in outcomes}) == 1
