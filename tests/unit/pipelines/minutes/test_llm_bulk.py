"""Five hundred transcripts through a bad day of the provider: none lost, none paid twice, no time wasted.

The client, the protocol and the simulated server are the real ones; only clock and line are virtual, so that the
figures say nothing about the machine.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Literal

import pytest

from pipelines.core import Minutes
from pipelines.errors import MinutesParked
from pipelines.minutes.llm.packing import PackLimits
from pipelines.minutes.protocol import MinutesOptions
from pipelines.minutes.provider.circuit_breaker import BreakerOptions
from pipelines.minutes.provider.faults import RetryPolicy
from pipelines.minutes.provider.http_client import ClientLimits
from tests.fakes.deepseek_server import BatchCounts, DeepSeekServer, FaultKind, ServerOptions
from tests.support.llm_lab import ALONE, LabOptions, connected, meeting
from tests.support.virtual_time import AsgiStream, run_in_virtual_time

N = 500
LIMIT = 50
# Ten per cent, all ways a call can fail while the account is in order.
FAULTS: tuple[FaultKind, ...] = (
    "429", "500", "503", "cut", "drop", "stall", "blank", "truncated_json", "length", "interrupted",
    "wrong_ids", "invented_quote", "invented_owner", "missing_meeting",
)  # fmt: skip
BAD_DAY: dict[FaultKind, float] = {kind: 0.1 / len(FAULTS) for kind in FAULTS}


def latency_s(rng: random.Random) -> float:
    """Ten seconds, give or take: most answers are quick, some are slow."""
    return min(40.0, rng.lognormvariate(2.2, 0.4))


def bulk(
    n: int,
    server: DeepSeekServer,
    options: LabOptions,
    beside: Callable[[], Awaitable[None]] | None = None,
    pause_s: float = 30.0,
) -> tuple[list[Minutes], BatchCounts, float]:
    """Write the minutes of n meetings; what is parked is asked for again, as the parking does. Virtual seconds."""

    async def program() -> list[Minutes]:
        async with connected(server, "http://provider", options, AsgiStream(server)) as lab:

            async def follow(number: int) -> Minutes:
                while True:
                    try:
                        return await lab.writer.write(meeting(number), MinutesOptions())
                    except MinutesParked:
                        await asyncio.sleep(pause_s)

            other = asyncio.ensure_future(beside()) if beside else None
            minutes = list(await asyncio.gather(*(follow(number) for number in range(n))))
            if other:
                await other
            return minutes

    minutes, seconds = run_in_virtual_time(program())
    return minutes, server.tally, seconds


def options(**changes: object) -> LabOptions:
    """Time-outs and retries as in production, and no packing."""
    chosen = LabOptions(
        packs=ALONE,
        concurrency=LIMIT,
        retries=RetryPolicy(),
        breaker=BreakerOptions(),
        limits=ClientLimits(first_payload_s=60, idle_s=10, total_s=600),
    )
    for name, value in changes.items():
        setattr(chosen, name, value)
    return chosen


@pytest.fixture(scope="module")
def bad_day() -> tuple[list[Minutes], BatchCounts, float]:
    server = DeepSeekServer(
        ServerOptions(latency_s=latency_s, faults=BAD_DAY, max_concurrent=LIMIT, stall_s=60, seed=5)
    )
    return bulk(N, server, options())


def test_nothing_is_lost(bad_day: tuple[list[Minutes], BatchCounts, float]) -> None:
    """Every transcript gets its own minutes, with its decision, its task and its question, all verified."""
    minutes, tally, _ = bad_day
    assert len(minutes) == N
    assert set(tally.faults) >= set(FAULTS)
    for number, found in enumerate(minutes):
        assert f"room {number}" in found.decisions[0].text
        assert [decision.verified for decision in found.decisions] == [True]
        assert [item.verified for item in found.action_items] == [True]
        assert len(found.open_questions) == 1


def test_nothing_is_paid_twice(bad_day: tuple[list[Minutes], BatchCounts, float]) -> None:
    """No conversation was answered in full more than once."""
    _, tally, _ = bad_day
    assert max(tally.answered.values()) == 1
    assert sum(tally.answered.values()) >= N


def test_no_time_is_wasted(bad_day: tuple[list[Minutes], BatchCounts, float]) -> None:
    """The whole takes at most 1.25 times the calls' latencies over the limit, which is never exceeded."""
    _, tally, seconds = bad_day
    assert tally.most_running <= LIMIT
    assert seconds <= 1.25 * tally.busy_s / LIMIT
    print(f"\n{seconds:.1f} s, ideal {tally.busy_s / LIMIT:.1f} s, {tally.calls} calls, {dict(tally.faults)}")


def test_packing_saves_calls() -> None:
    """Two-minute transcripts that arrive together take at most a quarter of the calls, on a bad day as well."""
    server = DeepSeekServer(ServerOptions(latency_s=latency_s, faults=BAD_DAY, seed=6))
    minutes, tally, _ = bulk(100, server, options(packs=PackLimits()))
    assert all(f"room {number}" in found.decisions[0].text for number, found in enumerate(minutes))
    assert 4 * tally.calls <= 100
    print(f"\n{tally.calls} calls, {dict(tally.faults)}")


def test_a_limit_nobody_told() -> None:
    """A provider that takes fewer calls than we would make is not asked for more again and again."""
    server = DeepSeekServer(ServerOptions(latency_s=latency_s, max_concurrent=20))
    _, tally, seconds = bulk(150, server, options())
    assert tally.most_running == 20
    assert tally.faults["429 (limit)"] < 100
    assert seconds <= 1.5 * tally.busy_s / 20
    print(f"\n{seconds:.1f} s, ideal {tally.busy_s / 20:.1f} s, {dict(tally.faults)}")


@pytest.mark.parametrize("status", ["402", "503"])
def test_the_provider_dies_for_ten_minutes(status: Literal["402", "503"]) -> None:
    """After an outage all minutes follow; while it lasts, the provider is asked now and then only."""
    server = DeepSeekServer(ServerOptions(latency_s=latency_s))
    asked: list[int] = []

    async def outage() -> None:
        await asyncio.sleep(20)
        server.options.down = status
        await asyncio.sleep(120)
        asked.append(server.tally.calls)
        await asyncio.sleep(480)
        asked.append(server.tally.calls)
        server.options.down = ""

    minutes, tally, seconds = bulk(80, server, options(concurrency=10), beside=outage)
    assert all(f"room {number}" in found.decisions[0].text for number, found in enumerate(minutes))
    assert max(tally.answered.values()) == 1
    assert asked[1] - asked[0] <= 20
    assert 620 < seconds < 1200
