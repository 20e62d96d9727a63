"""`SharedReads`: many tasks wait for the answers of one blocking call, which is made for all of them together.

`SharedJobReads` are those of jobs in the ledger.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping
from typing import Generic, TypeVar

from pipelines.errors import JobUnknown
from pipelines.jobs.job import Job
from pipelines.ledger.protocol import JobName, Ledger

Q = TypeVar("Q", bound=Hashable)
A = TypeVar("A")


class SharedReads(Generic[Q, A]):
    """Answers questions by calls of ``read``: one at a time, in a thread, and begun ``interval_s`` apart.

    Each call takes the questions of all tasks that wait then. It runs only while one does, and nothing is kept for a
    task between its questions: a slow one asks less often and is answered with what is true by then. Belongs to one
    event loop.
    """

    def __init__(self, read: Callable[[frozenset[Q]], Mapping[Q, A]], interval_s: Callable[[], float]) -> None:
        """Take ``read``, which must answer every question that it is given, and the pause before each of its calls."""
        self._read = read
        self._interval_s = interval_s
        self._waiting: dict[asyncio.Future[A], Q] = {}
        self._next_s = float("-inf")  # on the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._reading: asyncio.Task[None] | None = None

    async def answer(self, question: Q) -> A:
        """Wait for the answer of the next call; raises what the call raises."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting[answer] = question
        self._schedule()
        try:
            return await answer
        finally:
            self._waiting.pop(answer, None)
            if not self._waiting and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _schedule(self) -> None:
        if self._waiting and self._timer is None and self._reading is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(max(loop.time(), self._next_s), self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._next_s = asyncio.get_running_loop().time() + self._interval_s()
        asked, self._waiting = self._waiting, {}
        self._reading = asyncio.create_task(self._answer(asked))

    async def _answer(self, asked: Mapping[asyncio.Future[A], Q]) -> None:
        answers: Mapping[Q, A] = {}
        fault: Exception | None = None
        try:
            answers = await asyncio.to_thread(self._read, frozenset(asked.values()))
        except Exception as error:  # whatever it is, it belongs to those who asked
            fault = error
        finally:
            self._reading = None
        for waiting, question in asked.items():
            if waiting.done():  # its task is gone
                continue
            if fault is not None:
                waiting.set_exception(fault)
            else:
                waiting.set_result(answers[question])
        self._schedule()


class SharedJobReads:
    """Reads jobs for all tasks that follow any; see `SharedReads`."""

    def __init__(self, ledger: Ledger, interval_s: Callable[[], float]) -> None:
        self._ledger = ledger
        self._reads = SharedReads(self._read, interval_s)

    async def get(self, tenant: str, job_id: str) -> Job:
        """Return the job as it is at the next look; raises `JobUnknown` and `LedgerUnavailable`."""
        job = await self._reads.answer((tenant, job_id))
        if job is None:
            raise JobUnknown(f"no job {job_id}")
        return job

    def _read(self, names: frozenset[JobName]) -> Mapping[JobName, Job | None]:
        found = self._ledger.get_many(names)
        return {name: found.get(name) for name in names}
