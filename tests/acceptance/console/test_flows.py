"""What people do in the console, against a live cluster: submit, follow, read, listen, fetch, cancel."""

import io
import json
from pathlib import Path
from typing import Any

import docx
import pypdf
from playwright.sync_api import Page, expect

from tests.acceptance.conftest import RunningMeetMemo
from tests.acceptance.console.conftest import PHONE, OpenPage, assert_accessible, wait_until
from tests.support.recordings import RECORDINGS


def job_row(page: Page, name: str) -> Any:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def test_recordings_go_in_and_come_out(meetmemo: RunningMeetMemo, open_page: OpenPage, tmp_path: Path) -> None:
    """Several files are chosen, what is no recording is refused at once, the rest is sent, followed and read."""
    good = tmp_path / "console talk – 会议.mp3"
    good.write_bytes((RECORDINGS / "short.mp3").read_bytes())
    page = open_page(meetmemo.url, refusals=(422,))
    torn, noise = RECORDINGS / "corrupt-body.m4a", RECORDINGS / "corrupt.mp3"
    page.set_input_files("#files", [good, torn, noise, RECORDINGS / "empty.wav", Path(__file__)])
    expect(page.locator(".staged .faulty")).to_have_count(2)
    page.get_by_label("Language", exact=True).select_option("en")
    assert_accessible(page)
    page.get_by_role("button", name="Send 3 recordings").click()
    expect(job_row(page, good.name)).to_contain_text("Done")
    expect(page.get_by_text("This is of no known format")).to_be_visible()
    expect(job_row(page, torn.name)).to_contain_text("Failed")
    job_row(page, torn.name).get_by_role("link").click()
    expect(page.get_by_text("corrupt_audio")).to_be_visible()
    page.go_back()
    page.get_by_role("link", name=good.name).click()
    expect(page.locator(".transcript li").first).to_be_visible()
    job = meetmemo.job(page.url.rpartition("/")[2])
    assert (job["options"]["language"], job["options"]["keep_audio"], job["filename"]) == ("en", True, good.name)


def test_a_meeting_is_read_and_heard(meetmemo: RunningMeetMemo, meeting: dict[str, Any], open_page: OpenPage) -> None:
    """A click on a word plays from there with the word marked; minutes lead to their evidence; search finds."""
    page = open_page(f"{meetmemo.url}/#/jobs/{meeting['id']}")
    page.get_by_role("tab", name="Minutes").click()
    expect(page.locator(".mark.verified").first).to_be_visible()
    assert_accessible(page)
    words = page.locator(".line .words").nth(3)
    words.click(position={"x": 40, "y": 10})
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator(".line.now")).to_have_count(1)
    wait_until(page, "CSS.highlights.get('playing')?.size === 1")
    page.get_by_role("button", name="Pause").click()
    times = [float(time) for time in page.locator("button.time").evaluate_all("all => all.map(b => b.dataset.s)")]
    at_s = float(page.get_by_role("slider").get_attribute("aria-valuenow") or -1)
    assert times[3] - 1 <= at_s <= times[3] + 15

    evidence = page.locator(".evidence").last
    evidence.click()
    cited = page.locator(".line.cited")
    expect(cited.first).to_be_in_viewport()
    quote = evidence.locator("q").inner_text().strip("“”")
    assert quote.split()[0] in " ".join(cited.all_inner_texts())
    page.get_by_role("button", name="Pause").click()

    page.get_by_label("Search in the transcript").fill("the")
    expect(page.locator(".matches")).to_contain_text("1 of ")
    page.get_by_label("Search in the transcript").press("Enter")
    expect(page.locator(".matches")).to_contain_text("2 of ")


