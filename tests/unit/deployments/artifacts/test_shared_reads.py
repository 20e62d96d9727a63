"""One read for many who ask: how often it happens, who is answered, and when it ends."""

import asyncio
import threading
from collections import Counter

import pytest

from deployments.artifacts.shared_reads import SharedReads
from pipelines.errors import LedgerUnavailable
from tests.support.virtual_time import run_in_virtual_time


class Source:
    """Doubles numbers; counts its calls, and raises what it is told to."""

    def __init__(self):
        self.calls = []
        self.error = None

    def read(self, questions):
        self.calls.append(questions)
        if self.error:
            raise self.error
        return {number: 2 * number for number in questions}


@pytest.fixture
def source():
    return Source()


def test_a_hundred_who_ask_all_the_time_are_one_call_a_second(source):
    """Each gets the answer to its own question, once a second like every other."""

    async def program():
        reads = SharedReads(source.read, lambda: 1.0)
        answers: Counter[int] = Counter()

        async def ask(number):
            while True:
                answers[number] += 1
                assert await reads.answer(number) == 2 * number

        tasks = [asyncio.create_task(ask(number)) for number in range(100)]
        await asyncio.sleep(59.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return answers

    answers, _ = run_in_virtual_time(program())
    assert len(source.calls) == 60
    assert set(source.calls) == {frozenset(range(100))}
    assert set(answers.values()) == {61}


def test_nobody_asks_no_call(source):
    """The calls end with the last who waits, and begin again with the next, no sooner than the pause allows."""

    async def program():
        reads = SharedReads(source.read, lambda: 1.0)
        assert await reads.answer(1) == 2
        leaver = asyncio.create_task(reads.answer(2))
        await asyncio.sleep(0.5)
        leaver.cancel()
        await asyncio.sleep(100.0)
        assert source.calls == [{1}]
        began_s = asyncio.get_running_loop().time()
        await reads.answer(3)
        await reads.answer(4)
        return asyncio.get_running_loop().time() - began_s

    took_s, _ = run_in_virtual_time(program())
    assert took_s == 1.0
    assert source.calls == [{1}, {3}, {4}]


def test_a_fault_reaches_all_who_asked_and_nobody_else(source):
    """The next call is made as ever."""

    async def program():
        reads = SharedReads(source.read, lambda: 1.0)
        source.error = LedgerUnavailable("away")
        found = await asyncio.gather(*(reads.answer(number) for number in range(3)), return_exceptions=True)
        assert found == [source.error] * 3
        source.error = None
        assert await reads.answer(7) == 14

    run_in_virtual_time(program())


async def test_one_who_leaves_during_a_call_disturbs_nobody():
    """Its place is not answered, the others' are; a question that comes meanwhile waits for the next call."""
    begun, go = threading.Event(), threading.Event()

    def read(questions):
        begun.set()
        assert go.wait(30)
        return {number: 2 * number for number in questions}

    reads = SharedReads(read, lambda: 0.0)
    stays, leaves = asyncio.create_task(reads.answer(1)), asyncio.create_task(reads.answer(2))
    await asyncio.to_thread(begun.wait, 30)
    leaves.cancel()
    late = asyncio.create_task(reads.answer(3))
    await asyncio.sleep(0)
    go.set()
    assert [await stays, await late] == [2, 6]
    assert leaves.cancelled()
