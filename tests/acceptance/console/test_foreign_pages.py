"""Web pages of other origins before a server without authentication, in a real browser: nothing happens."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from starlette.responses import HTMLResponse
from starlette.types import Message, Receive, Scope, Send

from cluster.settings.settings import load_settings
from cluster.wiring.authentication import known_hosts
from pipelines.jobs.job import JobState
from tests.acceptance.console.conftest import PATIENCE_MS, OpenPage
from tests.servers import free_port
from tests.support.console_server import ConsoleServer

FORM = """
<form id="job" method="post" enctype="multipart/form-data" action="{url}/v1/jobs" target="answer">
<textarea name="filename">forged.wav</textarea></form><iframe name="answer"></iframe>
"""

FORGE = """
async url => {
  const form = new FormData();
  form.append("file", new Blob(["RIFF"], { type: "audio/wav" }), "forged.wav");
  for (const [path, method, body] of [
    ["/v1/jobs", "POST", form],
    ["/v1/jobs", "POST", new Blob(["RIFF"])],
    ["/v1/audio/transcriptions", "POST", form],
    ["/v1/admin/drain?refuse=true", "POST", undefined],
    ["/v1/batches", "POST", '{"entries": [{"source": "https://a.example/a.wav"}]}'],
  ]) await fetch(url + path, { method, body, mode: "no-cors" }).catch(() => null);
}
"""

READ = "url => fetch(url).then(answer => answer.text()).then(text => `read: ${text}`, error => `refused: ${error}`)"

EMBED = """
url => new Promise(done => {
  const image = new Image();
  image.onload = () => done("loaded");
  image.onerror = () => done("refused");
  image.src = url;
})
"""


REBOUND_PAGE = "/page"
"""At the server's own port: what a foreign server answered before its name was rebound."""


class Recorded:
    """Notes what an application answered."""

    def __init__(self, server: ConsoleServer) -> None:
        self.server = server
        self.answers: list[tuple[str, str, int]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answers.append((scope["method"], scope["path"], message["status"]))
            await send(message)

        app = HTMLResponse("<p>") if scope["path"] == REBOUND_PAGE else self.server.app
        await app(scope, receive, noting_send)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A server without authentication as the settings' defaults make it, and pages of somebody else."""

    target: ConsoleServer
    recorded: Recorded
    port: int
    foreign_port: int


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Both listen on this machine; the page's own server has another port."""
    target = ConsoleServer(tmp_path, known_hosts=known_hosts(load_settings(env={"MEETMEMO_HOME": str(tmp_path)})))
    target.add("secret.wav", JobState.QUEUED)
    port = free_port()
    recorded = Recorded(target)
    config = uvicorn.Config(recorded, port=port, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.html").write_text(FORM.format(url=f"http://127.0.0.1:{port}"))
    foreign = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(pages)))
    threads = [threading.Thread(target=server.run), threading.Thread(target=foreign.serve_forever)]
    for thread in threads:
        thread.start()
    while not server.started:
        assert threads[0].is_alive()
    yield Site(target=target, recorded=recorded, port=port, foreign_port=foreign.server_address[1])
    server.should_exit = True
    foreign.shutdown()
    foreign.server_close()
    for thread in threads:
        thread.join(30)


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def foreign_page(browser: Browser) -> Iterator[Page]:
    """A tab in which anybody's page may be open."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "evil.example"])
def test_a_foreign_page_does_nothing(site: Site, foreign_page: Page, host: str) -> None:
    """Of another port, another name of this machine, or another site: no job, no drain, nothing read or embedded."""
    url = f"http://127.0.0.1:{site.port}"
    foreign_page.goto(f"http://{host}:{site.foreign_port}/")
    with foreign_page.expect_response(f"{url}/v1/jobs") as answered:
        foreign_page.evaluate("document.getElementById('job').submit()")
    assert answered.value.status == 403
    foreign_page.evaluate(FORGE, url)
    assert foreign_page.evaluate(READ, f"{url}/v1/jobs").startswith("refused")
    assert foreign_page.evaluate(EMBED, f"{url}/console/icon.svg") == "refused"
    changing = [(path, status) for method, path, status in site.recorded.answers if method == "POST"]
    assert len(changing) == 6
    assert {status for _, status in changing} == {403}
    assert [job.filename for job in site.target.ledger.jobs.values()] == ["secret.wav"]
    assert not site.target.coordinator.drained.draining
    assert site.target.book.list("default", 10) == []


def test_a_rebound_name_reads_nothing(site: Site, foreign_page: Page) -> None:
    """A page whose name resolves to this machine is of the server's origin for the browser, but not for the server."""
    rebound = f"http://evil.example:{site.port}"
    for path in ("/", "/v1/jobs", "/v1/events"):
        answer = foreign_page.goto(rebound + path)
        assert answer is not None
        assert answer.status == 421
    foreign_page.goto(rebound + REBOUND_PAGE)
    asked = foreign_page.evaluate("fetch('/v1/jobs').then(answer => answer.text())")
    assert "misdirected" in asked
    assert "secret.wav" not in asked
    drained = foreign_page.evaluate("fetch('/v1/admin/drain', { method: 'POST' }).then(answer => answer.status)")
    assert drained == 421
    by_hand = httpx.get(f"http://127.0.0.1:{site.port}/v1/jobs", headers={"host": "evil.example"})
    assert by_hand.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_console_works_under_each_name(site: Site, open_page: OpenPage, tmp_path: Path, host: str) -> None:
    """Its own requests, those that change something too, are the server's own."""
    recording = tmp_path / "own.wav"
    recording.write_bytes((Path(__file__).parents[2] / "data" / "blip.wav").read_bytes())
    page = open_page(f"http://{host}:{site.port}")
    expect(page.get_by_role("link", name="secret.wav")).to_be_visible()
    page.set_input_files("#files", [recording])
    page.get_by_role("button", name="Send 1 recording").click()
    expect(page.get_by_role("link", name="own.wav")).to_be_visible()


def test_a_link_from_elsewhere_is_followed(site: Site, foreign_page: Page) -> None:
    """A page may point to the console: whoever follows that is a visitor like any other."""
    foreign_page.goto(f"http://localhost:{site.foreign_port}/")
    with foreign_page.expect_navigation():
        foreign_page.evaluate("url => { location.href = url }", f"http://127.0.0.1:{site.port}/")
    expect(foreign_page.get_by_role("link", name="secret.wav")).to_be_visible()
