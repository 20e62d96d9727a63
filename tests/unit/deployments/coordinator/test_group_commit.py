"""Writes of several jobs in one transaction."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from deployments.coordinator.group_commit import GroupCommit
from pipelines.errors import Fenced, LedgerError, LedgerUnavailable, VersionConflict
from pipelines.jobs.job import Job
from pipelines.ledger.protocol import JobUpdate
from tests.contracts.ledger_base import make_job
from tests.support.virtual_time import run_in_virtual_time


class Table:
    """Takes updates in a thread; the first transaction waits for ``go``."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []
        self.begun = threading.Event()
        self.go = threading.Event()
        self.refused: dict[str, Exception] = {}
        self.away = 0

    def apply_many(self, updates: Sequence[JobUpdate]) -> list[Job | Exception]:
        self.begun.set()
        self.go.wait(60)
        self.transactions.append([update.job.id for update in updates])
        if self.away:
            self.away -= 1
            raise LedgerUnavailable("away")
        for update in updates:
            error = self.refused.get(update.job.id)
            if error is not None and not isinstance(error, VersionConflict):
                raise error
        return [self.refused.get(update.job.id) or update.job for update in updates]

    async def under_way(self) -> None:
        """Wait until the first transaction waits for ``go``."""
        assert await asyncio.to_thread(self.begun.wait, 60)


def update(name: str) -> JobUpdate:
    return JobUpdate(make_job(name), 1)


async def write_all(commits: GroupCommit, table: Table, names: Sequence[str]) -> list[Job | BaseException]:
    writes = [asyncio.create_task(commits.write(update(name))) for name in names]
    await table.under_way()
    table.go.set()
    return await asyncio.gather(*writes, return_exceptions=True)


async def test_what_waits_shares_a_transaction():
    """The first write goes at once, those that come meanwhile go together."""
    table = Table()
    commits = GroupCommit(table.apply_many)
    first = asyncio.create_task(commits.write(update("first")))
    await table.under_way()
    written = await write_all(commits, table, "abcdef")
    assert [job.id for job in written if isinstance(job, Job)] == list("abcdef")
    assert (await first).id == "first"
    assert table.transactions == [["first"], list("abcdef")]


async def test_an_error_of_one_is_its_own():
    """A conflict reaches whoever wrote that job, and nobody else."""
    table = Table()
    table.refused["c"] = VersionConflict("c")
    outcomes = await write_all(GroupCommit(table.apply_many), table, "abcd")
    assert [type(outcome) for outcome in outcomes] == [Job, Job, VersionConflict, Job]


async def test_what_the_database_refuses_takes_nobody_along():
    """A transaction that fails for one job is repeated for each of them."""
    table = Table()
    table.refused["b"] = LedgerError("too long")
    outcomes = await write_all(GroupCommit(table.apply_many), table, "abc")
    assert [type(outcome) for outcome in outcomes] == [Job, LedgerError, Job]


@pytest.mark.parametrize("error", [Fenced("lost"), LedgerUnavailable("away")])
async def test_what_concerns_all_reaches_all(error):
    """Without lease or ledger nothing is tried again here."""
    table = Table()
    table.refused["a"] = error
    outcomes = await write_all(GroupCommit(table.apply_many), table, "abc")
    assert [type(outcome) for outcome in outcomes] == [type(error)] * 3
    assert len(table.transactions) == 1


async def test_it_goes_on_after_a_failure():
    """The next write after an outage is a new transaction."""
    table = Table()
    table.away = 1
    commits = GroupCommit(table.apply_many)
    assert [type(outcome) for outcome in await write_all(commits, table, "ab")] == [LedgerUnavailable] * 2
    assert [type(outcome) for outcome in await write_all(commits, table, "ab")] == [Job] * 2


async def test_who_was_cancelled_is_passed_over():
    """Whoever stopped waiting gets no answer; the others do, and `settle` waits for all."""
    table = Table()
    commits = GroupCommit(table.apply_many)
    writes = [asyncio.create_task(commits.write(update(name))) for name in "abc"]
    await table.under_way()
    writes[1].cancel()
    table.go.set()
    await commits.settle()
    assert [(await write).id for write in (writes[0], writes[2])] == ["a", "c"]
    assert writes[1].cancelled()


def test_writes_that_come_fast_share_transactions() -> None:
    """A lone write goes at once; while others come right after it they wait a moment for one another."""

    async def program() -> tuple[list[tuple[float, int]], float]:
        loop = asyncio.get_running_loop()
        transactions: list[tuple[float, int]] = []

        def apply_many(updates: Sequence[JobUpdate]) -> list[Job | Exception]:
            transactions.append((loop.time(), len(updates)))
            return [update.job for update in updates]

        commits = GroupCommit(apply_many)

        async def write(name: str, after_s: float) -> None:
            await asyncio.sleep(after_s)
            await commits.write(update(name))

        await asyncio.gather(*(write(f"j{n}", n * 0.01) for n in range(10)))
        await asyncio.sleep(10.0)
        began_s = loop.time()
        await commits.write(update("late"))
        return transactions, loop.time() - began_s

    (transactions, late_s), _ = run_in_virtual_time(program())
    assert transactions[0] == (0.0, 1)
    assert sum(n for _, n in transactions) == 11
    assert len(transactions) <= 5
    assert late_s == 0.0
