"""The console while answers are slow or come in another order than they were asked for: no control lies."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from pipelines.jobs.job import JobState
from pipelines.storage.layout import JobKeys
from tests.acceptance.console.conftest import Keyring, OpenPage, Serve
from tests.support.console_server import ConsoleServer, meeting_transcript, transcript_of
from tests.support.recordings import RECORDINGS

SLOW_MS = 1500
AWAY = {"reason": "ledger_unavailable", "detail": "The ledger is away."}


def held(page: Page, pattern: str, only: Callable[[Route], bool] = lambda route: True) -> list[Route]:
    """Hold requests of a pattern back until the test lets them go; returns those that wait."""
    waiting: list[Route] = []
    page.route(pattern, lambda route: waiting.append(route) if only(route) else route.continue_())
    return waiting


def let_go(page: Page, waiting: list[Route]) -> None:
    """Wait for a request to be held, then let all go on."""
    deadline = time.monotonic() + 30
    while not waiting:
        assert time.monotonic() < deadline, "nothing was asked"
        page.wait_for_timeout(20)
    while waiting:
        waiting.pop(0).continue_()


def test_downloads_wait_for_what_they_download(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """The menu is there only when every entry works: not before it is known whose minutes are shown."""
    site = ConsoleServer(tmp_path)
    job = site.add_done("meeting.flac", meeting_transcript())
    page = open_page(serve(site), refusals=(404,))
    waiting = held(page, "**/corrections")
    page.goto(f"{page.url.split('#')[0]}#/jobs/{job.id}")
    page.wait_for_timeout(SLOW_MS)
    download = page.get_by_role("button", name="Download", exact=True)
    expect(page.get_by_role("heading", name="meeting.flac")).to_be_visible()
    expect(download).to_have_count(0)
    let_go(page, waiting)
    download.click()
    with page.expect_download() as fetched:
        page.get_by_role("button", name="minutes.docx", exact=True).click()
    assert fetched.value.suggested_filename == "meeting.minutes.docx"


def test_a_transcript_that_cannot_be_read_can_be_asked_for_again(
    tmp_path: Path, serve: Serve, open_page: OpenPage
) -> None:
    """The page says what is wrong and offers another try, which works."""
    site = ConsoleServer(tmp_path)
    job = site.add_done("meeting.flac", meeting_transcript())
    url = serve(site)
    page = open_page(url, refusals=(404, 503))
    expect(page.locator(".rows .job")).to_have_count(1)  # news of the job would read its transcript again
    answers = iter((503,))
    page.route(
        "**/corrections",
        lambda route: route.fulfill(status=503, body="{}") if next(answers, None) else route.continue_(),
    )
    page.goto(f"{url}/#/jobs/{job.id}")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("button", name="Download", exact=True)).to_be_visible()


def test_the_version_chosen_last_is_shown(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """An earlier choice whose answer comes later does not overwrite it; what is copied is what is shown."""
    site = ConsoleServer(tmp_path)
    first = site.add_done("meeting.flac", meeting_transcript(), age_s=60)
    second = site.add_done("meeting.flac", meeting_transcript())
    site.change(second, minutes_of=first.id)
    for job, title in ((first, "The first minutes"), (second, "The second minutes")):
        put_minutes(site, job.id, title)
    page = open_page(serve(site), refusals=(404,))
    page.route("**/v1/jobs/*/minutes", lambda route: fulfill_versions(route, page, (first.id, second.id)))
    page.goto(f"{page.url.split('#')[0]}#/jobs/{first.id}")
    expect(page.get_by_role("heading", name="The first minutes")).to_be_visible()
    waiting = held(page, f"**/{second.id}/results/minutes.json")
    picker = page.get_by_label("Versions of the minutes")
    picker.select_option(second.id)
    page.wait_for_timeout(300)
    picker.select_option(first.id)
    page.wait_for_timeout(300)
    let_go(page, waiting)
    page.wait_for_timeout(500)
    expect(page.get_by_role("heading", name="The first minutes")).to_be_visible()
    expect(page.get_by_role("heading", name="The second minutes")).to_have_count(0)


def put_minutes(site: ConsoleServer, job_id: str, title: str) -> None:
    """Give the minutes of a finished job a title of their own."""
    key = JobKeys(tenant="default", job_id=job_id).result("minutes.json")
    site.store.put(key, json.dumps({**json.loads(site.store.get(key)), "title": title}).encode())


def fulfill_versions(route: Route, page: Page, ids: tuple[str, ...]) -> None:
    """Answer which versions of minutes there are, with the jobs as the server shows them."""
    base = page.url.split("/#")[0]
    versions = [page.request.get(f"{base}/v1/jobs/{job_id}").json() for job_id in ids]
    route.fulfill(json={"versions": versions})


def test_a_batch_lists_its_recordings_once(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Readings that overlap with a slow one do not list the same recordings again."""
    site = ConsoleServer(tmp_path)
    batch = site.add_batch("calls", done=2, failed=0, live=0, to_come=1)
    page = open_page(serve(site), refusals=(404,))
    waiting = held(page, "**/entries?*")
    page.goto(f"{page.url.split('#')[0]}#/batches/{batch.id}")
    page.wait_for_timeout(3000 + SLOW_MS)  # longer than the page waits before it reads again
    let_go(page, waiting)
    page.wait_for_timeout(500)
    expect(page.locator(".entries tbody tr")).to_have_count(3)


