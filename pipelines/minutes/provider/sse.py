"""Server-sent events, as far as chat completions use them (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

DONE = "[DONE]"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a stream that means something: the data of an event, or a sign of life with no content."""

    data: str = ""
    alive: bool = False


async def read_events(lines: AsyncIterator[str]) -> AsyncIterator[Line]:
    """Turn lines into events: ``data`` fields joined over one event, comments and bare empty lines as signs of life.

    An event that the stream's end cuts off is dropped, as the specification says.
    """
    data: list[str] = []
    async for line in lines:
        if not line:
            if data:
                yield Line(data="\n".join(data))
                data = []
            else:
                yield Line(alive=True)
            continue
        name, _, value = line.partition(":")
        if not name:
            yield Line(alive=True)
        elif name == "data":
            data.append(value.removeprefix(" "))
