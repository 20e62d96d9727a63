"""What a Coordinator may ask of every ledger: the lease, claims and fenced writes, also by many at once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipelines.errors import (
    Fenced,
    JobUnknown,
    Reason,
    VersionConflict,
)
from pipelines.jobs.economy import ECONOMY_URGENT_S, ECONOMY_WITHIN_S
from pipelines.jobs.events import Claimed, Failed, ResultsStored
from pipelines.jobs.job import Job, JobState, Progress
from pipelines.ledger.protocol import DrainMode, JobUpdate, Lease, Ledger
from pipelines.models.routing import ModelRoute
from tests.contracts.ledger_base import TRANSCRIBED, TTL_S, LedgerBase, after, make_job, won
from tests.fakes.ledger import ManualClock


class CoordinationContract(LedgerBase):
    """Leases, claims, writes and rivals."""

    # The lease

    def test_one_coordinator(self, ledger: Ledger, another: Ledger, clock: ManualClock) -> None:
        """While a lease is alive nobody else gets one; once it has run out somebody does, with a higher fence."""
        first = won(ledger.acquire_lease("coordinator-1", TTL_S))
        assert first.expires_at_s == clock() + TTL_S
        clock.advance(TTL_S - 1)
        assert another.acquire_lease("coordinator-2", TTL_S) is None
        first = ledger.heartbeat(first)
        clock.advance(TTL_S - 1)
        assert another.acquire_lease("coordinator-2", TTL_S) is None
        clock.advance(2)
        second = won(another.acquire_lease("coordinator-2", TTL_S))
        assert second.fence > first.fence

    def test_identity(self, ledger: Ledger, another: Ledger) -> None:
        """Whoever asks hears the same name, also when all ask for the first time at once."""
        with ThreadPoolExecutor(6) as pool:
            names = {done.result() for done in [pool.submit(side.identity) for side in (ledger, another) * 3]}
        assert len(names) == 1
        assert names == {another.identity()}
        assert names != {""}

    def test_drain_mode(self, ledger: Ledger, another: Ledger) -> None:
        """What an operator wants is there for whoever comes next."""
        assert ledger.drain_mode() is DrainMode.OFF
        for mode in (DrainMode.REFUSING, DrainMode.QUEUEING, DrainMode.OFF):
            ledger.set_drain_mode(mode)
            assert another.drain_mode() is mode

    def test_model_routes(self, ledger: Ledger, another: Ledger) -> None:
        """Canaries are there for whoever comes next; the last ones that were set hold."""
        assert ledger.model_routes() == ()
        canary = ModelRoute(of="base", to="turbo", share=0.05)
        ledger.set_model_routes([canary])
        assert another.model_routes() == (canary,)
        ledger.set_model_routes([])
        assert another.model_routes() == ()

    def test_sweep_position(self, ledger: Ledger, another: Ledger) -> None:
        """Housekeeping goes on where it was, whoever comes next."""
        assert ledger.sweep_position() == ""
        ledger.set_sweep_position("acme/j1/results/a")
        assert another.sweep_position() == "acme/j1/results/a"
        another.set_sweep_position("")
        assert ledger.sweep_position() == ""

    def test_release(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """A released lease is free at once; releasing a lost one takes nothing from its successor."""
        ledger.release(lease)
        second = won(another.acquire_lease("coordinator-2", TTL_S))
        ledger.release(lease)
        assert another.acquire_lease("coordinator-3", TTL_S) is None
        assert another.heartbeat(second).fence == second.fence

    def test_restarted_owner(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """An owner that restarts need not wait for its own lease, and its earlier self is fenced out."""
        again = won(another.acquire_lease(lease.owner, TTL_S))
        assert again.fence > lease.fence
        with pytest.raises(Fenced):
            ledger.heartbeat(lease)

    def test_late_heartbeat(self, ledger: Ledger, lease: Lease, clock: ManualClock) -> None:
        """A lease that ran out and that nobody took goes on."""
        clock.advance(10 * TTL_S)
        assert ledger.heartbeat(lease).expires_at_s == clock() + TTL_S

    @pytest.mark.parametrize(
        "write",
        [
            lambda ledger, lease, job: ledger.heartbeat(lease),
            lambda ledger, lease, job: ledger.claim(lease, 1),
            lambda ledger, lease, job: ledger.apply(lease, after(job, *TRANSCRIBED), job.version),
            lambda ledger, lease, job: ledger.apply_many(lease, [JobUpdate(after(job, *TRANSCRIBED), job.version)]),
            lambda ledger, lease, job: ledger.record(lease, job, "note"),
            lambda ledger, lease, job: ledger.live(lease),
            lambda ledger, lease, job: ledger.cancel_requests(lease),
        ],
        ids=["heartbeat", "claim", "apply", "apply_many", "record", "live", "cancel_requests"],
    )
    def test_fenced_coordinator_changes_nothing(
        self,
        ledger: Ledger,
        another: Ledger,
        lease: Lease,
        running: Job,
        clock: ManualClock,
        write: Callable[[Ledger, Lease, Job], object],
    ) -> None:
        """Whatever an old Coordinator still does after a new one took over, the ledger stays as it is."""
        ledger.create(make_job("waiting"))
        clock.advance(TTL_S + 1)
        successor = won(another.acquire_lease("coordinator-2", TTL_S))
        before = (another.list(None), another.events("acme", "running"), another.live(successor))
        with pytest.raises(Fenced):
            write(ledger, lease, running)
        assert (another.list(None), another.events("acme", "running"), another.live(successor)) == before
        assert [job.id for job in another.claim(successor, 10)] == ["waiting"]

    # Claiming

    def test_claim_order(self, ledger: Ledger, lease: Lease) -> None:
        """Higher priorities go first, older jobs before younger ones, and each is claimed once."""
        ledger.create(make_job("young", created_at_s=3.0))
        ledger.create(make_job("old", created_at_s=1.0))
        ledger.create(make_job("urgent", created_at_s=4.0, priority=5))
        ledger.create(make_job("later", created_at_s=0.0, priority=-1))
        assert [job.id for job in ledger.claim(lease, 3)] == ["urgent", "old", "young"]
        assert [job.id for job in ledger.claim(lease, 3)] == ["later"]
        assert ledger.claim(lease, 3) == []

    def test_deadlines_go_before_age(self, ledger: Ledger, lease: Lease) -> None:
        """Among jobs of one priority the earliest deadline goes first, and those without one last."""
        soon, late = (datetime(2026, 11, day, tzinfo=UTC) for day in (24, 25))
        ledger.create(make_job("old", created_at_s=1.0))
        ledger.create(make_job("late", created_at_s=2.0, deadline=late))
        ledger.create(make_job("soon", created_at_s=3.0, deadline=soon))
        ledger.create(make_job("urgent", created_at_s=4.0, priority=1))
        assert [job.id for job in ledger.claim(lease, 10)] == ["urgent", "soon", "late", "old"]

    def test_economy_jobs_come_after_those_of_all_tenants(self, ledger: Ledger, lease: Lease) -> None:
        """However old or high an economy job is, standard ones of others go first; a bound of its own holds for it."""
        ledger.create(make_job("cheap", tenant="a", created_at_s=1.0, priority=100, priority_class="economy"))
        ledger.create(make_job("cheaper", tenant="a", created_at_s=2.0, priority_class="economy"))
        ledger.create(make_job("low", tenant="b", created_at_s=3.0, priority=-100))
        (queued_a, queued_b) = ledger.queued_jobs()
        assert [(each.n_jobs, each.n_economy) for each in (queued_a, queued_b)] == [(2, 2), (1, 0)]
        assert [job.id for job in ledger.claim(lease, 10, 0)] == ["low"]
        assert [job.id for job in ledger.claim(lease, 10, 1)] == ["cheap"]
        assert [job.id for job in ledger.claim(lease, 10)] == ["cheaper"]

    def test_an_economy_job_that_is_due_soon_is_a_standard_one(self, ledger: Ledger, lease: Lease) -> None:
        """Once less is left than is called urgent, it goes before younger standard jobs; others stay where they are."""
        day_s = ECONOMY_WITHIN_S - ECONOMY_URGENT_S
        ledger.create(make_job("old", created_at_s=1_000.0, priority_class="economy"))
        ledger.create(make_job("young", created_at_s=5_000.0, priority_class="economy"))
        ledger.create(make_job("standard", created_at_s=9_000.0))
        assert ledger.promote_economy(lease, 999.0 + day_s) == 0
        assert ledger.promote_economy(lease, 1_001.0 + day_s) == 1
        assert ledger.promote_economy(lease, 1_001.0 + day_s) == 0
        assert [job.id for job in ledger.claim(lease, 10)] == ["old", "standard", "young"]

    def test_the_backlog_of_all(self, ledger: Ledger, lease: Lease) -> None:
        """Everybody's jobs that have not ended are counted together."""
        ledger.create(make_job("one", tenant="a"))
        ledger.create(make_job("two", tenant="b"))
        assert ledger.backlog(None).n_jobs == 2

    def test_tenants_take_turns(self, ledger: Ledger, lease: Lease) -> None:
        """A tenant that fills the queue, and has jobs in hand, does not keep another's job waiting."""
        for number in range(5):
            ledger.create(make_job(f"bulk{number}", tenant="bulk", created_at_s=float(number)))
        for job in ledger.claim(lease, 2):
            ledger.apply(lease, after(job, Claimed()), job.version)
        ledger.create(make_job("clinic0", tenant="clinic", created_at_s=9.0))
        ledger.create(make_job("clinic1", tenant="clinic", created_at_s=9.5))
        assert [job.id for job in ledger.claim(lease, 3)] == ["clinic0", "clinic1", "bulk2"]

    def test_claim_survives_its_coordinator(
        self, ledger: Ledger, another: Ledger, lease: Lease, clock: ManualClock
    ) -> None:
        """A job that was claimed and never written again is claimed by the next Coordinator, unchanged."""
        stored, _ = ledger.create(make_job("j1"))
        assert ledger.claim(lease, 1) == [stored]
        clock.advance(TTL_S + 1)
        successor = won(another.acquire_lease("coordinator-2", TTL_S))
        assert list(another.live(successor)) == []
        assert another.claim(successor, 1) == [stored]

    def test_live(self, ledger: Ledger, another: Ledger, lease: Lease, running: Job, clock: ManualClock) -> None:
        """A Coordinator finds what was begun and not ended, and what it has itself claimed; a successor the former."""
        for job_id in ("claimed", "ended"):
            ledger.create(make_job(job_id, created_at_s=2_000.0))
        ledger.claim(lease, 10)
        ended = ledger.get("acme", "ended")
        ledger.apply(lease, after(ended, Claimed(), Failed(reason=Reason.TOO_LONG, detail="")), ended.version)
        ledger.create(make_job("queued", created_at_s=3_000.0))
        assert [job.id for job in ledger.live(lease)] == ["running", "claimed"]
        clock.advance(TTL_S + 1)
        assert [job.id for job in another.live(won(another.acquire_lease("coordinator-2", TTL_S)))] == ["running"]

    # Writing

    def test_apply(self, ledger: Ledger, another: Ledger, lease: Lease, running: Job, clock: ManualClock) -> None:
        """A write replaces the job under the next version and the ledger's time."""
        clock.advance(5)
        job = replace(running, progress=Progress(audio_s=60.5, done_s=0.25), n_chunks=3)
        stored = ledger.apply(lease, job, running.version)
        assert stored == replace(job, version=running.version + 1, updated_at_s=clock())
        assert another.get("acme", "running") == stored

    def test_finished_chunks_stay_in_memory(self, ledger: Ledger, lease: Lease, running: Job) -> None:
        """The set of finished chunks is handed back to the writer and not stored."""
        stored = ledger.apply(lease, replace(running, finished=frozenset({1, 2})), running.version)
        assert stored.finished == {1, 2}
        assert ledger.get("acme", "running").finished == frozenset()

    def test_stale_write(self, ledger: Ledger, lease: Lease, running: Job) -> None:
        """A write that is based on an older version changes nothing."""
        newer = ledger.apply(lease, after(running, *TRANSCRIBED), running.version)
        for version in (running.version, newer.version + 1, 0):
            with pytest.raises(VersionConflict):
                ledger.apply(lease, replace(running, detail="stale"), version)
        assert ledger.get("acme", "running") == newer

    def test_repeated_write(self, ledger: Ledger, lease: Lease, running: Job, clock: ManualClock) -> None:
        """A writer that got no answer may write again: nothing happens twice."""
        job = after(running, *TRANSCRIBED)
        stored = ledger.apply(lease, job, running.version)
        clock.advance(5)
        assert ledger.apply(lease, job, running.version) == stored
        assert ledger.get("acme", "running") == stored
        assert [event.name for event in ledger.events("acme", "running")].count("summarizing") == 1

    def test_write_of_another_lease_is_no_repetition(
        self, ledger: Ledger, another: Ledger, lease: Lease, running: Job
    ) -> None:
        """The same content written under an older lease does not count as one's own write."""
        job = after(running, *TRANSCRIBED)
        ledger.apply(lease, job, running.version)
        ledger.release(lease)
        successor = won(another.acquire_lease("coordinator-2", TTL_S))
        with pytest.raises(VersionConflict):
            another.apply(successor, job, running.version)

    def test_apply_many(self, ledger: Ledger, lease: Lease) -> None:
        """Many jobs are written at once; each gets its own outcome."""
        for i in range(5):
            ledger.create(make_job(f"j{i}"))
        jobs = [after(job, Claimed()) for job in ledger.claim(lease, 10)]
        ledger.delete("acme", "j3")
        updates = [JobUpdate(job, job.version + (job.id == "j2")) for job in jobs]
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

    def test_two_writes_of_a_job_at_once(self, ledger: Ledger, lease: Lease, running: Job) -> None:
        """One batch may carry a job forward twice; a second write that is based on the old version conflicts."""
        second = after(running, *TRANSCRIBED)
        third = after(second, ResultsStored(names=("transcript.json",)))
        outcomes = ledger.apply_many(lease, [JobUpdate(second, 2), JobUpdate(third, 3), JobUpdate(second, 2)])
        assert [outcome.version for outcome in outcomes if isinstance(outcome, Job)] == [3, 4]
        assert isinstance(outcomes[2], VersionConflict)
        assert ledger.get("acme", "running").results == ("transcript.json",)
        names = [event.name for event in ledger.events("acme", "running")]
        assert names == ["created", "transcribing", "summarizing", "succeeded"]

    def test_job_cannot_change_its_tenant(self, ledger: Ledger, lease: Lease, running: Job) -> None:
        """A write under another tenant's name does not find the job."""
        with pytest.raises(JobUnknown):
            ledger.apply(lease, replace(running, tenant="umbrella"), running.version)

    # Many at once

    def test_threads_lose_nothing(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
        """Eight threads create while others claim: every job is claimed exactly once."""
        n_threads, n_jobs = 8, 12
        claimed: list[str] = []

        def create(thread: int) -> None:
            for i in range(n_jobs):
                ledger.create(make_job(f"j{thread}-{i}", created_at_s=float(i)), idempotency_key=f"{thread}-{i}")

        def claim() -> list[str]:
            return [job.id for job in another.claim(lease, 5)]

        with ThreadPoolExecutor(n_threads) as pool:
            creators = [pool.submit(create, thread) for thread in range(n_threads)]
            while not all(creator.done() for creator in creators):
                with ThreadPoolExecutor(4) as claimers:
                    for claimer in [claimers.submit(claim) for _ in range(4)]:
                        claimed += claimer.result()
            for creator in creators:
                creator.result()
        while found := claim():
            claimed += found
        assert Counter(claimed) == Counter(f"j{thread}-{i}" for thread in range(n_threads) for i in range(n_jobs))
        assert ledger.counts()[JobState.QUEUED] == n_threads * n_jobs

    def test_threads_share_a_key(self, ledger: Ledger, another: Ledger) -> None:
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

    def test_cancels_and_writes_at_once(self, ledger: Ledger, another: Ledger, lease: Lease) -> None:
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

    def test_rival_coordinators(self, ledger: Ledger, another: Ledger, clock: ManualClock) -> None:
        """Two owners that keep grabbing the lease from each other never write a job's same version twice."""
        ledger.create(make_job("j1"))
        for round_no in range(6):
            mine, theirs = (ledger, another) if round_no % 2 else (another, ledger)
            old = won(mine.acquire_lease(f"owner-{round_no % 2}", TTL_S))
            clock.advance(TTL_S + 1)
            new = won(theirs.acquire_lease(f"owner-{1 - round_no % 2}", TTL_S))
            job = mine.get("acme", "j1")
            with ThreadPoolExecutor(2) as pool:
                loser = pool.submit(mine.apply, old, replace(job, detail=f"loser {round_no}"), job.version)
                winner = pool.submit(theirs.apply, new, replace(job, detail=f"winner {round_no}"), job.version)
                with pytest.raises(Fenced):
                    loser.result()
                assert winner.result().version == job.version + 1
            assert ledger.get("acme", "j1").detail == f"winner {round_no}"
            clock.advance(TTL_S + 1)
