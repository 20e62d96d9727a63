"""`DeliveryWorker`: takes due messages from the outbox, has them sent, and settles the outcome.

It may die at any moment, and several may run at once: what was taken and not settled becomes due again, under the same
id. A slow receiver holds up nobody else: each target has its few attempts at a time.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import structlog

from deployments.artifacts.storage_retry import StorageRetry
from deployments.schemas.jobs import host_of
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.errors import LedgerError
from pipelines.ledger.outbox import Channel, Delivery, DeliveryAttempt, DeliveryState, Message, Outbox, next_delay_s

log = structlog.get_logger()

MAX_DETAIL_CHARS = 500


class DeliveryOutcome(Enum):
    """The outcome of an attempt. ``REFUSED``: a retry would not help. ``GONE``: the target wants no more messages."""

    DELIVERED = auto()
    AGAIN = auto()
    REFUSED = auto()
    GONE = auto()


@dataclass(frozen=True, kw_only=True)
class DeliveryResult:
    """The outcome of an attempt, the receiver's status code if it answered, and how long it asked to be left alone."""

    outcome: DeliveryOutcome
    status: int | None = None
    detail: str = ""
    retry_after_s: float = 0.0


class Sender(Protocol):
    """Sends messages of one channel."""

    async def send(self, message: Message) -> DeliveryResult:
        """Try once; whatever happens is a result."""


@dataclass(frozen=True, kw_only=True)
class DeliveryOptions:
    """``hold_s`` must be longer than any attempt takes: afterwards another worker may try the same message."""

    max_at_once: int = 32
    per_target: int = 4
    hold_s: float = 120.0
    poll_s: float = 1.0


class DeliveryWorker:
    """Delivers until it is stopped. Belongs to one event loop."""

    def __init__(
        self,
        outbox: Outbox,
        senders: Mapping[Channel, Sender],
        *,
        options: DeliveryOptions | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        counters: CoordinatorMetrics | None = None,
    ) -> None:
        """Take a ``clock`` of Unix seconds, and a ``jitter`` that gives numbers from 0 to 1."""
        self._outbox = outbox
        self._senders = senders
        self._options = options or DeliveryOptions()
        self._clock = clock
        self._jitter = jitter
        self._counters = counters or CoordinatorMetrics()
        self._storage_retry = StorageRetry()
        self._underway: dict[asyncio.Task[None], str] = {}

    async def run(self) -> None:
        """Deliver for ever; cancel it to stop."""
        try:
            while True:
                try:
                    await self.take()
                except LedgerError as error:
                    log.warning("deliveries wait for the ledger", action="deliver", error=str(error))
                await self._pause()
        finally:
            for task in self._underway:
                task.cancel()
            await asyncio.gather(*self._underway, return_exceptions=True)

    async def take(self) -> int:
        """Start due deliveries up to the limit of concurrent ones; return how many."""
        room = self._options.max_at_once - len(self._underway)
        if room <= 0:
            return 0
        busy = [target for target, n in Counter(self._underway.values()).items() if n >= self._options.per_target]
        taken = await asyncio.to_thread(
            self._outbox.take_due, room, hold_s=self._options.hold_s, per_target=self._options.per_target, busy=busy
        )
        for delivery in taken:
            task = asyncio.create_task(self._deliver(delivery), name=f"delivery {delivery.message.id}")
            self._underway[task] = delivery.message.target
            task.add_done_callback(lambda done: self._underway.pop(done, None))
        return len(taken)

    async def _pause(self) -> None:
        """Wait until a delivery has ended, which makes room, or until the next poll is due."""
        if self._underway:
            await asyncio.wait(self._underway, timeout=self._options.poll_s, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self._options.poll_s)

    async def _deliver(self, delivery: Delivery) -> None:
        message = delivery.message
        began = time.monotonic()
        at_s = self._clock()
        receipt = await self._carry(message)
        attempt = DeliveryAttempt(
            at_s=at_s,
            duration_s=time.monotonic() - began,
            status=receipt.status,
            detail=receipt.detail[:MAX_DETAIL_CHARS],
        )
        state, next_at_s = self._judge(receipt, delivery.n_attempts + 1)
        log.info(
            "delivery",
            action=state,
            job_id=message.job_id,
            delivery=message.id,
            target=host_of(message.target),
            status=receipt.status,
        )
        self._counters.delivered(message.channel, state, attempt.duration_s)
        await self._storage_retry.in_thread(self._outbox.settle, message.id, attempt, state, next_at_s)

    async def _carry(self, message: Message) -> DeliveryResult:
        sender = self._senders.get(message.channel)
        if sender is None:
            return DeliveryResult(
                outcome=DeliveryOutcome.AGAIN, detail=f"{message.channel} is not configured on this server"
            )
        try:
            return await sender.send(message)
        except Exception as error:  # a fault of ours must not end the worker, nor lose the message
            log.exception("delivery failed", action="deliver", delivery=message.id)
            return DeliveryResult(outcome=DeliveryOutcome.AGAIN, detail=f"{type(error).__name__}: {error}")

    def _judge(self, receipt: DeliveryResult, n_attempts: int) -> tuple[DeliveryState, float | None]:
        match receipt.outcome:
            case DeliveryOutcome.DELIVERED:
                return DeliveryState.DELIVERED, None
            case DeliveryOutcome.REFUSED:
                return DeliveryState.FAILED, None
            case DeliveryOutcome.GONE:
                return DeliveryState.DISABLED, None
            case DeliveryOutcome.AGAIN:
                delay_s = next_delay_s(n_attempts, jitter=self._jitter(), retry_after_s=receipt.retry_after_s)
                if delay_s is None:
                    return DeliveryState.FAILED, None
                return DeliveryState.PENDING, self._clock() + delay_s
