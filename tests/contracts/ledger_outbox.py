"""What every ledger's outbox must do: messages come with the change they tell of, and wait until they are settled."""

from collections.abc import Collection
from typing import Protocol

import pytest

from pipelines.errors import Fenced, JobUnknown, NotFound, Reason, VersionConflict
from pipelines.jobs.events import Claimed, Failed
from pipelines.jobs.job import Job
from pipelines.ledger.outbox import DeliveryAttempt, DeliveryState, Message
from pipelines.ledger.protocol import Lease, Ledger
from tests.contracts.ledger_base import TTL_S, LedgerBase, after, make_job
from tests.fakes.ledger import ManualClock


class Write(Protocol):
    """Ends a new job with these messages; returns it as stored, as it was written, and over which version."""

    def __call__(self, *messages: Message, job_id: str = "running") -> tuple[Job, Job, int]: ...


HOOK = "https://hooks.example/1"


def message(name: str = "m1", *, job_id: str = "running", target: str = HOOK, tenant: str = "acme") -> Message:
    return Message(
        id=name, tenant=tenant, job_id=job_id, channel="webhook", event="job.failed", target=target, body="{}"
    )


def attempt(clock: ManualClock, status: int | None = 500, detail: str = "oh") -> DeliveryAttempt:
    return DeliveryAttempt(at_s=clock(), duration_s=0.5, status=status, detail=detail)


