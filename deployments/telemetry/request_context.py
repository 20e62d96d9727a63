"""The request that is being served: its id and its place in a trace.

Both are kept with the job, so that they reach whatever works for it, also after a restart.
"""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """The request that brought something: its id, and its place in a trace ("" where there is none)."""

    request_id: str = ""
    traceparent: str = ""


CURRENT: ContextVar[RequestContext | None] = ContextVar("origin", default=None)


def current_request() -> RequestContext:
    """The request that is being served; an empty one outside of any."""
    return CURRENT.get() or RequestContext()
