"""A tenant's budget for minutes per day (UTC), in tokens and dollars."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import TracebackType

import structlog
from pydantic import ValidationError

from pipelines.codec import decode
from pipelines.core import Usage
from pipelines.errors import BlobMissing, LedgerUnavailable, MinutesParked
from pipelines.ids import new_id
from pipelines.minutes.provider.faults import CallFailed
from pipelines.minutes.provider.spending_book import Ceiling, DailyLimits, Room, SpendingBook
from pipelines.storage.layout import TenantKeys
from pipelines.storage.protocol import BlobStore

LATER_S = 15.0
"""A call that finds no room beside those under way is tried again after so long."""

log = structlog.get_logger()


class Budget:
    """Sets aside what calls may use, and counts what they used, in a book that all processes share.

    ``clock`` gives the time (aware). ``earlier`` holds the spending of the day on which releases that kept it in
    blobs were replaced.
    """

    def __init__(
        self, limits: DailyLimits, clock: Callable[[], datetime], book: SpendingBook, earlier: BlobStore | None = None
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._book = book
        self._earlier = earlier
        self._opened: set[tuple[str, date]] = set()

    async def reserve(self, tenant: str, most: Ceiling) -> "Reservation":
        """Set aside the most that a call can use.

        Raises `MinutesParked` when the day's budget would not cover it, or does not beside the calls under way, or the
        ledger is away.
        """
        now = self._clock().astimezone(UTC)
        reservation = Reservation(self._book, tenant, now.date())
        try:
            room = await asyncio.to_thread(self._reserve, reservation, most)
        except LedgerUnavailable as error:
            raise MinutesParked(f"the budget for minutes cannot be asked: {error}") from error
        if room is Room.NONE:
            midnight = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
            raise MinutesParked(
                f"today's budget for minutes is used up; it is renewed at {midnight:%Y-%m-%d %H:%M} UTC",
                not_before_s=midnight.timestamp(),
            )
        if room is Room.LATER:
            raise MinutesParked(
                "calls under way may use up today's budget for minutes", not_before_s=now.timestamp() + LATER_S
            )
        return reservation

    async def spent(self, tenant: str) -> Usage:
        """Return what the tenant has used today; raises `LedgerUnavailable`."""
        return await asyncio.to_thread(self._book.spent, tenant, self._clock().astimezone(UTC).date())

    def _reserve(self, reservation: "Reservation", most: Ceiling) -> Room:
        key = reservation.tenant, reservation.day
        if key not in self._opened:
            self._book.open(*key, self._spent_earlier(*key))
            self._opened = {known for known in self._opened if known[1] >= reservation.day} | {key}
        return self._book.reserve(reservation.call_id, *key, most, self._limits)

    def _spent_earlier(self, tenant: str, day: date) -> Usage:
        if self._earlier is None:
            return Usage()
        try:
            return decode(Usage, self._earlier.get(TenantKeys(tenant=tenant).spending_of(day)))
        except (BlobMissing, ValidationError):
            return Usage()


class Reservation:
    """Holds what is set aside for one call: ``async with`` it, and `spend` what the call used.

    A call that failed gives it back. One whose outcome is not known, since it was cancelled or could not be entered in
    the book, may have been paid for: what was set aside stays so until the day is over.
    """

    def __init__(self, book: SpendingBook, tenant: str, day: date) -> None:
        self.call_id = new_id()
        self.tenant = tenant
        self.day = day
        self._book = book
        self._counted = False

    async def __aenter__(self) -> "Reservation":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._counted and isinstance(error, CallFailed):
            try:
                await asyncio.to_thread(self._book.release, self.call_id)
            except LedgerUnavailable as fault:
                log.warning("budget stays set aside", action="llm_budget", tenant=self.tenant, detail=str(fault))

    async def spend(self, usage: Usage) -> None:
        """Count an answer's usage. It is there and paid for, so that a ledger that is away does not cost it."""
        self._counted = True
        try:
            await asyncio.to_thread(self._book.settle, self.call_id, self.tenant, self.day, usage)
        except LedgerUnavailable as error:
            log.warning("spending not entered", action="llm_budget", tenant=self.tenant, detail=str(error))
