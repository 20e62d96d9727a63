"""What ingestion may ask of every ledger about equal requests: they share a job that is under way."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pipelines.errors import Reason
from pipelines.jobs.events import Claimed, Failed
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.protocol import Lease, Ledger, NewJob
from tests.contracts.ledger_base import TRANSCRIBED, LedgerBase, after, make_job


def ask(ledger: Ledger, job_id: str, fingerprint: str = "f", *, tenant: str = "acme", key: str | None = None) -> str:
    """Ask for a job of a recording; return the id of the one that answers."""
    job = make_job(job_id, tenant=tenant)
    return ledger.create(job, idempotency_key=key, fingerprint=fingerprint, joins=True)[0].id


def begun(ledger: Ledger, lease: Lease) -> Job:
    """The only queued job, once it is transcribing."""
    (job,) = ledger.claim(lease, 10)
    return ledger.apply(lease, after(job, Claimed()), job.version)


class JoinedRequestsContract(LedgerBase):
    """One job for equal requests at a time, for all who asked."""

    def test_an_equal_request_joins(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """Queued or begun, in this process or another; other requests and tenants have jobs of their own."""
        assert ask(ledger, "j1") == "j1"
        assert ask(another, "j2") == "j1"
        assert ask(another, "j3", "other") == "j3"
        assert ask(another, "j4", tenant="umbrella") == "j4"
        for job in ledger.claim(lease, 10):
            ledger.apply(lease, after(job, Claimed()), job.version)
        assert ask(another, "j5") == "j1"
        assert sum(ledger.counts("acme").values()) == 2
        assert [event.name for event in ledger.events("acme", "j1")] == ["created", "joined", "transcribing", "joined"]

    def test_who_does_not_join(self, ledger: Ledger, another: Ledger) -> None:
        """A key, or the wish to stand alone, keeps requests apart, and such a job is joined by nobody."""
        assert ask(ledger, "keyed", key="k") == "keyed"
        assert ledger.create(make_job("alone"), fingerprint="f")[1]
        assert ask(another, "j1") == "j1"
        assert ask(another, "keyed-2", key="k-2") == "keyed-2"
        assert ledger.create(make_job("alone-2"), fingerprint="f")[1]
        assert ask(another, "keyed-3", key="k") == "keyed"

    def test_an_ended_job_is_joined_no_more(self, ledger: Ledger, lease: Lease) -> None:
        """Nor is one whose end was asked for."""
        ask(ledger, "j1")
        job = begun(ledger, lease)
        ledger.apply(lease, after(job, Failed(reason=Reason.CORRUPT_AUDIO, detail="x")), job.version)
        assert ask(ledger, "j2") == "j2"
        ledger.request_cancel("acme", "j2")
        assert ask(ledger, "j3") == "j3"
        assert ask(ledger, "j4") == "j3"

    def test_a_job_that_writes_its_minutes_is_joined(self, ledger: Ledger, lease: Lease) -> None:
        """It has not ended."""
        ask(ledger, "j1")
        job = begun(ledger, lease)
        ledger.apply(lease, after(job, *TRANSCRIBED), job.version)
        assert ask(ledger, "j2") == "j1"

    def test_a_url_is_shared_until_it_is_fetched(self, ledger: Ledger, lease: Lease) -> None:
        """A later request may mean what the URL names by then, and is the one that further ones join."""
        for job_id, answers in (("j1", "j1"), ("j2", "j1")):
            pulled = replace(make_job(job_id), source_url="https://recorder.example/latest.wav")
            assert ledger.create(pulled, fingerprint="f", joins=True)[0].id == answers
        begun(ledger, lease)
        for job_id, answers in (("j3", "j3"), ("j4", "j3")):
            pulled = replace(make_job(job_id), source_url="https://recorder.example/latest.wav")
            assert ledger.create(pulled, fingerprint="f", joins=True)[0].id == answers

    def test_nobody_takes_the_job_of_others(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """It ends when the last one who asked cancels; the Coordinator's writes between do not count."""
        for job_id in ("j1", "j2", "j3"):
            ask(ledger, job_id)
        assert not another.request_cancel("acme", "j1").cancel_requested
        job = begun(ledger, lease)
        assert not another.request_cancel("acme", "j1").cancel_requested
        assert ledger.cancel_requests(lease) == []
        assert another.request_cancel("acme", "j1").cancel_requested
        assert [wish.id for wish in ledger.cancel_requests(lease)] == [job.id]

    def test_for_everyone(self, ledger: Ledger, lease: Lease) -> None:
        """Who says so ends the job for all."""
        ask(ledger, "j1")
        ask(ledger, "j2")
        assert ledger.request_cancel("acme", "j1", everyone=True).cancel_requested

    def test_who_left_does_not_count(self, ledger: Ledger, lease: Lease) -> None:
        """One that hung up and asked again is one; the last to hang up leaves the job as it is."""
        ask(ledger, "j1")
        ledger.leave("acme", "j1")
        ask(ledger, "j2")
        ledger.leave("acme", "j1")
        assert ledger.get("acme", "j1").state is JobState.QUEUED
        assert ledger.request_cancel("acme", "j1").cancel_requested

    def test_requests_of_one_write_join(self, ledger: Ledger) -> None:
        """Those that come together are one job as well."""
        news = [NewJob(job=make_job(f"j{i}"), fingerprint="f", joins=True) for i in range(3)]
        outcomes = ledger.create_many(news)
        assert [outcome[0].id for outcome in outcomes if isinstance(outcome, tuple)] == ["j0", "j0", "j0"]
        assert not ledger.request_cancel("acme", "j0").cancel_requested

    def test_threads_make_one_job(self, ledger: Ledger, another: Ledger) -> None:
        """Of eight equal requests at once, in two processes, one makes the job."""
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: ask(another if i % 2 else ledger, f"j{i}"), range(8)))
        assert len(set(answers)) == 1
        assert sum(ledger.counts().values()) == 1
