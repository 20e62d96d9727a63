"""`GroupCommit`: writes of several jobs in one transaction, as databases do with their own log."""

import asyncio
import math
from collections.abc import Callable, Sequence

from pipelines.errors import Fenced, LedgerUnavailable
from pipelines.jobs.job import Job
from pipelines.ledger.protocol import JobUpdate

WriteOutcome = Job | Exception

GATHER_S = 0.04
"""That a transaction waits for more writes while they come fast: the shares of a transaction's fixed price."""
FAST_S = 0.1
"""Writes come fast while the last transaction began less than this ago; a lone write goes at once."""


class GroupCommit:
    """Writes what comes while a transaction is under way in the next one, as databases' commit delay does with more.

    Belongs to one event loop.
    """

    def __init__(
        self,
        apply_many: Callable[[Sequence[JobUpdate]], Sequence[WriteOutcome]],
        *,
        expects_more: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take ``apply_many``, which blocks and returns per update the stored job or the error that concerns it.

        ``expects_more`` says whether there are others whose writes are to come.
        """
        self._apply_many = apply_many
        self._expects_more = expects_more
        self._waiting: list[tuple[JobUpdate, asyncio.Future[Job]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._began_s = -math.inf  # when the last transaction did

    async def write(self, update: JobUpdate) -> Job:
        """Return the job as stored; raises what `pipelines.ledger.protocol.Ledger.apply` does."""
        answer: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self._waiting.append((update, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_waiting(), name="group commit")
        return await answer

    async def settle(self) -> None:
        """Wait until nothing is being written."""
        if self._writing is not None:
            await self._writing

    async def _write_waiting(self) -> None:
        clock = asyncio.get_running_loop().time
        try:
            while self._waiting:
                if clock() - self._began_s < FAST_S and self._expects_more():
                    await asyncio.sleep(GATHER_S)
                self._began_s = clock()
                taken, self._waiting = self._waiting, []
                outcomes = await self._outcomes([update for update, _ in taken])
                for (_, answer), outcome in zip(taken, outcomes, strict=True):
                    if answer.done():
                        continue  # the caller was cancelled
                    if isinstance(outcome, Exception):
                        answer.set_exception(outcome)
                    else:
                        answer.set_result(outcome)
        finally:
            self._writing = None

    async def _outcomes(self, updates: Sequence[JobUpdate]) -> Sequence[WriteOutcome]:
        try:
            return await asyncio.to_thread(self._apply_many, updates)
        except (Fenced, LedgerUnavailable) as error:
            return [error] * len(updates)
        except Exception as error:
            if len(updates) == 1:
                return [error]
            # One that the database refuses must not take the others along.
            return [outcome for update in updates for outcome in await self._outcomes([update])]