class OutboxContract(LedgerBase):
    """Writing, taking, settling, replaying."""

    @pytest.fixture
    def write(self, ledger: Ledger, lease: Lease) -> Write:
        """Ends a new job with these messages."""

        def write(*messages: Message, job_id: str = "running") -> tuple[Job, Job, int]:
            ledger.create(make_job(job_id))
            (job,) = ledger.claim(lease, 1)
            job = ledger.apply(lease, after(job, Claimed()), job.version)
            failed = after(job, Failed(reason=Reason.TIMED_OUT, detail="late"))
            return ledger.apply(lease, failed, job.version, messages), failed, job.version

        return write

    def take(self, ledger: Ledger, n: int = 10, *, per_target: int = 4, busy: Collection[str] = ()) -> list[str]:
        taken = ledger.outbox.take_due(n, hold_s=60.0, per_target=per_target, busy=busy)
        return [delivery.message.id for delivery in taken]

    def test_messages_come_with_the_write(self, ledger: Ledger, another: Ledger, lease: Lease, write: Write) -> None:
        """A write brings its messages once, also when it is repeated; a refused one brings none."""
        stored, failed, version = write(message())
        assert ledger.apply(lease, failed, version, [message()]) == stored
        with pytest.raises(VersionConflict):
            ledger.apply(lease, after(failed), version - 1, [message("m2")])
        another.acquire_lease(lease.owner, TTL_S)
        with pytest.raises(Fenced):
            ledger.apply(lease, failed, stored.version, [message("m3")])
        (delivery,) = another.outbox.of_job("acme", "running")
        assert delivery.message == message()
        assert delivery.state is DeliveryState.PENDING
        assert (delivery.n_attempts, delivery.attempts) == (0, ())

    def test_what_is_taken_is_hidden_for_a_while(
        self, ledger: Ledger, another: Ledger, write: Write, clock: ManualClock
    ) -> None:
        """Nobody else gets a taken message until its time is up: then whoever took it must have died."""
        write(message())
        assert self.take(ledger) == ["m1"]
        clock.advance(59)
        assert self.take(another) == []
        clock.advance(2)
        assert self.take(another) == ["m1"]

    def test_a_target_gets_its_share(self, ledger: Ledger, write: Write) -> None:
        """No more than so many messages for one target at once, none for a busy one, the longest due first."""
        write(*(message(f"a{n}") for n in range(5)), message("b", target="https://other.example"))
        assert self.take(ledger, busy=[HOOK]) == ["b"]
        assert self.take(ledger, 2, per_target=3) == ["a0", "a1"]
        assert self.take(ledger) == ["a2", "a3", "a4"]

    def test_settled_deliveries(self, ledger: Ledger, write: Write, clock: ManualClock) -> None:
        """A vain attempt puts a message off, success ends it, and a late second attempt changes nothing any more."""
        write(message())
        self.take(ledger)
        ledger.outbox.settle("m1", attempt(clock), DeliveryState.PENDING, clock() + 5)
        assert self.take(ledger) == []
        clock.advance(6)
        assert self.take(ledger) == ["m1"]
        ledger.outbox.settle("m1", attempt(clock, 204, ""), DeliveryState.DELIVERED)
        ledger.outbox.settle("m1", attempt(clock, None, "lost"), DeliveryState.PENDING, clock() + 5)
        (delivery,) = ledger.outbox.of_job("acme", "running")
        assert (delivery.state, delivery.n_attempts) == (DeliveryState.DELIVERED, 2)
        assert [(one.status, one.detail) for one in delivery.attempts] == [(500, "oh"), (204, ""), (None, "lost")]
        clock.advance(1000)
        assert self.take(ledger) == []

    def test_a_target_that_wants_no_more(self, ledger: Ledger, write: Write, clock: ManualClock) -> None:
        """What waits for it and what comes later is disabled, for this tenant only, until one is replayed."""
        write(message("m1"), message("m2"), message("other", target="https://other.example"))
        assert self.take(ledger, 1) == ["m1"]
        ledger.outbox.settle("m1", attempt(clock, 410), DeliveryState.DISABLED)
        assert self.take(ledger) == ["other"]
        write(message("m3", job_id="later"), job_id="later")
        assert [held.state for held in ledger.outbox.of_job("acme", "later")] == [DeliveryState.DISABLED]
        assert ledger.outbox.replay("acme", "running", "m2").state is DeliveryState.PENDING
        write(message("m4", job_id="again"), job_id="again")
        assert self.take(ledger) == ["m2", "m4"]

    def test_replay(self, ledger: Ledger, write: Write, clock: ManualClock) -> None:
        """A delivery may be made again, with its whole schedule; what is not there is an enumerated error."""
        write(message())
        self.take(ledger)
        ledger.outbox.settle("m1", attempt(clock), DeliveryState.FAILED)
        assert self.take(ledger) == []
        again = ledger.outbox.replay("acme", "running", "m1")
        assert (again.state, again.n_attempts) == (DeliveryState.PENDING, 0)
        assert self.take(ledger) == ["m1"]
        with pytest.raises(NotFound):
            ledger.outbox.replay("acme", "running", "m2")
        with pytest.raises(JobUnknown):
            ledger.outbox.replay("somebody else", "running", "m1")

    def test_lists(self, ledger: Ledger, write: Write, clock: ManualClock) -> None:
        """A tenant's deliveries by state, newest first; nobody sees another tenant's."""
        write(message("m1"))
        clock.advance(1)
        write(message("m2", job_id="later"), job_id="later")
        self.take(ledger, 1)
        ledger.outbox.settle("m1", attempt(clock), DeliveryState.FAILED)
        assert [held.message.id for held in ledger.outbox.recent("acme")] == ["m2", "m1"]
        assert [held.message.id for held in ledger.outbox.recent("acme", states=[DeliveryState.FAILED])] == ["m1"]
        assert [held.message.id for held in ledger.outbox.recent("acme", limit=1)] == ["m2"]
        assert ledger.outbox.recent("somebody else") == []
        with pytest.raises(JobUnknown):
            ledger.outbox.of_job("somebody else", "running")

    def test_targets_go_with_the_last_message_to_them(self, ledger: Ledger, write: Write, clock: ManualClock) -> None:
        """That an address wants no more messages is known as long as a job knows the address."""
        write(message())
        write(message("m2", job_id="later"), job_id="later")
        for name in self.take(ledger):
            ledger.outbox.settle(name, attempt(clock, 410, "gone"), DeliveryState.DISABLED)
        ledger.delete("acme", "running")
        write(message("m3", job_id="third"), job_id="third")
        assert self.take(ledger) == []
        ledger.delete("acme", "later")
        ledger.delete("acme", "third")
        write(message("m4", job_id="fourth"), job_id="fourth")
        assert self.take(ledger) == ["m4"]

    def test_deleted_jobs(self, ledger: Ledger, write: Write, clock: ManualClock) -> None:
        """With a job go its messages; an attempt that comes back after that is no error."""
        write(message())
        self.take(ledger)
        ledger.delete("acme", "running")
        ledger.outbox.settle("m1", attempt(clock), DeliveryState.PENDING, clock())
        clock.advance(100)
        assert self.take(ledger) == []
        assert ledger.outbox.recent("acme") == []
