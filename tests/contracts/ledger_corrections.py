"""What every ledger must do with versions of transcripts: one after the other, whoever comes too late is told."""

import pytest

from pipelines.errors import JobUnknown, VersionConflict
from pipelines.ledger.protocol import Ledger
from pipelines.transcript.corrections import Correction, CorrectionRepository
from tests.contracts.ledger_base import LedgerBase, make_job
from tests.fakes.ledger import ManualClock


def version(number: int, *, name: str = "", author: str = "key-1", n_segments: int = 2) -> Correction:
    return Correction(
        version=number, author=author, note="names", n_segments=n_segments, name=name or f"{number:06d}-abc"
    )


class CorrectionsContract(LedgerBase):
    """Adding, listing, conflicts, the end of a job."""

    @pytest.fixture
    def corrected(self, ledger: Ledger) -> CorrectionRepository:
        ledger.create(make_job("j1"))
        return ledger.corrections

    def test_versions_count_up(
        self, ledger: Ledger, another: Ledger, corrected: CorrectionRepository, clock: ManualClock
    ) -> None:
        """Versions are listed oldest first with the ledger's time, by every ledger, and the history tells of them."""
        first = corrected.add("acme", "j1", version(1))
        clock.advance(10)
        second = corrected.add("acme", "j1", version(2, author="key-2"))
        assert second.at_s == first.at_s + 10
        assert (second.base, second.author, second.note, second.n_segments) == (1, "key-2", "names", 2)
        assert list(another.corrections.of_job("acme", "j1")) == [first, second]
        told = [(event.name, event.detail) for event in ledger.events("acme", "j1")][1:]
        assert told == [("corrected", "version 1"), ("corrected", "version 2")]

    def test_overtaken(self, corrected: CorrectionRepository, another: Ledger) -> None:
        """Of two versions made from one the first counts; one that skips a version does not."""
        first = corrected.add("acme", "j1", version(1))
        for late in (version(1, name="000001-other"), version(3)):
            with pytest.raises(VersionConflict, match="at version 1"):
                another.corrections.add("acme", "j1", late)
        assert list(corrected.of_job("acme", "j1")) == [first]

    def test_a_repetition_is_no_conflict(
        self, ledger: Ledger, corrected: CorrectionRepository, clock: ManualClock
    ) -> None:
        """Who got no answer repeats the call and gets what is stored, also when others went on from there."""
        first = corrected.add("acme", "j1", version(1))
        clock.advance(10)
        assert corrected.add("acme", "j1", version(1)) == first
        corrected.add("acme", "j1", version(2))
        assert corrected.add("acme", "j1", version(1)) == first
        assert len(corrected.of_job("acme", "j1")) == 2
        assert len(ledger.events("acme", "j1")) == 3

    def test_the_newest_of_several_jobs(self, ledger: Ledger, another: Ledger, corrected: CorrectionRepository) -> None:
        """Each job that has versions comes with its last one; others, and jobs that do not exist, do not come."""
        for job_id in ("j2", "j3"):
            ledger.create(make_job(job_id))
        corrected.add("acme", "j1", version(1))
        second = corrected.add("acme", "j1", version(2))
        only = corrected.add("acme", "j3", version(1))
        assert another.corrections.newest(["j1", "j2", "j3", "j4"]) == {"j1": second, "j3": only}

    def test_of_nobody_else(self, corrected: CorrectionRepository) -> None:
        """Another tenant's job is unknown here, and so is one that does not exist."""
        for tenant, job_id in (("other", "j1"), ("acme", "j2")):
            with pytest.raises(JobUnknown):
                corrected.add(tenant, job_id, version(1))
            with pytest.raises(JobUnknown):
                corrected.of_job(tenant, job_id)

    def test_they_go_with_their_job(self, ledger: Ledger, corrected: CorrectionRepository) -> None:
        """A job that is deleted takes its versions with it; one of the same id begins anew."""
        corrected.add("acme", "j1", version(1))
        ledger.delete("acme", "j1")
        ledger.create(make_job("j1"))
        assert not corrected.of_job("acme", "j1")

    def test_what_no_database_holds(self, corrected: CorrectionRepository) -> None:
        """NUL in a note becomes the replacement character, as in every text from outside."""
        odd = Correction(version=1, author="a\0", note="\ud800", n_segments=1, name="000001-abc")
        kept = corrected.add("acme", "j1", odd)
        assert (kept.author, kept.note) == ("a\N{REPLACEMENT CHARACTER}", "?")
        assert list(corrected.of_job("acme", "j1")) == [kept]
