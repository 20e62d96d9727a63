"""`JobSlots`: which jobs count against the number that may be transcribed at once."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from deployments.coordinator.live_job import LiveJob, Slot
from pipelines.jobs.job import JobState

AWAY_PER_SLOT = 32
"""Jobs that may wait for their source without a slot, for each slot there is: they still lie in memory."""

LOOK_S = 0.25  # between looks for a free slot


@dataclass(frozen=True, kw_only=True)
class JobSlots:
    """Counts the slots of the ``live`` jobs, of which there are ``n_slots``; ``freed`` is called when one is free.

    Jobs that only wait for their minutes hold none. One that waits for its source gives its own back, and has the next
    free one when it is due, before any job that has not begun. Belongs to one event loop.
    """

    live: Callable[[], Iterable[LiveJob]]
    n_slots: Callable[[], int]
    freed: Callable[[], None]
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def n_taken(self) -> int:
        """Slots that no new job may have: held ones, those wanted back, and of jobs that wait where too many do."""
        slots = self._count()
        too_many = max(0, slots[Slot.GIVEN_BACK] - AWAY_PER_SLOT * self.n_slots())
        return slots[Slot.HELD] + slots[Slot.WANTED] + too_many

    async def give_back(self, live: LiveJob, pause_s: float) -> None:
        """Wait without a slot for so many seconds, then for a free one."""
        live.slot = Slot.GIVEN_BACK
        self.freed()
        try:
            await asyncio.sleep(pause_s)
            live.slot = Slot.WANTED
            async with self._turn:
                while self._count()[Slot.HELD] >= self.n_slots():  # noqa: ASYNC110 - left in many ways
                    await asyncio.sleep(LOOK_S)
                live.slot = Slot.HELD
        finally:
            live.slot = Slot.HELD

    def _count(self) -> Counter[Slot]:
        return Counter(live.slot for live in self.live() if live.job.state is not JobState.SUMMARIZING)
