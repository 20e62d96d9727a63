"""Addresses with a slash too much are served as those without: no redirection, which loses bodies and keys."""

from starlette.routing import Router
from starlette.types import Receive, Scope, Send


def serve_trailing_slashes(router: Router) -> None:
    """Have a router try an address that it does not know without the slashes at its end.

    Starlette's own redirection names the host that this process sees, which behind a proxy is not the client's.
    """
    router.redirect_slashes = False
    not_found = router.default

    async def without_slash(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        shorter = path.rstrip("/") or "/"
        if scope["type"] != "http" or shorter == path:
            await not_found(scope, receive, send)
            return
        scope["path"] = shorter
        if "raw_path" in scope:
            scope["raw_path"] = (scope["raw_path"] or b"").rstrip(b"/") or b"/"
        await router(scope, receive, send)

    router.default = without_slash