def test_a_button_pressed_twice_does_one_thing(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Cancel is disabled until it is answered, also when its row is drawn again; a second click sends nothing."""
    site = ConsoleServer(tmp_path)
    job = site.add("call.wav", JobState.QUEUED)
    page = open_page(serve(site), refusals=(404,))
    waiting = held(page, "**/v1/jobs/*", lambda route: route.request.method == "DELETE")
    cancel = page.get_by_role("button", name="Cancel call.wav")
    cancel.click()
    expect(cancel).to_be_disabled()
    expect(cancel).to_be_focused()
    site.change(job, state=JobState.TRANSCRIBING)
    expect(page.locator(".rows .job")).to_contain_text("Transcribing")
    expect(cancel).to_be_disabled()
    cancel.click(force=True)
    page.wait_for_timeout(300)
    assert len(waiting) == 1
    let_go(page, waiting)
    expect(page.locator(".rows .job")).to_contain_text("Cancelling…")
    expect(cancel).to_have_count(0)


def test_nothing_to_play_shows_no_player_buttons(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Until it is known that there is audio nothing offers to play it."""
    site = ConsoleServer(tmp_path)
    job = site.add_done("meeting.flac", meeting_transcript())
    page = open_page(serve(site), refusals=(404,))
    waiting = held(page, "**/audio/peaks")
    page.goto(f"{page.url.split('#')[0]}#/jobs/{job.id}")
    expect(page.get_by_role("region", name="Player")).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_hidden()
    let_go(page, waiting)
    expect(page.get_by_text("The audio was not kept")).to_be_visible()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_hidden()


def test_signing_in_asks_once(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """While a key is being checked the button is disabled, and Enter sends no second request."""
    site = ConsoleServer(tmp_path, authenticator=Keyring(**{"key-of-a": "a"}))
    page = open_page(serve(site), refusals=(401,))
    key = page.get_by_label("API key")
    key.fill("key-of-a")
    waiting = held(page, "**/v1/jobs?limit=1")
    key.press("Enter")
    expect(page.get_by_role("button", name="Sign in")).to_be_disabled()
    key.press("Enter")
    page.wait_for_timeout(300)
    assert len(waiting) == 1
    let_go(page, waiting)
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    expect(page.get_by_text("No recordings yet.")).to_be_visible()


def test_draining_is_steered_once(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """The card is drawn again every five seconds; its button stays disabled until the answer, and keeps the focus."""
    page = open_page(serve(ConsoleServer(tmp_path)) + "/#/cluster")
    begin = page.get_by_role("button", name="Begin to drain")
    expect(begin).to_be_visible()
    waiting = held(page, "**/v1/admin/drain", lambda route: route.request.method == "POST")
    begin.click()
    with page.expect_response(lambda answer: answer.url.endswith("/v1/admin/drain")):
        pass
    page.wait_for_timeout(300)
    expect(begin).to_be_disabled()
    expect(begin).to_be_focused()
    assert len(waiting) == 1
    let_go(page, waiting)
    expect(page.get_by_role("button", name="Begin jobs again")).to_be_enabled()


def test_an_outage_that_is_over_is_not_told(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """The page of batches clears its error with the next answer, though no batch has changed."""
    site = ConsoleServer(tmp_path)
    site.add_batch("calls", done=1, failed=0, live=0, to_come=0)
    page = open_page(serve(site) + "/#/batches", refusals=(503,))
    expect(page.locator(".batch")).to_have_count(1)
    page.route("**/v1/batches?*", lambda route: route.fulfill(status=503, json=AWAY))
    expect(page.get_by_text("The ledger is away.")).to_be_visible()
    page.unroute("**/v1/batches?*")
    expect(page.get_by_text("The ledger is away.")).to_have_count(0)


def test_a_version_that_cannot_be_read_is_not_chosen(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """The picker goes back to the version that is shown."""
    site = ConsoleServer(tmp_path)
    job = site.add_done("meeting.flac", meeting_transcript())
    url = serve(site)
    page = open_page(url, refusals=(404, 503))
    body = {"base": 0, "speakers": {"David": "Dave"}}
    assert page.request.post(f"{url}/v1/jobs/{job.id}/corrections", data=body).ok
    page.goto(f"{url}/#/jobs/{job.id}")
    versions = page.get_by_label("Version of the transcript")
    expect(versions).to_have_value("1")
    expect(page.get_by_role("button", name="Changes")).to_be_visible()  # the machine's version has been read
    page.route("**/transcript?version=0", lambda route: route.fulfill(status=503, json=AWAY))
    versions.select_option("0")
    expect(page.get_by_text("The ledger is away.")).to_be_visible()
    expect(versions).to_have_value("1")


def test_nothing_is_corrected_while_a_version_is_saved(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """A change that the request does not hold would be lost: passages, Undo and Discard wait for the answer."""
    site = ConsoleServer(tmp_path)
    job = site.add_done("meeting.flac", meeting_transcript())
    page = open_page(f"{serve(site)}/#/jobs/{job.id}", refusals=(404,))
    first, second = page.locator(".line .words").nth(0), page.locator(".line .words").nth(1)
    page.get_by_role("button", name="Correct", exact=True).click()
    first.click()
    page.keyboard.type(" And more.")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    waiting = held(page, "**/corrections", lambda route: route.request.method == "POST")
    page.get_by_role("button", name="Save as version 1").click()
    for name in ("Undo", "Discard", "Save as version 1"):
        expect(page.get_by_role("button", name=name)).to_be_disabled()
    second.click()
    expect(page.get_by_role("textbox", name="Text at")).to_have_count(0)
    page.get_by_role("button", name="Speaker Alice: change").first.click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    let_go(page, waiting)
    expect(page.get_by_text("Saved as version 1.")).to_be_visible()
    expect(first).to_contain_text("And more.")


def test_audio_is_deleted_once(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """The button is there when there is audio, disabled while it is deleted, and gone afterwards with the player's."""
    site = ConsoleServer(tmp_path)
    job = site.add_done("call.opus", transcript_of("call-stereo.opus"), audio=RECORDINGS / "call-stereo.opus")
    page = open_page(serve(site))
    peaks = held(page, "**/audio/peaks")
    page.goto(f"{page.url.split('#')[0]}#/jobs/{job.id}")
    page.get_by_role("tab", name="Details").click()
    delete = page.get_by_role("button", name="Delete the audio only")
    expect(page.get_by_text("SHA-256")).to_be_visible()
    expect(delete).to_have_count(0)
    let_go(page, peaks)
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    waiting = held(page, "**/audio", lambda route: route.request.method == "DELETE")
    delete.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(delete).to_be_disabled()
    let_go(page, waiting)
    expect(delete).to_have_count(0)
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_hidden()
