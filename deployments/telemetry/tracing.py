"""Traces by OpenTelemetry: one job is one trace, whichever processes work for it.

A job carries the W3C ``traceparent`` of the request that brought it; every step's span is a child of that. Without a
provider (see `cluster.wiring.logging.configure_tracing`) all of this does nothing.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()
_provider: trace.TracerProvider | None = None


def use(provider: trace.TracerProvider | None) -> None:
    """Send this process's spans to a provider; None: to nobody."""
    global _provider
    _provider = provider


@contextmanager
def span(name: str, parent: str, **attributes: str | int | float) -> Iterator[str]:
    """Open a span for the duration of the block, under the parent's ``traceparent`` ("": it begins a trace).

    Yields the span's own ``traceparent``, "" where nothing is traced.
    """
    if _provider is None:
        yield ""
        return
    tracer = _provider.get_tracer("meetmemo")
    with tracer.start_as_current_span(name, context=_context(parent), attributes=attributes):
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier)
        yield carrier.get("traceparent", "")


def past_span(name: str, parent: str, seconds: float, **attributes: str | int | float) -> None:
    """Record a span that has just ended and took ``seconds``; without a parent nothing is recorded."""
    if _provider is None or not parent:
        return
    end_ns = time.time_ns()
    tracer = _provider.get_tracer("meetmemo")
    began = tracer.start_span(name, _context(parent), attributes=attributes, start_time=end_ns - round(seconds * 1e9))
    began.end(end_ns)


def _context(parent: str) -> Context:
    return _PROPAGATOR.extract({"traceparent": parent}, context=Context()) if parent else Context()
