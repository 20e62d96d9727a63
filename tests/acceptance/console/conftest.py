"""Debian's Chromium, driven by Playwright: one for all tests here. What it complains about fails the test."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from deployments.auth.authenticators import ALL_SCOPES, Principal
from pipelines.errors import Unauthenticated
from tests.servers import free_port
from tests.support.console_server import ConsoleServer
from tests.support.missing import missing

CHROMIUM = shutil.which("chromium")
PATIENCE_MS = 60_000  # a machine that is busy with other things
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}

OpenPage = Callable[..., Page]
Serve = Callable[..., str]


class Keyring:
    """Tenants by their keys; a key can be taken away."""

    def __init__(self, **tenants: str) -> None:
        self.tenants = tenants

    async def authenticate(self, token: str | None) -> Principal:
        if token not in self.tenants:
            raise Unauthenticated("The key is unknown.")
        return Principal(tenant=self.tenants[token], scopes=ALL_SCOPES, key_id=token)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser; it is ended before any test that has an event loop of its own."""
    if CHROMIUM is None:
        missing("Debian's package chromium is not installed")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--autoplay-policy=no-user-gesture-required",
                "--host-resolver-rules=MAP evil.example 127.0.0.1",
            ],
            timeout=PATIENCE_MS * 2,
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser, tmp_path: Path) -> Iterator[OpenPage]:
    """Open a page as a new visitor; errors in its console, violations of its policy and foreign requests fail."""
    complaints: list[str] = []
    contexts = []

    def open_page(url: str, *, refusals: tuple[int, ...] = (), also: tuple[str, ...] = (), **options: Any) -> Page:
        """``refusals`` are HTTP statuses that the test provokes, 0 a connection that is cut.

        Pages below the URLs ``also`` may be visited too; what these complain about is no matter.
        """
        context = browser.new_context(accept_downloads=True, **{"locale": "en-GB", **options})
        context.set_default_timeout(PATIENCE_MS)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()

        def heard(message: ConsoleMessage) -> None:
            provoked = any(f"status of {status} " in message.text for status in refusals if status)
            provoked = provoked or (0 in refusals and "net::ERR_" in message.text)
            own_page = not (message.location or {}).get("url", "").startswith(also) if also else True
            if message.type in ("error", "warning") and not provoked and own_page:
                complaints.append(f"{message.type}: {message.text} {message.location}")

        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        own = (url.split("/#")[0].rstrip("/") + "/", "blob:", "data:", *also)
        page.on("request", lambda sent: None if sent.url.startswith(own) else complaints.append(f"asked {sent.url}"))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a cluster from a thread; returns its URL."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(console: ConsoleServer, port: int = 0) -> str:
        port = port or free_port()
        config = uvicorn.Config(
            console.app, port=port, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        return f"http://127.0.0.1:{port}"

    yield serve
    for server, thread in running:
        server.should_exit = True
        thread.join(30)


def assert_accessible(page: Page) -> None:
    """axe finds nothing serious on the page as it stands."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        f"{violation['id']}: {node['html']} {node['failureSummary']}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert not serious, "\n".join(serious)


def wait_until(page: Page, expression: str) -> None:
    """Wait until a JavaScript expression is true; asked from here, for the page may not evaluate text itself."""
    deadline_s = time.monotonic() + PATIENCE_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < deadline_s, expression
        page.wait_for_timeout(50)
