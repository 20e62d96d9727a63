"""What every ledger must do."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pipelines.core import BlobRef
from pipelines.errors import (
    Fenced,
    IdempotencyConflict,
    InvalidRequest,
    JobUnknown,
    LedgerError,
    Reason,
    VersionConflict,
)
from pipelines.jobs import (
    CancelRequested,
    Claimed,
    Failed,
    Job,
    JobOptions,
    JobState,
    Progress,
    ResultsStored,
    Segmented,
    TranscriptStored,
    transition,
)
from pipelines.ledger import NewJob

TTL_S = 30.0
TRANSCRIBED = (Segmented(n_chunks=0), TranscriptStored())


def make_job(job_id="j1", *, tenant="acme", created_at_s=1_000.0, filename="call.wav", priority=0):
    return Job(
        id=job_id,
        tenant=tenant,
        options=JobOptions(model="mini-en", priority=priority, speakers=("Ann", "Bob")),
        source=BlobRef(key=f"{tenant}/{job_id}/source", n_bytes=7, sha256="ab" * 32),
        filename=filename,
        created_at_s=created_at_s,
    )


def after(job, *events):
    for event in events:
        job, _ = transition(job, event)
    return job


class LedgerContract:
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

    # Creation

    def test_create_then_get(self, ledger, another, clock):
        """A created job is there for everybody, at its first version, with all its parts."""
        job = replace(make_job(), source_url="https://recorder.example/1", detail="d")
        stored, created = ledger.create(job)
        assert created
        assert stored == replace(job, version=1, updated_at_s=clock())
        assert another.get("acme", "j1") == stored

    def test_same_key_and_request(self, ledger, another):
        """A repeated request gets the job it created, whatever became of it, and creates nothing."""
        first, _ = ledger.create(make_job("j1"), idempotency_key="k", fingerprint="f")
        again, created = another.create(make_job("j2"), idempotency_key="k", fingerprint="f")
        assert (again, created) == (first, False)
        assert sum(ledger.counts().values()) == 1

    def test_same_key_other_request(self, ledger):
        """A key that stands for another request is a conflict, and nothing is created."""
        ledger.create(make_job("j1"), idempotency_key="k", fingerprint="f")
        with pytest.raises(IdempotencyConflict):
            ledger.create(make_job("j2"), idempotency_key="k", fingerprint="other")
        assert sum(ledger.counts().values()) == 1

    def test_keys_belong_to_tenants(self, ledger):
        """Two tenants may use the same key."""
        ledger.create(make_job("j1", tenant="acme"), idempotency_key="k", fingerprint="f")
        _, created = ledger.create(make_job("j2", tenant="umbrella"), idempotency_key="k", fingerprint="other")
        assert created

    def test_same_id(self, ledger):
        """A caller that repeats a creation because it got no answer finds its job; ids of others are refused."""
        first, _ = ledger.create(make_job("j1"))
        assert ledger.create(make_job("j1")) == (first, False)
        with pytest.raises(LedgerError, match="in use"):
            ledger.create(make_job("j1", tenant="umbrella"))

    @pytest.mark.parametrize("key", ["", "k" * 256, "ä", "a\nb", "a\0"])
    def test_what_is_no_key(self, ledger, key):
        """Idempotency keys that could not be sent back in a header are refused."""
        with pytest.raises(InvalidRequest):
            ledger.create(make_job(), idempotency_key=key)
        assert sum(ledger.counts().values()) == 0

    def test_create_many(self, ledger):
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

    def test_text_that_databases_refuse(self, ledger, lease):
        """NUL and broken Unicode in texts from outside cost a character, not the job."""
        ledger.create(make_job(filename="a\0b\ud800.wav"))
        (job,) = ledger.claim(lease, 1)
        ledger.apply(lease, after(job, Failed(reason=Reason.CORRUPT_AUDIO, detail="x\0\udcff")), job.version)
        stored = ledger.get("acme", "j1")
        assert stored.filename.startswith("a\N{REPLACEMENT CHARACTER}b")
        assert stored.detail.startswith("x\N{REPLACEMENT CHARACTER}")
        assert ledger.list("acme", filename_contains="A\0B").jobs == (stored,)
        assert ledger.events("acme", "j1")[-1].detail == stored.detail

    # Reading

    @pytest.mark.parametrize(
        ("tenant", "job_id"), [("acme", "j2"), ("umbrella", "j1"), ("", ""), ("acme", "j1\0"), ("\ud800", "j1")]
    )
    def test_unknown_job(self, ledger, tenant, job_id):
        """A job of nobody or of somebody else is unknown to every call."""
        ledger.create(make_job("j1"))
        for call in (ledger.get, ledger.events, ledger.request_cancel, ledger.delete):
            with pytest.raises(JobUnknown):
                call(tenant, job_id)

    def test_pages(self, ledger, another):
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

    def test_last_page_that_is_full(self, ledger):
        """A page that holds exactly what is left says that nothing follows."""
        for i in range(3):
            ledger.create(make_job(f"j{i}"))
        assert ledger.list("acme", limit=3).next_cursor is None
        assert ledger.list("nobody").jobs == ()

    def test_ids_are_ordered_by_code_point(self, ledger):
        """Jobs of one moment are ordered by id, in the order of code points whatever the database's language."""
        for job_id in ("b", "A", "a", "B", "-", "_"):
            ledger.create(make_job(job_id))
        assert [job.id for job in ledger.list(None).jobs] == ["b", "a", "_", "B", "A", "-"]

    def test_filters(self, ledger, running):
        """Lists are narrowed by state, part of the file name and time of creation."""
        ledger.create(make_job("j1", filename="Über_100%.WAV", created_at_s=1_001.0))
        ledger.create(make_job("j2", filename="plan 9.mp3", created_at_s=1_002.0))

        def ids(**filters):
            return [job.id for job in ledger.list("acme", **filters).jobs]

        assert ids(states=[JobState.QUEUED]) == ["j2", "j1"]
        assert ids(states=[JobState.TRANSCRIBING]) == ["running"]
        assert ids(states={JobState.TRANSCRIBING, JobState.QUEUED}) == ["j2", "j1", "running"]
        assert ids(filename_contains="über") == ["j1"]
        assert ids(filename_contains=".wav") == ["j1", "running"]
        assert ids(filename_contains="_") == ["j1"]
        assert ids(filename_contains="%") == ["j1"]
        assert ids(created_from_s=1_001.0) == ["j2", "j1"]
        assert ids(created_before_s=1_001.0) == ["running"]
        assert ids(created_from_s=1_001.0, created_before_s=1_002.0, states=[JobState.QUEUED]) == ["j1"]

    @pytest.mark.parametrize(
        "cursor", ["", "x", "MTA=", "ü", "bm90IGEgY3Vyc29y", "MS4wIDIgMw==", "bmFuIHg=", "MS4wIAA="]
    )
    def test_bad_cursor(self, ledger, cursor):
        """A cursor that no page gave is refused."""
        with pytest.raises(InvalidRequest):
            ledger.list("acme", after=cursor)

    def test_page_of_nothing(self, ledger):
        """A page of no jobs would never end."""
        with pytest.raises(InvalidRequest):
            ledger.list("acme", limit=0)

    def test_counts(self, ledger, running):
        """Every state is counted, for one tenant or all."""
        ledger.create(make_job("j1"))
        ledger.create(make_job("j2", tenant="umbrella"))
        assert ledger.counts("acme") == dict.fromkeys(JobState, 0) | {JobState.QUEUED: 1, JobState.TRANSCRIBING: 1}
        assert ledger.counts()[JobState.QUEUED] == 2
        assert ledger.counts("nobody") == dict.fromkeys(JobState, 0)

    # The lease

    def test_one_coordinator(self, ledger, another, clock):
        """While a lease is alive nobody else gets one; once it has run out somebody does, with a higher fence."""
        first = ledger.acquire_lease("coordinator-1", TTL_S)
        assert first.expires_at_s == clock() + TTL_S
        clock.advance(TTL_S - 1)
        assert another.acquire_lease("coordinator-2", TTL_S) is None
        first = ledger.heartbeat(first)
        clock.advance(TTL_S - 1)
        assert another.acquire_lease("coordinator-2", TTL_S) is None
        clock.advance(2)
        second = another.acquire_lease("coordinator-2", TTL_S)
        assert second.fence > first.fence

    def test_release(self, ledger, another, lease):
        """A released lease is free at once; releasing a lost one takes nothing from its successor."""
        ledger.release(lease)
        second = another.acquire_lease("coordinator-2", TTL_S)
        ledger.release(lease)
        assert another.acquire_lease("coordinator-3", TTL_S) is None
        assert another.heartbeat(second).fence == second.fence

    def test_restarted_owner(self, ledger, another, lease):
        """An owner that restarts need not wait for its own lease, and its earlier self is fenced out."""
        again = another.acquire_lease(lease.owner, TTL_S)
        assert again.fence > lease.fence
        with pytest.raises(Fenced):
            ledger.heartbeat(lease)

    def test_late_heartbeat(self, ledger, lease, clock):
        """A lease that ran out and that nobody took goes on."""
        clock.advance(10 * TTL_S)
        assert ledger.heartbeat(lease).expires_at_s == clock() + TTL_S

    @pytest.mark.parametrize(
        "write",
        [
            lambda ledger, lease, job: ledger.heartbeat(lease),
            lambda ledger, lease, job: ledger.claim(lease, 1),
            lambda ledger, lease, job: ledger.apply(lease, after(job, *TRANSCRIBED), job.version),
            lambda ledger, lease, job: ledger.apply_many(lease, [(after(job, *TRANSCRIBED), job.version)]),
            lambda ledger, lease, job: ledger.record(lease, job, "note"),
            lambda ledger, lease, job: ledger.live(lease),
            lambda ledger, lease, job: ledger.cancel_requests(lease),
        ],
        ids=["heartbeat", "claim", "apply", "apply_many", "record", "live", "cancel_requests"],
    )
    def test_fenced_coordinator_changes_nothing(self, ledger, another, lease, running, clock, write):
        """Whatever an old Coordinator still does after a new one took over, the ledger stays as it is."""
        ledger.create(make_job("waiting"))
        clock.advance(TTL_S + 1)
        successor = another.acquire_lease("coordinator-2", TTL_S)
        before = (another.list(None), another.events("acme", "running"), another.live(successor))
        with pytest.raises(Fenced):
            write(ledger, lease, running)
        assert (another.list(None), another.events("acme", "running"), another.live(successor)) == before
        assert [job.id for job in another.claim(successor, 10)] == ["waiting"]

    # Claiming

    def test_claim_order(self, ledger, lease):
        """Higher priorities go first, older jobs before younger ones, and each is claimed once."""
        ledger.create(make_job("young", created_at_s=3.0))
        ledger.create(make_job("old", created_at_s=1.0))
        ledger.create(make_job("urgent", created_at_s=4.0, priority=5))
        ledger.create(make_job("later", created_at_s=0.0, priority=-1))
        assert [job.id for job in ledger.claim(lease, 3)] == ["urgent", "old", "young"]
        assert [job.id for job in ledger.claim(lease, 3)] == ["later"]
        assert ledger.claim(lease, 3) == []

    def test_claim_survives_its_coordinator(self, ledger, another, lease, clock):
        """A job that was claimed and never written again is claimed by the next Coordinator, unchanged."""
        stored, _ = ledger.create(make_job("j1"))
        assert ledger.claim(lease, 1) == [stored]
        clock.advance(TTL_S + 1)
        successor = another.acquire_lease("coordinator-2", TTL_S)
        assert list(another.live(successor)) == []
        assert another.claim(successor, 1) == [stored]

    def test_live(self, ledger, another, lease, running, clock):
        """A Coordinator finds what was begun and not ended, and what it has itself claimed; a successor the former."""
        for job_id in ("claimed", "ended"):
            ledger.create(make_job(job_id, created_at_s=2_000.0))
        ledger.claim(lease, 10)
        ended = ledger.get("acme", "ended")
        ledger.apply(lease, after(ended, Claimed(), Failed(reason=Reason.TOO_LONG, detail="")), ended.version)
        ledger.create(make_job("queued", created_at_s=3_000.0))
        assert [job.id for job in ledger.live(lease)] == ["running", "claimed"]
        clock.advance(TTL_S + 1)
        assert [job.id for job in another.live(another.acquire_lease("coordinator-2", TTL_S))] == ["running"]

    # Writing

    def test_apply(self, ledger, another, lease, running, clock):
        """A write replaces the job under the next version and the ledger's time."""
        clock.advance(5)
        job = replace(running, progress=Progress(audio_s=60.5, done_s=0.25), n_chunks=3)
        stored = ledger.apply(lease, job, running.version)
        assert stored == replace(job, version=running.version + 1, updated_at_s=clock())
        assert another.get("acme", "running") == stored

    def test_finished_chunks_stay_in_memory(self, ledger, lease, running):
        """The set of finished chunks is handed back to the writer and not stored."""
        stored = ledger.apply(lease, replace(running, finished=frozenset({1, 2})), running.version)
        assert stored.finished == {1, 2}
        assert ledger.get("acme", "running").finished == frozenset()

    def test_stale_write(self, ledger, lease, running):
        """A write that is based on an older version changes nothing."""
        newer = ledger.apply(lease, after(running, *TRANSCRIBED), running.version)
        for version in (running.version, newer.version + 1, 0):
            with pytest.raises(VersionConflict):
                ledger.apply(lease, replace(running, detail="stale"), version)
        assert ledger.get("acme", "running") == newer

    def test_repeated_write(self, ledger, lease, running, clock):
        """A writer that got no answer may write again: nothing happens twice."""
        job = after(running, *TRANSCRIBED)
        stored = ledger.apply(lease, job, running.version)
        clock.advance(5)
        assert ledger.apply(lease, job, running.version) == stored
        assert ledger.get("acme", "running") == stored
        assert [event.name for event in ledger.events("acme", "running")].count("summarizing") == 1

    def test_write_of_another_lease_is_no_repetition(self, ledger, another, lease, running):
        """The same content written under an older lease does not count as one's own write."""
        job = after(running, *TRANSCRIBED)
        ledger.apply(lease, job, running.version)
        ledger.release(lease)
        successor = another.acquire_lease("coordinator-2", TTL_S)
        with pytest.raises(VersionConflict):
            another.apply(successor, job, running.version)

    def test_apply_many(self, ledger, lease):
        """Many jobs are written at once; each gets its own outcome."""
        for i in range(5):
            ledger.create(make_job(f"j{i}"))
        jobs = [after(job, Claimed()) for job in ledger.claim(lease, 10)]
        ledger.delete("acme", "j3")
        updates = [(job, job.version + (job.id == "j2")) for job in jobs]
        outcomes = ledger.apply_many(lease, updates)
        assert [outcome.version if isinstance(outcome, Job) else type(outcome) for outcome in outcomes] == [
            2,
            2,
            VersionConflict,
            JobUnknown,
            2,
        ]
        states = {job.id: job.state for job in ledger.list("acme").jobs}
        assert states == dict.fromkeys(["j0", "j1", "j4"], JobState.TRANSCRIBING) | {"j2": JobState.QUEUED}
        assert ledger.apply_many(lease, []) == []

    def test_two_writes_of_a_job_at_once(self, ledger, lease, running):
        """One batch may carry a job forward twice; a second write that is based on the old version conflicts."""
        second = after(running, *TRANSCRIBED)
        third = after(second, ResultsStored(names=("transcript.json",)))
        outcomes = ledger.apply_many(lease, [(second, 2), (third, 3), (second, 2)])
        assert [outcome.version for outcome in outcomes[:2]] == [3, 4]
        assert isinstance(outcomes[2], VersionConflict)
        assert ledger.get("acme", "running").results == ("transcript.json",)
        names = [event.name for event in ledger.events("acme", "running")]
        assert names == ["created", "transcribing", "summarizing", "succeeded"]

    def test_job_cannot_change_its_tenant(self, ledger, lease, running):
        """A write under another tenant's name does not find the job."""
        with pytest.raises(JobUnknown):
            ledger.apply(lease, replace(running, tenant="umbrella"), running.version)

    # Cancelling and deleting

    def test_cancel_a_queued_job(self, ledger, another, lease):
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

    def test_cancel_meets_a_write(self, ledger, another, lease, running):
        """A wish that arrives while the Coordinator works neither disturbs its writes nor is lost in them."""
        another.request_cancel("acme", "running")
        stored = ledger.apply(lease, replace(running, progress=Progress(audio_s=1.0)), running.version)
        assert stored.cancel_requested
        assert [job.id for job in ledger.cancel_requests(lease)] == ["running"]

    def test_cancel_between_claim_and_write(self, ledger, another, lease):
        """A wish that arrives after the claim is seen, by this Coordinator and by the next."""
        ledger.create(make_job("j1"))
        ledger.claim(lease, 1)
        another.request_cancel("acme", "j1")
        assert [job.id for job in ledger.cancel_requests(lease)] == ["j1"]
        successor = another.acquire_lease(lease.owner, TTL_S)
        assert [job.id for job in another.cancel_requests(successor)] == ["j1"]

    def test_cancel_twice(self, ledger):
        """Asking again changes nothing."""
        ledger.create(make_job("j1"))
        first = ledger.request_cancel("acme", "j1")
        assert ledger.request_cancel("acme", "j1") == first
        assert [event.name for event in ledger.events("acme", "j1")] == ["created", "cancel_requested"]

    def test_cancel_an_ended_job(self, ledger, lease, running):
        """An ended job stays as it is."""
        ended = ledger.apply(lease, after(running, Failed(reason=Reason.TOO_LONG, detail="x")), running.version)
        assert ledger.request_cancel("acme", "running") == ended
        assert list(ledger.cancel_requests(lease)) == []

    def test_delete(self, ledger, lease, running):
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

    def test_history(self, ledger, lease, running, clock):
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

    # Many at once

    def test_threads_lose_nothing(self, ledger, another, lease):
        """Eight threads create while others claim: every job is claimed exactly once."""
        n_threads, n_jobs = 8, 12
        claimed: list[str] = []

        def create(thread):
            for i in range(n_jobs):
                ledger.create(make_job(f"j{thread}-{i}", created_at_s=float(i)), idempotency_key=f"{thread}-{i}")

        def claim():
            return [job.id for job in another.claim(lease, 5)]

        with ThreadPoolExecutor(n_threads) as pool:
            creators = [pool.submit(create, thread) for thread in range(n_threads)]
            while not all(creator.done() for creator in creators):
                with ThreadPoolExecutor(4) as claimers:
                    for found in [claimers.submit(claim) for _ in range(4)]:
                        claimed += found.result()
            for creator in creators:
                creator.result()
        while found := claim():
            claimed += found
        assert Counter(claimed) == Counter(f"j{thread}-{i}" for thread in range(n_threads) for i in range(n_jobs))
        assert ledger.counts()[JobState.QUEUED] == n_threads * n_jobs

    def test_threads_share_a_key(self, ledger, another):
        """Of eight simultaneous requests under one key one creates the job and the others get it."""
        requests = [make_job(f"j{i}") for i in range(8)]
        with ThreadPoolExecutor(8) as pool:
            results = list(
                pool.map(
                    lambda job: (another if job.id > "j3" else ledger).create(
                        job, idempotency_key="k", fingerprint="f"
                    ),
                    requests,
                )
            )
        assert [created for _, created in results].count(True) == 1
        assert len({job.id for job, _ in results}) == 1

    def test_cancels_and_writes_at_once(self, ledger, another, lease):
        """Wishes to cancel and writes of the Coordinator hit the same jobs: both are kept, the history has no gap."""
        for i in range(10):
            ledger.create(make_job(f"j{i}"))
        jobs = [after(job, Claimed()) for job in ledger.claim(lease, 10)]
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(another.request_cancel, "acme", job.id) for job in jobs]
            written = [pool.submit(ledger.apply, lease, job, job.version) for job in jobs]
            for done in (*asked, *written):
                done.result()
        for job in jobs:
            stored = ledger.get("acme", job.id)
            assert (stored.state, stored.cancel_requested) == (JobState.TRANSCRIBING, True)
            history = ledger.events("acme", job.id)
            assert [event.seq for event in history] == [1, 2, 3]
            assert {event.name for event in history} == {"created", "transcribing", "cancel_requested"}

    def test_rival_coordinators(self, ledger, another, clock):
        """Two owners that keep grabbing the lease from each other never write a job's same version twice."""
        ledger.create(make_job("j1"))
        for round_no in range(6):
            mine, theirs = (ledger, another) if round_no % 2 else (another, ledger)
            old = mine.acquire_lease(f"owner-{round_no % 2}", TTL_S)
            clock.advance(TTL_S + 1)
            new = theirs.acquire_lease(f"owner-{1 - round_no % 2}", TTL_S)
            job = mine.get("acme", "j1")
            with ThreadPoolExecutor(2) as pool:
                loser = pool.submit(mine.apply, old, replace(job, detail=f"loser {round_no}"), job.version)
                winner = pool.submit(theirs.apply, new, replace(job, detail=f"winner {round_no}"), job.version)
                with pytest.raises(Fenced):
                    loser.result()
                assert winner.result().version == job.version + 1
            assert ledger.get("acme", "j1").detail == f"winner {round_no}"
            clock.advance(TTL_S + 1)

    def test_check(self, ledger):
        """A ledger that works passes its check."""
        ledger.check()

    def test_use_after_close(self, ledger):
        """A closed ledger opens its connections anew."""
        ledger.create(make_job("j1"))
        ledger.close()
        assert ledger.get("acme", "j1").id == "j1"
