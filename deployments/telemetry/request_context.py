"""The request that brought something, as all that is done for it knows it: in log lines, and with the job.

It is kept with the job, so that it reaches whatever works for it, also after a restart.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import structlog


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """The request that brought something: its id, and its place in a trace ("" where there is none)."""

    request_id: str = ""
    traceparent: str = ""


_ORIGIN: ContextVar[RequestContext | None] = ContextVar("origin", default=None)


def current_request() -> RequestContext:
    """Return the request that is being served; an empty one outside of any."""
    return _ORIGIN.get() or RequestContext()


@contextmanager
def serving(origin: RequestContext) -> Iterator[None]:
    """Let `current_request` and all log lines name this request."""
    token = _ORIGIN.set(origin)
    try:
        with structlog.contextvars.bound_contextvars(request_id=origin.request_id):
            yield
    finally:
        _ORIGIN.reset(token)
