"""`bundled`: what comes together goes together, and nothing waits long for company."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from deployments.workers.bundles import bundled
from tests.support.virtual_time import run_in_virtual_time

LINGER_S = 0.1


def linger(_: object) -> float:
    return LINGER_S


async def stream(*pauses_s: float, then: Exception | None = None) -> AsyncGenerator[int]:
    """Yield 0, 1, 2 … each after its pause; raise ``then`` at the end."""
    for number, pause_s in enumerate(pauses_s):
        await asyncio.sleep(pause_s)
        yield number
    if then:
        raise then


def bundles_of(*pauses_s: float) -> list[tuple[int, ...]]:
    async def collect() -> list[tuple[int, ...]]:
        return [bundle async for bundle in bundled(stream(*pauses_s), linger)]

    return run_in_virtual_time(collect())[0]


def test_what_comes_at_once_is_one_bundle() -> None:
    assert bundles_of(5.0, 0.0, 0.01) == [(0, 1, 2)]


def test_nobody_waits_longer_than_the_linger_time() -> None:
    """A stream whose items come one soon after another is not held back until its end."""
    assert bundles_of(0.0, 0.06, 0.06, 0.06) == [(0, 1), (2, 3)]
    assert bundles_of(0.0, 3.0, 0.0) == [(0,), (1, 2)]


def test_what_must_not_wait_is_not_held_back() -> None:
    """It goes at once, and takes along what came before; what comes after waits for company anew."""

    async def collect() -> tuple[list[tuple[int, ...]], float]:
        bundles = bundled(stream(0.0, 0.06, 0.02, 0.06), lambda item: 0.0 if item == 1 else LINGER_S)
        first = await anext(bundles)
        at_s = asyncio.get_running_loop().time()
        return [first, *[bundle async for bundle in bundles]], at_s

    (found, at_s), _ = run_in_virtual_time(collect())
    assert found == [(0, 1), (2, 3)]
    assert at_s == pytest.approx(0.06)


def test_an_empty_stream_has_no_bundle() -> None:
    assert bundles_of() == []


def test_an_error_comes_after_what_came_before_it() -> None:
    async def read() -> tuple[int, ...]:
        bundles = bundled(stream(0.0, 0.0, then=ValueError("torn")), linger)
        first = await anext(bundles)
        with pytest.raises(ValueError, match="torn"):
            await anext(bundles)
        return first

    assert run_in_virtual_time(read())[0] == (0, 1)


def test_who_stops_reading_ends_the_stream() -> None:
    """Also while its next item is being made: what it holds is released at once."""

    async def give_up() -> list[str]:
        told = []

        async def source() -> AsyncGenerator[int]:
            try:
                yield 0
                await asyncio.sleep(3600)
            finally:
                told.append("ended")

        bundles = bundled(source(), linger)
        assert await anext(bundles) == (0,)
        await bundles.aclose()
        return told

    assert run_in_virtual_time(give_up())[0] == ["ended"]


def test_an_item_goes_with_one_that_may_wait_less() -> None:
    """What came before it leaves with it; nothing waits at the stream's end."""

    async def collect() -> tuple[list[tuple[int, ...]], float]:
        bundles = bundled(stream(0.0, 0.01, 0.03, 5.0), lambda item: 0.02 if item == 1 else 0.3)
        found = [await anext(bundles)]
        at_s = asyncio.get_running_loop().time()
        found += [bundle async for bundle in bundles]
        return found, at_s

    (found, at_s), took_s = run_in_virtual_time(collect())
    assert found == [(0, 1), (2,), (3,)]
    assert at_s == pytest.approx(0.03)
    assert took_s == pytest.approx(5.04)
