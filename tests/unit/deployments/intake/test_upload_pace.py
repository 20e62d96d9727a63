"""How slowly a body may come: in virtual time, so that hours of dripping take none."""

import asyncio

import pytest

from deployments.intake.spool import body_of
from deployments.limits import UploadPace
from pipelines.errors import UploadStalled
from tests.support.virtual_time import run_in_virtual_time

PACE = UploadPace()


async def dripping(n_bytes, every_s, total_bytes):
    """A client that sends so many bytes at a time."""
    for _ in range(0, total_bytes, n_bytes):
        await asyncio.sleep(every_s)
        yield b"x" * n_bytes


async def received(stream, pace=PACE, *, busy_s=0.0):
    """Take a body; return how many bytes, why no more came, and when."""
    n_bytes, refusal = 0, None
    try:
        async for block in body_of(stream, None, pace):
            n_bytes += len(block)
            await asyncio.sleep(busy_s)
    except UploadStalled as error:
        refusal = str(error)
    return n_bytes, refusal, asyncio.get_running_loop().time()


def take(*args, **kwargs):
    return run_in_virtual_time(received(*args, **kwargs))[0]


@pytest.mark.parametrize(("n_bytes", "every_s"), [(1, 59.0), (1, 1.0), (500, 1.0), (30_000, 55.0)])
def test_a_trickle_is_refused_within_two_minutes(n_bytes, every_s):
    """A client that holds its upload open by a byte a minute, or keeps below the rate, is let go."""
    n_taken, refusal, at_s = take(dripping(n_bytes, every_s, 100_000_000))
    assert refusal == "The body came more slowly than 1024 bytes a second for 60 seconds."
    assert at_s < 130
    assert n_taken < 1024 * 130


@pytest.mark.parametrize(("n_bytes", "every_s"), [(8192, 1.0), (1024, 1.0), (1100 * 50, 50.0), (8192 * 58, 58.0)])
def test_slow_honest_links_pass(n_bytes, every_s):
    """8 KiB a second for an hour, also in bursts between silences, and just the least rate: all of it is taken."""
    total_bytes = n_bytes * int(3600 / every_s)
    n_taken, refusal, _ = take(dripping(n_bytes, every_s, total_bytes))
    assert (n_taken, refusal) == (total_bytes, None)


def test_silence_is_told_as_such():
    """A client that was fast and stops is told that nothing came."""

    async def stops():
        yield b"x" * 1_000_000
        await asyncio.sleep(3600)

    assert take(stops()) == (1_000_000, "No byte of the body arrived for 60 seconds.", 60.0)


def test_our_own_slowness_is_not_the_clients_fault():
    """Time in which a block is written is not counted: a slow disk refuses nobody."""
    n_taken, refusal, _ = take(dripping(2048, 1.0, 2048 * 60), busy_s=120.0)
    assert (n_taken, refusal) == (2048 * 60, None)


def test_fast_for_a_while_buys_no_hours():
    """Bytes sent before do not pay for a long trickle after."""

    async def fast_then_slow():
        yield b"x" * 100_000_000
        async for block in dripping(1, 30.0, 1000):
            yield block

    _, refusal, at_s = take(fast_then_slow())
    assert refusal is not None
    assert at_s < 130


def test_no_rate():
    """With 0 only silence ends an upload."""
    n_taken, refusal, _ = take(dripping(1, 59.0, 1000), UploadPace(min_bytes_per_s=0.0))
    assert (n_taken, refusal) == (1000, None)
