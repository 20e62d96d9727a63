"""``/docs`` from this server: FastAPI's own page loads Swagger UI from a CDN, which a closed network does not reach."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from deployments.http.middleware.security_headers import PAGE_POLICY

_FILES = "/docs-files"


def serve_docs(app: FastAPI) -> None:
    """Add the page and its files, which come from the fastapi-offline package; ``app`` must have none of its own."""
    app.mount(_FILES, StaticFiles(packages=[("fastapi_offline", "static")]), name="docs-files")

    @app.get("/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        files = _FILES.removeprefix("/")
        page = get_swagger_ui_html(
            openapi_url="openapi.json",  # relative, as the files: the page may be served under a prefix
            title=f"{app.title} API",
            swagger_js_url=f"{files}/swagger-ui-bundle.js",
            swagger_css_url=f"{files}/swagger-ui.css",
            swagger_favicon_url=f"{files}/favicon.png",
        )
        # Its script stands in the page itself.
        page.headers["content-security-policy"] = f"{PAGE_POLICY}; script-src 'self' 'unsafe-inline'"
        return page
