"""Run blocking calls off the event loop."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import anyio.to_thread

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a blocking call off the event loop; it runs to its end even if the caller is cancelled."""
    return await anyio.to_thread.run_sync(functools.partial(function, *args, **kwargs))
