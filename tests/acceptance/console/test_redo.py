"""One stage of a job is done again from its page: what it takes is told first, and earlier versions are found."""

from pathlib import Path

from playwright.sync_api import expect

from deployments.auth.authenticators import Principal, Scope
from pipelines.jobs.job import JobState, MinutesRecord
from pipelines.jobs.stages import Stage
from pipelines.storage.layout import JobKeys
from tests.acceptance.console.conftest import OpenPage, Serve, assert_accessible
from tests.support.console_server import ConsoleServer, meeting_transcript


class Readers:
    """Whoever comes may read."""

    async def authenticate(self, token: str | None) -> Principal:
        return Principal(tenant="default", scopes=frozenset({Scope.JOBS_READ}), key_id="reader")


def test_a_stage_is_done_again(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """By keyboard; what needs the recording is refused in words where it was not kept, and other stages are not."""
    site = ConsoleServer(tmp_path)
    done = site.add_done("talk.wav", meeting_transcript())
    site.change(done, minutes=MinutesRecord(state="written", writer="extractive"))
    page = open_page(f"{serve(site)}/#/jobs/{done.id}", refusals=(404,))
    page.get_by_role("tab", name="Details").click()
    button = page.get_by_role("button", name="Do a stage again …")
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Do a stage again")
    expect(dialog.get_by_text("The recording was not kept")).to_be_visible()
    expect(dialog.get_by_role("button", name="Do again")).to_be_disabled()
    assert_accessible(page)
    dialog.get_by_role("radio", name="Documents").check()
    expect(dialog.get_by_text("the recording is not needed")).to_be_visible()
    dialog.get_by_label("Layout").select_option("classic")
    with page.expect_response(lambda answer: answer.url.endswith("/redo") and answer.status == 202) as answered:
        dialog.get_by_role("button", name="Do again").click()
    assert answered.value.request.post_data_json == {"stage": "documents", "minutes_template": "classic"}
    assert answered.value.request.headers["idempotency-key"]
    made = answered.value.json()
    assert (made["stage"], made["redo_of"]) == ("documents", done.id)
    versions = page.get_by_role("tabpanel", name="Details").get_by_role("listitem")
    expect(versions.filter(has_text="Transcribed, mini-en").locator("[aria-current]")).to_be_visible()
    expect(versions.get_by_role("link", name="Documents, again")).to_have_attribute("href", f"#/jobs/{made['id']}")
    expect(button).to_be_focused()
    assert_accessible(page)


def test_cancelled_nothing_is_made(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Closing the dialog makes no job."""
    site = ConsoleServer(tmp_path)
    done = site.add_done("talk.wav", meeting_transcript())
    page = open_page(f"{serve(site)}/#/jobs/{done.id}", refusals=(404,))
    page.get_by_role("tab", name="Details").click()
    page.get_by_role("button", name="Do a stage again …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert list(site.ledger.jobs) == [done.id]


def test_a_reader_sees_the_versions_only(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Who may not write finds earlier results, and no button."""
    site = ConsoleServer(tmp_path, authenticator=Readers())
    done = site.add_done("talk.wav", meeting_transcript())
    again = site.add_done("talk.wav", meeting_transcript())
    site.change(again, stage=Stage.DOCUMENTS, redo_of=done.id, minutes_of=done.id, state=JobState.SUCCEEDED)
    site.store.put(JobKeys(tenant="default", job_id=done.id).rewriting(again.id), b"")
    page = open_page(f"{serve(site)}/#/jobs/{again.id}", refusals=(404,))
    page.get_by_role("tab", name="Details").click()
    expect(page.get_by_role("heading", name="Versions")).to_be_visible()
    expect(page.get_by_role("link", name="Transcribed, mini-en")).to_be_visible()
    expect(page.get_by_role("button", name="Do a stage again …")).to_have_count(0)
