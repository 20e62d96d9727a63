"""`JobSlots`: which jobs count against the number that may be transcribed at once."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from deployments.coordinator.live_job import LiveJob, Slot

AWAY_PER_SLOT = 32
"""Jobs that may wait for their source without a slot, for each slot there is: they still lie in memory."""

LOOK_S = 0.25  # between looks for a free slot


@dataclass(frozen=True, kw_only=True)
class JobSlots:
    """Counts jobs against ``n_slots``; ``freed`` is called when one of them may be had.

    Jobs that only wait for their minutes have released theirs. One that waits for its source gives its own back, and
    has the next free one when it is due, before any job that has not begun. Belongs to one event loop.
    """

    n_slots: Callable[[], int]
    freed: Callable[[], None]
    _count: Counter[Slot] = field(default_factory=Counter)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def n_taken(self) -> int:
        """Slots that no new job may have: held ones, those wanted back, and of jobs that wait where too many do."""
        too_many = max(0, self._count[Slot.GIVEN_BACK] - AWAY_PER_SLOT * self.n_slots())
        return self._count[Slot.HELD] + self._count[Slot.WANTED] + too_many

    def take(self, live: LiveJob) -> None:
        """Count a job that is being transcribed, whether there is a slot for it or not."""
        self._move(live, Slot.HELD)

    def release(self, live: LiveJob) -> None:
        """Count a job no more: it is transcribed, or over."""
        self._move(live, None)

    async def give_back(self, live: LiveJob, pause_s: float) -> None:
        """Wait without a slot for so many seconds, then for a free one."""
        self._move(live, Slot.GIVEN_BACK)
        self.freed()
        try:
            await asyncio.sleep(pause_s)
            self._move(live, Slot.WANTED)
            async with self._turn:
                while self._count[Slot.HELD] >= self.n_slots():  # noqa: ASYNC110 - left in many ways
                    await asyncio.sleep(LOOK_S)
        finally:
            if live.slot is not None:  # it is not over
                self._move(live, Slot.HELD)

    def _move(self, live: LiveJob, to: Slot | None) -> None:
        if live.slot is not None:
            self._count[live.slot] -= 1
        if to is not None:
            self._count[to] += 1
        live.slot = to
