"""The outbox in memory: passes the same contract tests as the one in a database."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from pipelines.errors import NotFound
from pipelines.jobs.job import Job
from pipelines.ledger.outbox import Delivery, DeliveryAttempt, DeliveryState, Message
from pipelines.ledger.protocol import Clock


class MemoryOutbox:
    """`pipelines.ledger.outbox.Outbox` in dicts.

    ``check`` raises during an outage; ``get_job`` is the ledger's `get`.
    """

    def __init__(self, *, check: Callable[[], None], get_job: Callable[[str, str], Job], clock: Clock) -> None:
        self._check = check
        self._get_job = get_job
        self._clock = clock
        self._lock = threading.RLock()
        self._deliveries: dict[str, Delivery] = {}
        self._disabled: set[tuple[str, str]] = set()

    def insert(self, messages: Sequence[Message]) -> None:
        """What `Ledger.apply` does with its messages."""
        now_s = self._clock()
        for message in messages:
            disabled = (message.tenant, message.target) in self._disabled
            self._deliveries[message.id] = Delivery(
                message=message,
                state=DeliveryState.DISABLED if disabled else DeliveryState.PENDING,
                created_at_s=now_s,
                n_attempts=0,
                next_attempt_at_s=None if disabled else now_s,
            )

    def forget(self, job_id: str) -> None:
        """What `Ledger.delete` does with a job's messages."""
        self._deliveries = {key: held for key, held in self._deliveries.items() if held.message.job_id != job_id}
        self._disabled &= {(held.message.tenant, held.message.target) for held in self._deliveries.values()}

    def take_due(self, limit: int, *, hold_s: float, per_target: int, busy: Collection[str] = ()) -> Sequence[Delivery]:
        """Take messages whose time has come; see `pipelines.ledger.outbox.Outbox.take_due`."""
        self._check()
        with self._lock:
            now_s = self._clock()
            taken: list[Delivery] = []
            n_taken: Counter[tuple[str, str]] = Counter()
            pending = [held for held in self._deliveries.values() if held.state is DeliveryState.PENDING]
            for held in sorted(pending, key=lambda one: (one.next_attempt_at_s or 0.0, one.message.id)):
                name = (held.message.tenant, held.message.target)
                ripe = (held.next_attempt_at_s or 0.0) <= now_s
                if not ripe or held.message.target in busy or n_taken[name] == per_target or len(taken) == limit:
                    continue
                n_taken[name] += 1
                taken.append(replace(held, attempts=()))
                self._deliveries[held.message.id] = replace(held, next_attempt_at_s=now_s + hold_s)
            return taken

    def settle(
        self, delivery_id: str, attempt: DeliveryAttempt, state: DeliveryState, next_attempt_at_s: float | None = None
    ) -> None:
        """Enter an attempt and what follows from it; see `pipelines.ledger.outbox.Outbox.settle`."""
        self._check()
        with self._lock:
            held = self._deliveries.get(delivery_id)
            if held is None:
                return
            after = replace(held, attempts=(*held.attempts, attempt))
            if held.state is DeliveryState.PENDING:
                after = replace(after, state=state, n_attempts=held.n_attempts + 1, next_attempt_at_s=next_attempt_at_s)
            self._deliveries[delivery_id] = after
            if state is DeliveryState.DISABLED and held.state is DeliveryState.PENDING:
                self._disable(held.message)

    def of_job(self, tenant: str, job_id: str) -> Sequence[Delivery]:
        """Return a job's deliveries with their attempts, oldest first; raises `JobUnknown`."""
        self._get_job(tenant, job_id)
        with self._lock:
            found = [held for held in self._deliveries.values() if held.message.job_id == job_id]
        return sorted(found, key=lambda held: (held.created_at_s, held.message.id))

    def recent(self, tenant: str, *, states: Collection[DeliveryState] = (), limit: int = 100) -> Sequence[Delivery]:
        """Return a tenant's deliveries without their attempts, newest first."""
        self._check()
        with self._lock:
            found = [
                replace(held, attempts=())
                for held in self._deliveries.values()
                if held.message.tenant == tenant and (not states or held.state in states)
            ]
        return sorted(found, key=lambda held: (held.created_at_s, held.message.id))[::-1][:limit]

    def replay(self, tenant: str, job_id: str, delivery_id: str) -> Delivery:
        """Make a delivery due now; see `pipelines.ledger.outbox.Outbox.replay`."""
        self._get_job(tenant, job_id)
        with self._lock:
            held = self._deliveries.get(delivery_id)
            if held is None or held.message.job_id != job_id:
                raise NotFound(f"Job {job_id} has no delivery {delivery_id}.")
            self._disabled.discard((held.message.tenant, held.message.target))
            again = replace(
                held, state=DeliveryState.PENDING, n_attempts=0, next_attempt_at_s=self._clock(), attempts=held.attempts
            )
            self._deliveries[delivery_id] = again
            return replace(again, attempts=())

    def _disable(self, message: Message) -> None:
        self._disabled.add((message.tenant, message.target))
        for key, held in self._deliveries.items():
            same = (held.message.tenant, held.message.target) == (message.tenant, message.target)
            if same and held.state is DeliveryState.PENDING:
                self._deliveries[key] = replace(held, state=DeliveryState.DISABLED, next_attempt_at_s=None)
