"""Requests that come together share a call; none waits while a call may be opened, and none is lost."""

import asyncio
from collections.abc import Iterator

import pytest

from deployments.call_groups import CallGroups
from tests.support.virtual_time import run_in_virtual_time


class Line:
    """Takes calls, which end when they are let go."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.cancelled: list[tuple[str, ...]] = []
        self.gates: list[asyncio.Event] = []

    async def call(self, requests: tuple[str, ...]) -> None:
        self.calls.append(requests)
        gate = asyncio.Event()
        self.gates.append(gate)
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.cancelled.append(requests)
            raise


@pytest.fixture
def line() -> Iterator[Line]:
    line = Line()
    yield line
    for gate in line.gates:
        gate.set()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_lone_request_goes_at_once(line: Line) -> None:
    groups = CallGroups(line.call, at_once=2, largest=4)
    groups.add("a")
    await turns()
    assert line.calls == [("a",)]


async def test_what_comes_together_is_spread_over_the_calls_that_may_be_open(line: Line) -> None:
    groups = CallGroups(line.call, at_once=2, largest=8)
    for request in "abcdef":
        groups.add(request)
    await turns()
    assert line.calls == [("a", "b", "c"), ("d", "e", "f")]


async def test_a_call_has_its_largest_size_and_the_rest_waits(line: Line) -> None:
    """What comes meanwhile goes with the rest, in the order of coming."""
    groups = CallGroups(line.call, at_once=1, largest=3)
    for request in "abcd":
        groups.add(request)
    await turns()
    groups.add("e")
    await turns()
    assert line.calls == [("a", "b", "c")]
    line.gates[0].set()
    await turns()
    assert line.calls[1:] == [("d", "e")]


async def test_a_call_that_nobody_waits_for_is_cancelled(line: Line) -> None:
    """One with a request that is still wanted goes on, and its place is taken by what waits."""
    groups = CallGroups(line.call, at_once=1, largest=2)
    for request in "abc":
        groups.add(request)
    await turns()
    groups.discard("a")
    await turns()
    assert line.cancelled == []
    groups.discard("b")
    await turns()
    assert line.cancelled == [("a", "b")]
    assert line.calls[1:] == [("c",)]


async def test_a_request_that_waits_can_be_forgotten(line: Line) -> None:
    groups = CallGroups(line.call, at_once=1, largest=1)
    for request in "abc":
        groups.add(request)
    await turns()
    groups.discard("b")
    for gate in line.gates:
        gate.set()
    await turns()
    assert line.calls == [("a",), ("c",)]


def test_a_slow_call_holds_back_nobody() -> None:
    """After a while it no longer counts; its requests are still asked for, and its end is no other's."""

    async def program() -> list[tuple[str, ...]]:
        line = Line()
        groups = CallGroups(line.call, at_once=1, largest=1, counts_s=10.0)
        for request in "abc":
            groups.add(request)
        await asyncio.sleep(9.9)
        assert line.calls == [("a",)]
        await asyncio.sleep(0.2)
        assert line.calls == [("a",), ("b",)]
        line.gates[0].set()
        await asyncio.sleep(1.0)
        assert line.calls == [("a",), ("b",)]  # the second counts, the first one's end frees no place twice
        line.gates[1].set()
        await asyncio.sleep(1.0)
        for gate in line.gates:
            gate.set()
        await turns()
        return line.calls

    calls, _ = run_in_virtual_time(program())
    assert calls == [("a",), ("b",), ("c",)]


def test_what_comes_fast_waits_for_company() -> None:
    """A lone request goes at once, those that come right after it together, a full call at once again."""

    async def program() -> list[tuple[float, int]]:
        loop = asyncio.get_running_loop()
        calls: list[tuple[float, int]] = []

        async def call(requests: tuple[int, ...]) -> None:
            calls.append((round(loop.time(), 3), len(requests)))

        groups = CallGroups(call, at_once=2, largest=4, gather_s=0.1)
        groups.add(0)
        for number in (1, 2):
            await asyncio.sleep(0.03)
            groups.add(number)
        await asyncio.sleep(1.0)
        for number in range(3, 9):
            groups.add(number)
        await asyncio.sleep(1.0)
        groups.add(9)
        await asyncio.sleep(0.05)
        for number in range(10, 14):
            groups.add(number)
        await asyncio.sleep(1.0)
        return calls

    calls, _ = run_in_virtual_time(program())
    assert calls == [(0.0, 1), (0.1, 2), (1.06, 4), (1.06, 2), (2.06, 1), (2.11, 4)]
