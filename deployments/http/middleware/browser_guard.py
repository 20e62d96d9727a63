"""ASGI middleware that refuses what a foreign web page may have sent through somebody's browser."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.http.asgi import HttpMiddleware
from deployments.http.errors.problems import answer
from deployments.http.middleware.hosts import is_known_host
from deployments.http.middleware.origins import is_cross_origin
from pipelines.errors import CrossSite, MeetMemoError, Misdirected

PROBES = frozenset({"/healthz", "/readyz"})
"""Answered under any name: probes and load balancers call a server by names that nobody else uses."""

_MISDIRECTED = "misdirected_probe"


@dataclass(frozen=True, kw_only=True)
class BrowserRules:
    """Rules for the requests that count as meant for this server.

    ``hosts`` are its names, None where every name will do. ``origins`` are those of pages that may use it; other pages
    are refused where ``refuse_cross_site`` says that a request needs nothing but to arrive.
    """

    hosts: frozenset[str] | None = None
    origins: frozenset[str] = frozenset()
    refuse_cross_site: bool = True


class BrowserGuard(HttpMiddleware):
    """Looks at ``Host``, ``Origin`` and ``Sec-Fetch-Site`` before anything else does."""

    def __init__(self, app: ASGIApp, rules: BrowserRules) -> None:
        super().__init__(app)
        self._rules = rules

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        app = self._app if refusal is None else answer(refusal, scope["path"])
        await app(scope, receive, send)

    def _refusal(self, scope: Scope) -> MeetMemoError | None:
        headers, rules = Headers(scope=scope), self._rules
        if rules.hosts is not None and not is_known_host(headers.get("host"), rules.hosts):
            if scope["path"] not in PROBES:
                return Misdirected("This server is not known by that name; http.allowed_hosts lists those it has.")
            scope[_MISDIRECTED] = True
        if rules.refuse_cross_site and is_cross_origin(scope["method"], headers, rules.origins):
            return CrossSite("A page of another origin sent this; http.cors_origins lists those that may.")
        return None


def is_misdirected(request: Request) -> bool:
    """Return whether a probe called this server by a name that is not its own."""
    return bool(request.scope.get(_MISDIRECTED))
