"""The web console: static files from this package, under ``/``, with headers that let them load nothing else."""

from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

FILES = Path(str(files("deployments") / "console"))
FILES_PATH = "/console"

# Scripts and styles only from this server, nothing inline; text becomes markup nowhere (Trusted Types).
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "media-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-cache",  # asked for again each time, answered with 304: an upgrade is seen at once
}


class _ConsoleFiles(StaticFiles):
    """Serves the console's files with the headers of its page."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        answer.headers.update(_HEADERS)
        return answer


def serve_console(app: FastAPI) -> None:
    """Add the console's page and files. They hold no data of tenants and are public."""
    app.mount(FILES_PATH, _ConsoleFiles(directory=FILES), name="console")

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(FILES / "index.html", media_type="text/html; charset=utf-8", headers=_HEADERS)
