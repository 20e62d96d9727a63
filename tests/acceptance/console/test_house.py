"""What takes many jobs, long transcripts or several tenants: the console before its API in this process."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Page, expect

from deployments.auth import ALL_SCOPES, Principal
from pipelines.errors import Unauthenticated
from pipelines.jobs import JobState, Progress
from tests.acceptance.console.conftest import OpenPage, assert_accessible
from tests.console_house import ConsoleHouse, long_transcript
from tests.servers import free_port

MAX_ROWS = 60  # of a list, however long: what is seen and a little around it


class Keyring:
    """Tenants by their keys; a key can be taken away."""

    def __init__(self, **tenants: str) -> None:
        self.tenants = tenants

    async def admit(self, token: str | None) -> Principal:
        if token not in self.tenants:
            raise Unauthenticated("The key is unknown.")
        return Principal(tenant=self.tenants[token], scopes=ALL_SCOPES, key_id=token)


Serve = Callable[[ConsoleHouse], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve a house from a thread; returns its URL."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def serve(house: ConsoleHouse) -> str:
        port = free_port()
        config = uvicorn.Config(
            house.app, port=port, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
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


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_two_tenants_sign_in(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Each sees its own jobs; the key is in no address, ends with the tab, and when it is taken away, so is access."""
    keyring = Keyring(**{"key-of-a": "a", "key-of-b": "b"})
    house = ConsoleHouse(tmp_path, doorkeeper=keyring)
    house.add("of-a.wav", JobState.QUEUED, tenant="a")
    hidden = house.add("of-b.wav", JobState.QUEUED, tenant="b")
    page = open_page(serve(house), refusals=(401, 404))
    addresses: list[str] = []
    page.on("request", lambda sent: addresses.append(sent.url))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert_accessible(page)
    sign_in(page, "key-of-nobody")
    expect(page.get_by_text("This key was not accepted.")).to_be_visible()
    sign_in(page, "key-of-a")
    expect(page.get_by_role("link", name="of-a.wav")).to_be_visible()
    expect(page.get_by_role("link", name="of-b.wav")).to_have_count(0)
    page.evaluate(f"location.hash = '#/jobs/{hidden.id}'")
    expect(page.get_by_text("This job does not exist")).to_be_visible()
    assert page.evaluate("JSON.stringify(localStorage)").find("key-of") < 0
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "key-of-b")
    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("link", name="of-b.wav")).to_be_visible()
    assert page.get_by_role("link", name="of-a.wav").count() == 0
    del keyring.tenants["key-of-b"]
    page.get_by_role("link", name="Cluster").click()
    expect(page.get_by_text("Your key is not accepted any more")).to_be_visible()
    assert addresses
    assert not [address for address in addresses if "key-of" in address]


def test_a_thousand_jobs(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Only the rows in view exist; scrolling brings the rest, search and filters find, changes arrive by themselves."""
    house = ConsoleHouse(tmp_path)
    house.add_many(1000)
    live = house.add("live.wav", JobState.TRANSCRIBING, progress=Progress(audio_s=600.0, done_s=60.0))
    page = open_page(serve(house))
    rows = page.locator(".rows .job")
    expect(page.get_by_role("button", name="All 1001")).to_be_visible()
    expect(rows.first).to_contain_text("1:00 of 10:00")
    house.change(live, progress=Progress(audio_s=600.0, done_s=300.0))
    expect(rows.first).to_contain_text("5:00 of 10:00")
    house.change(live, state=JobState.SUCCEEDED)
    expect(rows.first).to_contain_text("Done")
    for _ in range(8):
        page.locator(".scroller").evaluate("element => element.scrollTop = element.scrollHeight")
        page.wait_for_function("document.querySelector('.rows').lastElementChild")
        if page.get_by_role("link", name="call-00999.wav").count():
            break
        page.wait_for_timeout(200)
    expect(page.get_by_role("link", name="call-00999.wav")).to_be_visible()
    assert rows.count() <= MAX_ROWS
    page.get_by_label("Search by name").fill("call-0042")
    expect(rows).to_have_count(10)
    page.get_by_role("button", name="Failed").click()
    expect(page.get_by_text("No job matches.")).to_be_visible()
    page.get_by_role("button", name="Show all jobs").click()
    expect(rows.first).to_contain_text("live.wav")


def test_three_hours_of_speech(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """The text is there at once, a search finds in all of it, the last passage is reached, without audio as well."""
    house = ConsoleHouse(tmp_path)
    transcript = long_transcript(3.0)
    job = house.add_done("three-hours.wav", transcript)
    page = open_page(f"{serve(house)}/#/jobs/{job.id}", refusals=(404,))
    expect(page.locator(".transcript li").first).to_be_visible()
    expect(page.get_by_text("The audio was not kept")).to_be_visible()
    wanted = "release"
    n_found = sum(segment.text.lower().count(wanted) for segment in transcript.segments)
    page.get_by_label("Search in the transcript").fill(wanted)
    expect(page.locator(".matches")).to_have_text(f"1 of {n_found}")
    page.get_by_role("button", name="Previous match").click()
    expect(page.locator(".matches")).to_have_text(f"{n_found} of {n_found}")
    page.get_by_role("slider").focus()
    page.keyboard.press("End")
    expect(page.locator(".transcript li").last).to_be_in_viewport()
    expect(page.locator(".transcript li")).to_have_count(len(transcript.segments))
