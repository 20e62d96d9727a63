"""Server-sent events, as far as chat completions use them (WHATWG HTML, section 9.2)."""

from collections.abc import AsyncIterator

DONE = "[DONE]"


async def read_events(lines: AsyncIterator[str]) -> AsyncIterator[str]:
    """Yield the data of each event: its ``data`` fields joined. Comments and bare empty lines are passed over.

    An event that the stream's end cuts off is dropped, as the specification says.
    """
    data: list[str] = []
    async for line in lines:
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