def test_documents_are_fetched(meetmemo: RunningMeetMemo, meeting: dict[str, Any], open_page: OpenPage) -> None:
    """Every document comes down under a name that says whose it is, and opens."""
    page = open_page(f"{meetmemo.url}/#/jobs/{meeting['id']}")

    def fetched(name: str) -> bytes:
        page.get_by_role("button", name="Download", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        assert download.value.suggested_filename == f"meeting-3min.{name}"
        return Path(download.value.path()).read_bytes()

    assert docx.Document(io.BytesIO(fetched("minutes.docx"))).tables
    assert pypdf.PdfReader(io.BytesIO(fetched("minutes.pdf"))).pages
    assert fetched("transcript.srt").startswith(b"1\n00:00:")
    assert fetched("transcript.vtt").startswith(b"WEBVTT")
    assert json.loads(fetched("transcript.json"))["segments"]
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").encode() == meetmemo.result(meeting, "minutes.md")


def test_by_keyboard_alone(meetmemo: RunningMeetMemo, meeting: dict[str, Any], open_page: OpenPage) -> None:
    """From the list into a transcript, through its passages, to the player and back, without a mouse."""
    page = open_page(meetmemo.url)
    page.get_by_label("Search by name").fill("meeting-3min.flac")
    expect(page.get_by_role("link", name="meeting-3min.flac").first).to_be_visible()
    expect(page.locator(".rows .job").first).to_contain_text("meeting-3min.flac")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="meeting-3min.flac").first).to_be_focused()
    page.keyboard.press("Enter")
    first = page.locator("button.time").first
    expect(first).to_be_visible()
    first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.locator("button.time").nth(2)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    outline = page.get_by_role("slider").evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid"


def test_a_job_is_cancelled_and_erased(meetmemo: RunningMeetMemo, open_page: OpenPage) -> None:
    """On a phone, in Chinese, in the dark: a long job is stopped where it stands, then deleted after a question."""
    page = open_page(meetmemo.url, locale="zh-CN", color_scheme="dark", **PHONE)
    job = meetmemo.submit("meeting-12min.mp3")
    row = page.locator(f'[data-id="{job["id"]}"]')
    row.get_by_role("button", name="取消 meeting-12min.mp3").click()
    expect(row).to_contain_text("已取消")
    assert_accessible(page)
    row.get_by_role("button", name="删除 meeting-12min.mp3").click()
    page.get_by_role("button", name="删除", exact=True).click()
    expect(row).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_cluster_tells_its_state(meetmemo: RunningMeetMemo, meeting: dict[str, Any], open_page: OpenPage) -> None:
    """Components, models and measures are those of /readyz and /metrics; draining begins and ends."""
    page = open_page(f"{meetmemo.url}/#/cluster")
    expect(page.get_by_role("heading", name="Everything works")).to_be_visible()
    expect(page.locator(".card.models")).to_contain_text("mini-en")
    expect(page.locator(".card.quarantine")).to_contain_text("Nothing is in quarantine.")
    page.get_by_role("heading", name="Measures").click()
    expect(page.get_by_text("meetmemo_speed_ratio")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Begin to drain").click()
    page.get_by_role("button", name="Begin jobs again").click()
    expect(page.get_by_role("button", name="Begin to drain")).to_be_visible()


def test_corrected_and_written_anew(meetmemo: RunningMeetMemo, open_page: OpenPage) -> None:
    """A correction is saved, every document of it opens, and minutes of it are written without transcribing again."""
    job = meetmemo.finished(meetmemo.submit("short.mp3", word_timestamps="true")["id"])
    page = open_page(f"{meetmemo.url}/#/jobs/{job['id']}", refusals=(404,))
    page.get_by_role("button", name="Correct", exact=True).click()
    page.locator(".line .words").first.click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("We decided to buy a zebra.")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Save as version 1").click()
    expect(page.get_by_text("Saved as version 1.")).to_be_visible()

    def fetched(name: str) -> bytes:
        page.get_by_role("button", name="Download", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        return Path(download.value.path()).read_bytes()

    assert b"zebra" in fetched("transcript.srt")
    assert b"zebra" in fetched("minutes.md")
    printed = pypdf.PdfReader(io.BytesIO(fetched("minutes.pdf")))
    assert "zebra" in "".join(sheet.extract_text() for sheet in printed.pages)
    assert b"zebra" not in meetmemo.result(job, "transcript.srt")

    page.get_by_role("button", name="Write anew").click()
    page.get_by_label("Layout").select_option("classic")
    page.get_by_label("Title", exact=True).fill("Board of zoologists")
    assert_accessible(page)
    page.get_by_role("dialog").get_by_role("button", name="Write anew").click()
    expect(page.get_by_text("The minutes were written anew.")).to_be_visible()
    expect(page.get_by_role("heading", name="Board of zoologists")).to_be_visible()
    expect(page.locator(".minutes .evidence").first).to_contain_text("zebra")
    expect(page.get_by_label("Versions of the minutes").locator("option")).to_have_count(2)
    assert b"Board of zoologists" in fetched("minutes.md")
    page.get_by_label("Versions of the minutes").select_option(index=0)
    expect(page.get_by_role("heading", name="Board of zoologists")).to_have_count(0)
