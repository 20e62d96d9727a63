"""What ingestion may ask of every ledger: create, read, cancel, delete."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pipelines.errors import (
    IdempotencyConflict,
    InvalidRequest,
    JobUnknown,
    LedgerError,
    Reason,
)
from pipelines.jobs.costs import JobCost
from pipelines.jobs.events import (
    CancelRequested,
    ChunkFinished,
    Claimed,
    Failed,
    ResultsStored,
    Segmented,
    TranscriptStored,
)
from pipelines.jobs.job import Job, JobState, Progress
from pipelines.jobs.usage import JobUsage
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.protocol import Backlog, Lease, Ledger, NewJob, QueuedJobs
from tests.contracts.ledger_base import TRANSCRIBED, TTL_S, LedgerBase, after, make_job, won
from tests.fakes.ledger import ManualClock


class JobsContract(LedgerBase):
    """Creating, reading, cancelling and deleting jobs."""

    # Content

    def test_same_content(self, ledger: Ledger, lease: Lease) -> None:
        """The newest of the tenant's jobs that succeeded with a content is found, and no other's."""
        for job_id, tenant, created_at_s in (("j1", "acme", 1.0), ("j2", "acme", 2.0), ("j3", "umbrella", 3.0)):
            ledger.create(make_job(job_id, tenant=tenant, created_at_s=created_at_s))
        ended: dict[str, Job] = {}
        for job in sorted(ledger.claim(lease, 10), key=lambda job: job.id):
            written = after(job, Claimed(), Segmented(n_chunks=0), TranscriptStored(content_key="k"))
            summarizing = ledger.apply(lease, written, job.version)
            assert ledger.same_content(job.tenant, "k") in (None, *ended.values())
            ended[job.id] = ledger.apply(lease, after(summarizing, ResultsStored(names=())), summarizing.version)
            assert ledger.same_content(job.tenant, "k") == ended[job.id]
            assert ledger.same_content(job.tenant, "other") is None
        assert ledger.same_content("acme", "k") == ended["j2"]
        assert ledger.same_content("initech", "k") is None
        ledger.delete("acme", "j2")
        assert ledger.same_content("acme", "k") == ended["j1"]

    # Creation

    def test_create_then_get(self, ledger: Ledger, another: Ledger, clock: ManualClock) -> None:
        """A created job is there for everybody, at its first version, with all its parts."""
        job = replace(make_job(), source_url="https://recorder.example/1", detail="d")
        stored, created = ledger.create(job)
        assert created
        assert stored == replace(job, version=1, updated_at_s=clock())
        assert another.get("acme", "j1") == stored

    def test_same_key_and_request(self, ledger: Ledger, another: Ledger) -> None:
        """A repeated request gets the job it created, whatever became of it, and creates nothing."""
        first, _ = ledger.create(make_job("j1"), idempotency_key="k", fingerprint="f")
        again, created = another.create(make_job("j2"), idempotency_key="k", fingerprint="f")
        assert (again, created) == (first, False)
        assert sum(ledger.counts().values()) == 1

    def test_same_key_other_request(self, ledger: Ledger) -> None:
        """A key that stands for another request is a conflict, and nothing is created."""
        ledger.create(make_job("j1"), idempotency_key="k", fingerprint="f")
        with pytest.raises(IdempotencyConflict):
            ledger.create(make_job("j2"), idempotency_key="k", fingerprint="other")
        assert sum(ledger.counts().values()) == 1

    def test_keys_belong_to_tenants(self, ledger: Ledger) -> None:
        """Two tenants may use the same key."""
        ledger.create(make_job("j1", tenant="acme"), idempotency_key="k", fingerprint="f")
        _, created = ledger.create(make_job("j2", tenant="umbrella"), idempotency_key="k", fingerprint="other")
        assert created

    def test_same_id(self, ledger: Ledger) -> None:
        """A caller that repeats a creation because it got no answer finds its job; ids of others are refused."""
        first, _ = ledger.create(make_job("j1"))
        assert ledger.create(make_job("j1")) == (first, False)
        with pytest.raises(LedgerError, match="in use"):
            ledger.create(make_job("j1", tenant="umbrella"))

    @pytest.mark.parametrize("key", ["", "k" * 256, "ä", "a\nb", "a\0"])
    def test_what_is_no_key(self, ledger: Ledger, key: str) -> None:
        """Idempotency keys that could not be sent back in a header are refused."""
        with pytest.raises(InvalidRequest):
            ledger.create(make_job(), idempotency_key=key)
        assert sum(ledger.counts().values()) == 0

    def test_create_many(self, ledger: Ledger) -> None:
        """A batch gives one outcome per request, also where requests of the batch meet each other."""
        old, _ = ledger.create(make_job("old"), idempotency_key="old", fingerprint="f")
        outcomes = ledger.create_many(
            [
                NewJob(job=make_job("j1")),
                NewJob(job=make_job("j2"), idempotency_key="k", fingerprint="f"),
                NewJob(job=make_job("j3"), idempotency_key="k", fingerprint="f"),
                NewJob(job=make_job("j4"), idempotency_key="k", fingerprint="g"),
                NewJob(job=make_job("j5"), idempotency_key="old", fingerprint="f"),
                NewJob(job=make_job("j1")),
            ]
        )
        assert outcomes[0] == (ledger.get("acme", "j1"), True)
        assert outcomes[1] == (ledger.get("acme", "j2"), True)
        assert outcomes[2] == (ledger.get("acme", "j2"), False)
        assert isinstance(outcomes[3], IdempotencyConflict)
        assert outcomes[4] == (old, False)
        assert outcomes[5] == (ledger.get("acme", "j1"), False)
        assert sum(ledger.counts().values()) == 3
        assert ledger.create_many([]) == []

    def test_used_keys(self, ledger: Ledger, another: Ledger) -> None:
        """Keys that brought a job are told from those that did not, thousands at once; deleted jobs free theirs."""
        ledger.create(make_job("j1"), idempotency_key="k1", fingerprint="f")
        ledger.create(make_job("j2"), idempotency_key="k2", fingerprint="f")
        ledger.create(make_job("j3", tenant="umbrella"), idempotency_key="k3", fingerprint="f")
        many = [f"k{number}" for number in range(3000)]
        assert another.used_keys("acme", many) == {"k1", "k2"}
        assert another.used_keys("acme", []) == frozenset()
        ledger.delete("acme", "j1")
        assert another.used_keys("acme", many) == {"k2"}

    def test_text_that_databases_refuse(self, ledger: Ledger, lease: Lease) -> None:
        """NUL and broken Unicode in texts from outside cost a character, not the job."""
        ledger.create(make_job(filename="a\0b\ud800.wav"))
        (job,) = ledger.claim(lease, 1)
        ledger.apply(lease, after(job, Failed(reason=Reason.CORRUPT_AUDIO, detail="x\0\udcff")), job.version)
        stored = ledger.get("acme", "j1")
        assert stored.filename.startswith("a\N{REPLACEMENT CHARACTER}b")
        assert stored.detail.startswith("x\N{REPLACEMENT CHARACTER}")
        assert ledger.list("acme", JobFilter(filename_contains="A\0B")).jobs == (stored,)
        assert ledger.events("acme", "j1")[-1].detail == stored.detail

    # Reading

    @pytest.mark.parametrize(
        ("tenant", "job_id"), [("acme", "j2"), ("umbrella", "j1"), ("", ""), ("acme", "j1\0"), ("\ud800", "j1")]
    )
    def test_unknown_job(self, ledger: Ledger, tenant: str, job_id: str) -> None:
        """A job of nobody or of somebody else is unknown to every call."""
        ledger.create(make_job("j1"))
        for call in (ledger.get, ledger.events, ledger.request_cancel, ledger.delete):
            with pytest.raises(JobUnknown):
                call(tenant, job_id)

    def test_many_jobs_are_read_together(self, ledger: Ledger, another: Ledger) -> None:
        """Those that exist come under their tenant's name, as one at a time; others are left out, however many."""
        ours, _ = ledger.create(make_job("j1"))
        theirs, _ = ledger.create(make_job("j2", tenant="umbrella"))
        names = [("acme", "j1"), ("umbrella", "j2"), ("acme", "j2"), ("umbrella", "j1"), ("acme", "j1\0"), ("", "")]
        names += [("acme", f"unknown-{number}") for number in range(3000)]
        assert another.get_many(names) == {("acme", "j1"): ours, ("umbrella", "j2"): theirs}
        assert another.get_many([]) == {}

    def test_pages(self, ledger: Ledger, another: Ledger) -> None:
        """Pages go from new to old without gap or repetition, also over equal times and while jobs arrive."""
        for i in range(10):
            ledger.create(make_job(f"j{i}", created_at_s=1_000.0 + i // 4 + 0.1))
        ledger.create(make_job("other", tenant="umbrella"))
        seen, cursor = [], None
        while True:
            page = another.list("acme", limit=3, after=cursor)
            seen += [job.id for job in page.jobs]
            ledger.create(make_job(f"new-{len(seen)}", created_at_s=2_000.0 + len(seen)))
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.jobs) == 3
        assert seen == [f"j{i}" for i in range(9, -1, -1)]

    def test_last_page_that_is_full(self, ledger: Ledger) -> None:
        """A page that holds exactly what is left says that nothing follows."""
        for i in range(3):
            ledger.create(make_job(f"j{i}"))
        assert ledger.list("acme", limit=3).next_cursor is None
        assert ledger.list("nobody").jobs == ()

    def test_ids_are_ordered_by_code_point(self, ledger: Ledger) -> None:
        """Jobs of one moment are ordered by id, in the order of code points whatever the database's language."""
        for job_id in ("b", "A", "a", "B", "-", "_"):
            ledger.create(make_job(job_id))
        assert [job.id for job in ledger.list(None).jobs] == ["b", "a", "_", "B", "A", "-"]

    def test_filters(self, ledger: Ledger, running: Job) -> None:
        """Lists are narrowed by state, part of the file name and time of creation."""
        ledger.create(make_job("j1", filename="Über_100%.WAV", created_at_s=1_001.0))
        ledger.create(make_job("j2", filename="plan 9.mp3", created_at_s=1_002.0))

        def ids(**filters: Any) -> list[str]:
            return [job.id for job in ledger.list("acme", JobFilter(**filters)).jobs]

        assert ids(states=[JobState.QUEUED]) == ["j2", "j1"]
        assert ids(states=[JobState.TRANSCRIBING]) == ["running"]
        assert ids(states={JobState.TRANSCRIBING, JobState.QUEUED}) == ["j2", "j1", "running"]
        assert ids(filename_contains="über") == ["j1"]
        assert ids(filename_contains=".wav") == ["j1", "running"]
        assert ids(filename_contains="_") == ["j1"]
        assert ids(filename_contains="%") == ["j1"]
        assert ids(id_prefix="j") == ["j2", "j1"]
        assert ids(id_prefix="J") == ids(id_prefix="_") == ids(id_prefix="%") == []
        assert ids(created_from_s=1_001.0) == ["j2", "j1"]
        assert ids(created_before_s=1_001.0) == ["running"]
        assert ids(created_from_s=1_001.0, created_before_s=1_002.0, states=[JobState.QUEUED]) == ["j1"]

    def test_what_changed_of_several_tenants(self, ledger: Ledger, another: Ledger, clock: ManualClock) -> None:
        """Each tenant's jobs are told from its own time on, newest first and in pages; other tenants' are not."""
        start_s = clock()
        for number, tenant in enumerate(("acme", "umbrella", "initech")):
            ledger.create(make_job(f"{tenant}-old", tenant=tenant, created_at_s=1_000.0 + number))
        clock.advance(10.0)
        for number, tenant in enumerate(("acme", "umbrella", "initech")):
            ledger.create(make_job(f"{tenant}-new", tenant=tenant, created_at_s=2_000.0 + number))

        def ids(since_s: Mapping[str, float], **page: Any) -> list[str]:
            return [job.id for job in another.changed(since_s, **{"limit": 10, **page}).jobs]

        since_s = {"acme": clock(), "umbrella": start_s}
        assert ids(since_s) == ["umbrella-new", "acme-new", "umbrella-old"]
        first = another.changed(since_s, limit=2)
        assert [job.id for job in first.jobs] == ["umbrella-new", "acme-new"]
        assert ids(since_s, after=first.next_cursor) == ["umbrella-old"]
        ledger.request_cancel("acme", "acme-old")
        assert ids({"acme": clock()}) == ["acme-new", "acme-old"]
        assert ids({}) == ids({"nobody": 0.0}) == []

    def test_jobs_that_gave_up_chunks(self, ledger: Ledger, lease: Lease) -> None:
        """They are found in pages, whatever became of them; what a file is called makes none of one."""
        for job_id, filename in (
            ("none", '","n_failed_chunks":1,"'),
            ("one", '"n_failed_chunks":0,'),
            ("ten", "x.wav"),
        ):
            ledger.create(make_job(job_id, filename=filename))
        ledger.create(make_job("other", tenant="umbrella"))
        failed = {"none": 0, "one": 1, "ten": 10, "other": 1}
        for job in ledger.claim(lease, 10):
            lost = [ChunkFinished(index=index, audio_s=1.0, failed=True) for index in range(failed[job.id])]
            begun = ledger.apply(lease, after(job, Claimed(), *lost), job.version)
            if job.id == "none":
                whole = (Segmented(n_chunks=0), TranscriptStored(content_key="k"), ResultsStored(names=()))
                ledger.apply(lease, after(begun, *whole), begun.version)
            if job.id == "one":
                ended = after(begun, Failed(reason=Reason.INTERNAL, detail="why"))
                ledger.apply(lease, ended, begun.version)
        page = ledger.list("acme", JobFilter(with_failed_chunks=True), limit=1)
        assert [job.id for job in page.jobs] == ["ten"]
        page = ledger.list("acme", JobFilter(with_failed_chunks=True), limit=1, after=page.next_cursor)
        assert ([job.id for job in page.jobs], page.next_cursor) == (["one"], None)
        assert len(ledger.list("acme").jobs) == 3

    @pytest.mark.parametrize(
        "cursor", ["", "x", "MTA=", "ü", "bm90IGEgY3Vyc29y", "MS4wIDIgMw==", "bmFuIHg=", "MS4wIAA="]
    )
    def test_bad_cursor(self, ledger: Ledger, cursor: str) -> None:
        """A cursor that no page gave is refused."""
        with pytest.raises(InvalidRequest):
            ledger.list("acme", after=cursor)

    def test_page_of_nothing(self, ledger: Ledger) -> None:
        """A page of no jobs would never end."""
        with pytest.raises(InvalidRequest):
            ledger.list("acme", limit=0)

    def test_queued_jobs(self, ledger: Ledger, running: Job) -> None:
        """What waits is counted by tenant and model, with the time of the oldest; what was begun is not."""
        for job_id, tenant, created_at_s in (("a", "acme", 30.0), ("b", "acme", 20.0), ("c", "umbrella", 10.0)):
            ledger.create(make_job(job_id, tenant=tenant, created_at_s=created_at_s))
        assert ledger.queued_jobs() == (
            QueuedJobs(tenant="acme", model="mini-en", n_jobs=2, oldest_created_at_s=20.0),
            QueuedJobs(tenant="umbrella", model="mini-en", n_jobs=1, oldest_created_at_s=10.0),
        )

    def test_backlog(self, ledger: Ledger, lease: Lease, running: Job) -> None:
        """What has not ended, with the audio that is found and not transcribed; other tenants do not count."""
        ledger.create(make_job("waiting"))
        ledger.create(make_job("other", tenant="umbrella"))
        known = replace(running, progress=Progress(audio_s=100.0, done_s=30.0))
        ledger.apply(lease, known, running.version)
        assert ledger.backlog("acme") == Backlog(n_jobs=2, audio_s=70.0)
        assert ledger.backlog("nobody") == Backlog(n_jobs=0, audio_s=0.0)

    def test_counts(self, ledger: Ledger, running: Job) -> None:
        """Every state is counted, for one tenant or all."""
        ledger.create(make_job("j1"))
        ledger.create(make_job("j2", tenant="umbrella"))
        assert ledger.counts("acme") == dict.fromkeys(JobState, 0) | {JobState.QUEUED: 1, JobState.TRANSCRIBING: 1}
        assert ledger.counts()[JobState.QUEUED] == 2
        assert ledger.counts("nobody") == dict.fromkeys(JobState, 0)
        tenants = ("acme", "umbrella", "nobody")
        assert ledger.counts_by_tenant(tenants) == {tenant: ledger.counts(tenant) for tenant in tenants}
        assert ledger.counts_by_tenant(()) == {}

    # Cancelling and deleting

    def test_cancel_a_queued_job(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """The wish to cancel a queued job is durable: it is not claimed any more, and the Coordinator sees it."""
        ledger.create(make_job("j1"))
        asked = another.request_cancel("acme", "j1")
        assert asked.cancel_requested
        assert asked == ledger.get("acme", "j1")
        assert ledger.claim(lease, 10) == []
        (job,) = ledger.cancel_requests(lease)
        assert job == asked
        ledger.apply(lease, after(job, CancelRequested()), job.version)
        assert ledger.get("acme", "j1").state is JobState.CANCELLED
        assert list(ledger.cancel_requests(lease)) == []

    def test_cancel_meets_a_write(self, ledger: Ledger, another: Ledger, lease: Lease, running: Job) -> None:
        """A wish that arrives while the Coordinator works neither disturbs its writes nor is lost in them."""
        another.request_cancel("acme", "running")
        stored = ledger.apply(lease, replace(running, progress=Progress(audio_s=1.0)), running.version)
        assert stored.cancel_requested
        assert [job.id for job in ledger.cancel_requests(lease)] == ["running"]

    def test_cancel_between_claim_and_write(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """A wish that arrives after the claim is seen, by this Coordinator and by the next."""
        ledger.create(make_job("j1"))
        ledger.claim(lease, 1)
        another.request_cancel("acme", "j1")
        assert [job.id for job in ledger.cancel_requests(lease)] == ["j1"]
        successor = won(another.acquire_lease(lease.owner, TTL_S))
        assert [job.id for job in another.cancel_requests(successor)] == ["j1"]

    def test_cancel_twice(self, ledger: Ledger) -> None:
        """Asking again changes nothing."""
        ledger.create(make_job("j1"))
        first = ledger.request_cancel("acme", "j1")
        assert ledger.request_cancel("acme", "j1") == first
        assert [event.name for event in ledger.events("acme", "j1")] == ["created", "cancel_requested"]

    def test_cancel_an_ended_job(self, ledger: Ledger, lease: Lease, running: Job) -> None:
        """An ended job stays as it is."""
        ended = ledger.apply(lease, after(running, Failed(reason=Reason.TOO_LONG, detail="x")), running.version)
        assert ledger.request_cancel("acme", "running") == ended
        assert list(ledger.cancel_requests(lease)) == []

    def test_delete(self, ledger: Ledger, lease: Lease, running: Job) -> None:
        """A deleted job is gone with its history and its key, and the Coordinator's next write is told so."""
        ledger.create(make_job("j1"), idempotency_key="k", fingerprint="f")
        ledger.delete("acme", "j1")
        _, created = ledger.create(make_job("j1"), idempotency_key="k", fingerprint="g")
        assert created
        assert [event.seq for event in ledger.events("acme", "j1")] == [1]
        ledger.delete("acme", "running")
        with pytest.raises(JobUnknown):
            ledger.apply(lease, after(running, *TRANSCRIBED), running.version)
        with pytest.raises(JobUnknown):
            ledger.record(lease, running, "note")

    def test_scrub(self, ledger: Ledger, another: Ledger) -> None:
        """What is left after a deletion can be overwritten, whoever deleted; the other jobs stay."""
        ledger.create(make_job("j1"))
        kept, _ = ledger.create(make_job("j2"))
        another.delete("acme", "j1")
        assert ledger.scrub(1 << 30)
        assert another.get("acme", "j2") == kept

    def test_what_deleted_jobs_took(self, ledger: Ledger, another: Ledger, lease: Lease, running: Job) -> None:
        """The figures of an ended job outlive it; one that had not ended leaves none."""
        usage = JobUsage(device_s=2.0, cpu_s=3.0, result_bytes=4)
        ended = replace(after(running, Failed(reason=Reason.INTERNAL, detail="why")), usage=usage)
        ended = ledger.apply(lease, ended, running.version)
        ledger.create(make_job("j1"))
        ledger.delete("acme", "j1")
        assert list(ledger.costs_of_deleted(0.0)) == []
        ledger.delete("acme", "running")
        (cost,) = another.costs_of_deleted(ended.created_at_s)
        assert cost == JobCost.of(ended)
        assert (cost.failed, cost.usage) == (True, usage)
        assert list(ledger.costs_of_deleted(ended.created_at_s + 1)) == []

    def test_history(self, ledger: Ledger, lease: Lease, running: Job, clock: ManualClock) -> None:
        """A job's history holds what happened, when, in order."""
        clock.advance(1)
        ledger.record(lease, running, "chunk_quarantined", "chunk 7")
        clock.advance(1)
        ledger.apply(lease, after(running, Failed(reason=Reason.INTERNAL, detail="why")), running.version)
        start_s = clock() - 2
        assert [(event.seq, event.at_s, event.name, event.detail) for event in ledger.events("acme", "running")] == [
            (1, start_s, "created", ""),
            (2, start_s, "transcribing", ""),
            (3, start_s + 1, "chunk_quarantined", "chunk 7"),
            (4, start_s + 2, "failed", "why"),
        ]

    def test_check(self, ledger: Ledger) -> None:
        """A ledger that works passes its check."""
        ledger.check()

    def test_use_after_close(self, ledger: Ledger) -> None:
        """A closed ledger opens its connections anew."""
        ledger.create(make_job("j1"))
        ledger.close()
        assert ledger.get("acme", "j1").id == "j1"
