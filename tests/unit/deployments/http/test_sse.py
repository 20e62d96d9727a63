"""Server-sent events: their form on the wire, and comments in silence."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from deployments.http.sse import KEEP_ALIVE, event, kept_alive
from tests.support.virtual_time import run_in_virtual_time


async def after(*pauses_s: float, error: Exception | None = None) -> AsyncGenerator[bytes, None]:
    """Yield an event after each pause, then raise."""
    for number, pause_s in enumerate(pauses_s):
        await asyncio.sleep(pause_s)
        yield event(str(number))
    if error:
        raise error


def test_the_form_of_an_event() -> None:
    """Fields are lines, an empty line ends the event; without a name or a version there are no such fields."""
    assert event("{}", name="state", version=0) == b"event: state\nid: 0\ndata: {}\n\n"
    assert event("[DONE]") == b"data: [DONE]\n\n"


def test_comments_fill_the_silence_between_events() -> None:
    """A comment comes after each 15 seconds without an event, counted from the last event."""

    async def program() -> list[bytes]:
        return [item async for item in kept_alive(after(10.0, 40.0, 14.0), 15.0)]

    found, took_s = run_in_virtual_time(program())
    assert found == [event("0"), KEEP_ALIVE, KEEP_ALIVE, event("1"), event("2")]
    assert took_s == pytest.approx(64.0)


def test_a_fault_of_the_events_is_the_streams() -> None:
    """What the events raise reaches the reader, behind the events that came before."""

    async def program() -> tuple[bytes, str]:
        stream = kept_alive(after(1.0, error=LookupError("gone")), 15.0)
        first = await anext(stream)
        with pytest.raises(LookupError) as raised:
            await anext(stream)
        return first, str(raised.value)

    assert run_in_virtual_time(program())[0] == (event("0"), "gone")


def test_a_reader_that_leaves_ends_the_events() -> None:
    """A cancelled reader leaves no task behind that waits for the next event."""

    async def program() -> int:
        reader = asyncio.create_task(anext(kept_alive(after(1000.0), 15.0)))
        await asyncio.sleep(1.0)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    n_tasks, _ = run_in_virtual_time(program())
    assert n_tasks == 1  # the test itself
