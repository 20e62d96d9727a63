"""Four MinutesWriters in processes of their own at one language model: one limit, one budget, each answer paid once."""

import asyncio
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from random import Random

import pytest

from cluster.settings.settings import load_settings
from cluster.wiring.minutes_writers import build_writers
from pipelines.core import Usage
from pipelines.errors import MinutesParked
from pipelines.ledger.open import connect_ledger, open_ledger
from pipelines.minutes.llm.paying_once import HOLD_S
from pipelines.minutes.protocol import MinutesOptions, PaidWriter
from pipelines.minutes.provider.place_table import PLACES_TTL_S
from pipelines.minutes.provider.spending_book import Ceiling, DailyLimits, Room
from pipelines.storage.open import open_store
from tests.fakes.deepseek_server import DeepSeekServer, ServerOptions
from tests.support.asgi_server import serve_asgi
from tests.support.llm_lab import meeting
from tests.support.waiting import until

N_WRITERS = 4
N_MEETINGS = 12
CONCURRENCY = 3
MAX_OUTPUT = 2_000
ENOUGH = 10_000_000
LATENCY_S = 0.15
AWAY_S = 90.0

# A server that has imported everything already forks each process in milliseconds.
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["tests.integration.test_several_minutes_writers"])


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A process that writes the minutes of all meetings, in an order of its own, as a job of its own each."""

    number: int
    model_url: str
    ledger_url: str
    store_url: str
    tokens_per_day: int
    ahead_s: float = 0.0
    """Its clock is so far ahead: what a killed process held has run out."""


@pytest.fixture
def home(tmp_path: Path, ledger_url: str) -> Writer:
    """What all writers share."""
    open_ledger(ledger_url).close()
    store_url = f"file://{tmp_path / 'store'}"
    return Writer(number=0, model_url="", ledger_url=ledger_url, store_url=store_url, tokens_per_day=ENOUGH)


async def test_no_answer_is_paid_twice_and_the_limit_holds(home: Writer) -> None:
    """All want the minutes of the same meetings at once: one call for each, never more at once than the limit."""
    server = DeepSeekServer(ServerOptions(latency_s=latency_s))
    async with serve_asgi(server, log_level="critical") as url:
        ended = await _all_write(replace(home, model_url=url))
    assert ended == [0] * N_WRITERS
    assert len(server.tally.answered) == N_MEETINGS
    assert set(server.tally.answered.values()) == {1}
    assert 1 < server.tally.most_running <= CONCURRENCY
    assert _spent(home).n_calls == N_MEETINGS


async def test_the_budget_is_never_overspent(home: Writer) -> None:
    """All spend one budget until nothing fits any more: less is left than a call may use, and no more is spent."""
    server = DeepSeekServer(ServerOptions(latency_s=latency_s))
    budget = 12_000
    async with serve_asgi(server, log_level="critical") as url:
        ended = await _all_write(replace(home, model_url=url, tokens_per_day=budget))
    assert ended == [0] * N_WRITERS
    spent = _spent(home)
    assert spent.n_calls == server.tally.answered.total() < N_MEETINGS
    assert budget - 2 * MAX_OUTPUT - 2_000 < spent.n_tokens <= budget


async def test_a_writer_is_killed_between_reservation_and_settlement(home: Writer) -> None:
    """What it set aside counts, its places and its turn to pay run out, and the others write everything."""
    server = DeepSeekServer(ServerOptions(latency_s=lambda rng: 60.0))
    async with serve_asgi(server, log_level="critical") as url:
        mine = replace(home, model_url=url)
        killed = _start(mine)
        await until(lambda: server.tally.running == CONCURRENCY, AWAY_S)
        server.options.latency_s = latency_s
        os.kill(killed.pid or 0, signal.SIGKILL)
        await asyncio.to_thread(killed.join, AWAY_S)
        ended = await _all_write(replace(mine, ahead_s=HOLD_S + PLACES_TTL_S), numbers=(1, 2))
    assert ended == [0, 0]
    assert len(server.tally.answered) == N_MEETINGS
    assert set(server.tally.answered.values()) == {1}  # the killed one got no answer
    spent = _spent(home)
    assert spent.n_calls == N_MEETINGS
    # What was set aside for the calls of the killed one still is: with that, nothing more fits.
    ledger = open_ledger(home.ledger_url)
    try:
        limits, more = DailyLimits(tokens=spent.n_tokens + CONCURRENCY * MAX_OUTPUT), Ceiling(tokens=1)
        assert ledger.spending.reserve("one more", "acme", _today(), more, limits) is Room.LATER
    finally:
        ledger.close()


def latency_s(rng: Random) -> float:
    """From request to answer."""
    return LATENCY_S * rng.uniform(0.5, 1.5)


async def _all_write(home: Writer, numbers: tuple[int, ...] = tuple(range(N_WRITERS))) -> list[int | None]:
    """Have several processes write everything at once; returns their exit codes."""
    processes = [_start(replace(home, number=number)) for number in numbers]
    try:
        await asyncio.gather(*(asyncio.to_thread(process.join, AWAY_S) for process in processes))
        return [process.exitcode for process in processes]
    finally:
        for process in processes:
            process.kill()


def _start(writer: Writer) -> multiprocessing.context.ForkServerProcess:
    process = _context.Process(target=_main, args=(writer,), daemon=True)
    process.start()
    return process


def _main(writer: Writer) -> None:
    asyncio.run(_write(writer))


async def _write(writer: Writer) -> None:
    minutes = {
        "base_url": writer.model_url,
        "model": "deepseek-flash",
        "json_mode": "json_object",
        "replicas": N_WRITERS,
        "concurrency": CONCURRENCY,
        "tokens_per_day": writer.tokens_per_day,
        "max_output_tokens": MAX_OUTPUT,
        "pack_items": 1,
        "window_s": 0,
    }
    settings = load_settings(env={}, flags={"minutes": minutes})
    ledger, store = (
        connect_ledger(writer.ledger_url, clock=lambda: time.time() + writer.ahead_s),
        open_store(writer.store_url),
    )
    llm = build_writers(settings, "sk-simulated", store, ledger).by_name["llm"]
    assert isinstance(llm, PaidWriter)

    async def one(number: int) -> None:
        options = MinutesOptions(tenant="acme", job_id=f"job-{writer.number}-{number}")
        while True:
            try:
                paid = await llm.write_paid(meeting(number), options)
            except MinutesParked as error:
                if "used up" in str(error):
                    return
                await asyncio.sleep(0.2)
            else:
                assert f"room {number}" in paid.minutes.decisions[0].text
                return

    numbers = list(range(N_MEETINGS))
    Random(writer.number).shuffle(numbers)
    await asyncio.gather(*map(one, numbers))


def _today() -> date:
    return datetime.now(UTC).date()


def _spent(home: Writer) -> Usage:
    ledger = open_ledger(home.ledger_url)
    try:
        return ledger.spending.spent("acme", _today())
    finally:
        ledger.close()
