"""What several Coordinators may ask of every ledger: each its own jobs under its own lease, and moves between them."""

import itertools

import pytest

from pipelines.errors import Fenced, LedgerError
from pipelines.jobs.events import Claimed
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.protocol import JobUpdate, Lease, Ledger
from pipelines.scheduling.shards import Shard, shard_index
from tests.contracts.ledger_base import TTL_S, LedgerBase, after, make_job, won
from tests.fakes.ledger import ManualClock


def ids_of(shard: Shard, n: int) -> list[str]:
    """Ids of so many jobs that belong to a shard."""
    names = (f"j{number}" for number in itertools.count())
    return list(itertools.islice(filter(shard.owns, names), n))


class ShardsContract(LedgerBase):
    """Two shards at once, and other numbers of them afterwards."""

    @pytest.fixture
    def shards(self, ledger: Ledger, another: Ledger) -> tuple[Lease, Lease]:
        """The leases of two shards, held by two owners at the same time."""
        first, second = (
            won(side.acquire_lease(f"owner-{index}", TTL_S, Shard(index, 2)))
            for index, side in enumerate((ledger, another))
        )
        assert first.fence != second.fence
        return first, second

    def test_each_claims_its_own(self, ledger: Ledger, another: Ledger, shards: tuple[Lease, Lease]) -> None:
        """Every job is claimed by exactly the shard that it belongs to, and seen live by no other."""
        ids = [f"j{number}" for number in range(30)]
        for job_id in ids:
            ledger.create(make_job(job_id))
        claimed = [
            [job.id for job in side.claim(lease, 100)] for side, lease in zip((ledger, another), shards, strict=True)
        ]
        assert [sorted(found) for found in claimed] == [
            sorted(job_id for job_id in ids if shard_index(job_id, 2) == index) for index in range(2)
        ]
        assert all(claimed)
        assert [{job.id for job in ledger.live(lease)} for lease in shards] == [set(found) for found in claimed]

    def test_each_counts_and_cancels_its_own(self, ledger: Ledger, shards: tuple[Lease, Lease]) -> None:
        """Counts of waiting jobs add up over the shards, and a wish to cancel reaches one of them."""
        mine, theirs = ids_of(shards[0].shard, 3), ids_of(shards[1].shard, 2)
        for job_id in (*mine, *theirs):
            ledger.create(make_job(job_id))
        ledger.request_cancel("acme", mine[0])
        assert [[each.n_jobs for each in ledger.queued_jobs(lease.shard)] for lease in shards] == [[3], [2]]
        assert [each.n_jobs for each in ledger.queued_jobs()] == [5]
        assert [[job.id for job in ledger.cancel_requests(lease)] for lease in shards] == [mine[:1], []]

    def test_each_promotes_its_own(self, ledger: Ledger, shards: tuple[Lease, Lease]) -> None:
        """Economy jobs that are due soon are promoted once, by the shard that they belong to."""
        for job_id in (*ids_of(shards[0].shard, 2), *ids_of(shards[1].shard, 1)):
            ledger.create(make_job(job_id, priority_class="economy"))
        due_s = 1_000_000_000.0
        assert [ledger.promote_economy(lease, due_s) for lease in (*shards, *shards)] == [2, 1, 0, 0]

    def test_jobs_in_hand_of_all_shards_count(self, ledger: Ledger, shards: tuple[Lease, Lease]) -> None:
        """A tenant with many jobs in hand at another shard comes after one with none."""
        mine, theirs = ids_of(shards[0].shard, 2), ids_of(shards[1].shard, 3)
        for job_id in theirs:
            ledger.create(make_job(job_id, tenant="bulk"))
        for job in ledger.claim(shards[1], 3):
            ledger.apply(shards[1], after(job, Claimed()), job.version)
        ledger.create(make_job(mine[0], tenant="bulk", created_at_s=1.0))
        ledger.create(make_job(mine[1], tenant="clinic", created_at_s=2.0))
        assert [job.tenant for job in ledger.claim(shards[0], 2)] == ["clinic", "bulk"]

    def test_no_write_of_another_shards_job(self, ledger: Ledger, shards: tuple[Lease, Lease]) -> None:
        """A Coordinator writes its own jobs only; one that is not its own leaves the others of a write alone."""
        mine, theirs = ids_of(shards[0].shard, 1)[0], ids_of(shards[1].shard, 1)[0]
        jobs = [ledger.create(make_job(job_id))[0] for job_id in (mine, theirs)]
        outcomes = ledger.apply_many(shards[0], [JobUpdate(after(job, Claimed()), job.version) for job in jobs])
        assert isinstance(outcomes[0], Job)
        assert type(outcomes[1]) is LedgerError
        with pytest.raises(LedgerError, match="not one of shard 0 of 2"):
            ledger.record(shards[0], jobs[1], "note")
        assert ledger.get("acme", theirs).state is JobState.QUEUED
        assert [event.name for event in ledger.events("acme", theirs)] == ["created"]

    def test_a_shard_that_lost_its_lease_is_refused(
        self, ledger: Ledger, another: Ledger, shards: tuple[Lease, Lease], clock: ManualClock
    ) -> None:
        """The successor of one shard fences it out; the other shard writes on under its own lease."""
        mine, theirs = ids_of(shards[0].shard, 1)[0], ids_of(shards[1].shard, 1)[0]
        jobs = [ledger.create(make_job(job_id))[0] for job_id in (mine, theirs)]
        clock.advance(TTL_S + 1)
        successor = won(another.acquire_lease("owner-2", TTL_S, shards[0].shard))
        assert successor.fence > max(lease.fence for lease in shards)
        with pytest.raises(Fenced):
            ledger.apply(shards[0], after(jobs[0], Claimed()), jobs[0].version)
        assert ledger.apply(shards[1], after(jobs[1], Claimed()), jobs[1].version).state is JobState.TRANSCRIBING
        assert another.apply(successor, after(jobs[0], Claimed()), jobs[0].version).state is JobState.TRANSCRIBING

    def test_another_number_waits_for_all_it_takes_over_from(
        self, ledger: Ledger, another: Ledger, shards: tuple[Lease, Lease]
    ) -> None:
        """A shard of another number is taken once those that it shares jobs with gave up theirs, and not before."""
        first, middle, last = (Shard(index, 3) for index in range(3))
        assert another.acquire_lease("new-0", TTL_S, first) is None
        ledger.release(shards[0])
        assert another.acquire_lease("new-1", TTL_S, middle) is None, "it shares jobs with the second, too"
        assert another.acquire_lease("new-2", TTL_S, last) is None
        assert won(another.acquire_lease("new-0", TTL_S, first)).shard == first
        ledger.release(shards[1])
        assert won(another.acquire_lease("new-1", TTL_S, middle)).shard == middle
        assert won(another.acquire_lease("new-2", TTL_S, last)).shard == last
        assert ledger.acquire_lease("old-0", TTL_S, shards[0].shard) is None, "the move is not undone by a latecomer"

    def test_another_number_fences_out(
        self, ledger: Ledger, another: Ledger, shards: tuple[Lease, Lease], clock: ManualClock
    ) -> None:
        """A Coordinator whose lease ran out cannot renew it once its jobs moved, whatever their number of shards is."""
        clock.advance(TTL_S + 1)
        whole = won(another.acquire_lease("only", TTL_S))
        for lease in shards:
            with pytest.raises(Fenced):
                ledger.heartbeat(lease)
            with pytest.raises(Fenced):
                ledger.claim(lease, 1)
        clock.advance(TTL_S + 1)
        again = won(ledger.acquire_lease("owner-1", TTL_S, shards[1].shard))
        assert again.fence > whole.fence
        with pytest.raises(Fenced):
            another.heartbeat(whole)

    def test_moves_lose_nothing(self, ledger: Ledger, another: Ledger, shards: tuple[Lease, Lease]) -> None:
        """After a change of their number the shards find all jobs: begun ones are live, others are to be claimed."""
        ids = {f"j{number}" for number in range(24)}
        for job_id in sorted(ids):
            ledger.create(make_job(job_id))
        for lease in shards:
            claimed = ledger.claim(lease, 8)
            for job in claimed[:4]:
                ledger.apply(lease, after(job, Claimed()), job.version)
            ledger.release(lease)
        begun = {job.id for job in ledger.list(None).jobs if job.state is JobState.TRANSCRIBING}
        assert len(begun) == 8
        new = [won(another.acquire_lease(f"new-{index}", TTL_S, Shard(index, 5))) for index in range(5)]
        live = [job.id for lease in new for job in another.live(lease)]
        claimed_ids = [job.id for lease in new for job in another.claim(lease, 100)]
        assert sorted(live) == sorted(begun)
        assert sorted(claimed_ids) == sorted(ids - begun)
