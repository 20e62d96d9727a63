"""The outbox: messages about jobs, made durable together with the change they report, and delivered at least once.

`Ledger.apply` writes a message in the transaction of the change it reports. A delivery worker takes messages that are
due (`Outbox.take_due`), which hides them from others for a while, and settles each attempt. A process that dies in
between has delivered or not: the message becomes due again, under the same id, by which receivers tell repetitions.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

Channel = Literal["webhook", "email"]

DELAYS_S = (0.0, 5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Before each attempt, counted from the one before: the schedule that Standard Webhooks 1.0.0 recommends."""
JITTER = 0.2
MAX_RETRY_AFTER_S = DELAYS_S[-1]


class DeliveryState(StrEnum):
    """The state of a delivery. ``FAILED``: no attempt is left. ``DISABLED``: its target wants no more messages."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    DISABLED = "disabled"


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message to deliver: ``body`` to ``target``, a URL or an e-mail address; ``event`` names its cause."""

    id: str
    tenant: str
    job_id: str
    channel: Channel
    event: str
    target: str
    body: str


@dataclass(frozen=True, kw_only=True)
class DeliveryAttempt:
    """One try: when (Unix seconds), how long it took, the receiver's status if it answered, and what it said."""

    at_s: float
    duration_s: float
    status: int | None
    detail: str


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A message and how far it has come. ``n_attempts`` counts since its creation, or since it was replayed."""

    message: Message
    state: DeliveryState
    created_at_s: float
    n_attempts: int
    next_attempt_at_s: float | None
    attempts: tuple[DeliveryAttempt, ...] = field(default=())


class Outbox(Protocol):
    """The durable queue of messages; part of a ledger. Methods block, are thread-safe, raise `LedgerUnavailable`."""

    def take_due(self, limit: int, *, hold_s: float, per_target: int, busy: Collection[str] = ()) -> Sequence[Delivery]:
        """Take messages whose time has come, the longest due first, and hide them from others for ``hold_s`` seconds.

        At most ``per_target`` for one target and none for a ``busy`` one, so that a slow receiver holds up no others.
        """

    def settle(
        self, delivery_id: str, attempt: DeliveryAttempt, state: DeliveryState, next_attempt_at_s: float | None = None
    ) -> None:
        """Enter an attempt and what follows from it; a delivery that somebody has settled for good stays as it is.

        ``DISABLED`` also ends what else is pending for the target, and what will be written for it, until a delivery
        to it is replayed. Does nothing for a message whose job was deleted meanwhile.
        """

    def of_job(self, tenant: str, job_id: str) -> Sequence[Delivery]:
        """Return a job's deliveries with their attempts, oldest first; raises `JobUnknown`."""

    def recent(self, tenant: str, *, states: Collection[DeliveryState] = (), limit: int = 100) -> Sequence[Delivery]:
        """Return a tenant's deliveries without their attempts, newest first; no ``states`` means all."""

    def replay(self, tenant: str, job_id: str, delivery_id: str) -> Delivery:
        """Make a delivery due now, with all its attempts before it, whatever became of it.

        Raises `JobUnknown`, and `NotFound` when the job has no such delivery.
        """


def next_delay_s(n_attempts: int, *, jitter: float, retry_after_s: float = 0.0) -> float | None:
    """Return seconds until the next attempt after ``n_attempts`` in vain; None when that was the last one.

    ``jitter`` is drawn evenly from 0 to 1 and spreads the delay over ± `JITTER`. The receiver's ``retry_after_s`` is
    honoured, but for no more than a day.
    """
    if n_attempts >= len(DELAYS_S):
        return None
    spread = 1.0 + JITTER * (2.0 * jitter - 1.0)
    return max(DELAYS_S[n_attempts] * spread, min(retry_after_s, MAX_RETRY_AFTER_S))
