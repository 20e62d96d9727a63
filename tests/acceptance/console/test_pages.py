"""What takes many jobs, long transcripts or several tenants: the console before its API in this process."""

import hashlib
import io
import json
import urllib.request
import wave
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Page, Response, Route, expect

from pipelines.core import CoverageStatus
from pipelines.errors import Reason
from pipelines.jobs.job import JobState, Progress
from tests.acceptance.console.conftest import PHONE, Keyring, OpenPage, Serve, assert_accessible, wait_until
from tests.support.console_server import ConsoleServer, long_transcript, meeting_transcript, transcript_of
from tests.support.meetings import meeting
from tests.support.recordings import RECORDINGS

MAX_ROWS = 60  # of a list, however long: what is seen and a little around it


def sign_in(page: Page, key: str) -> None:
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_two_tenants_sign_in(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Each sees its own jobs; the key is in no address, ends with the tab, and when it is taken away, so is access."""
    keyring = Keyring(**{"key-of-a": "a", "key-of-b": "b"})
    site = ConsoleServer(tmp_path, authenticator=keyring)
    site.add("of-a.wav", JobState.QUEUED, tenant="a")
    hidden = site.add("of-b.wav", JobState.QUEUED, tenant="b")
    page = open_page(serve(site), refusals=(401, 404))
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
    site = ConsoleServer(tmp_path)
    site.add_many(1000)
    live = site.add("live.wav", JobState.TRANSCRIBING, progress=Progress(audio_s=600.0, done_s=60.0))
    page = open_page(serve(site))
    rows = page.locator(".rows .job")
    expect(page.get_by_role("button", name="All 1001")).to_be_visible()
    expect(rows.first).to_contain_text("1:00 of 10:00")
    site.change(live, progress=Progress(audio_s=600.0, done_s=300.0))
    expect(rows.first).to_contain_text("5:00 of 10:00")
    site.change(live, state=JobState.SUCCEEDED)
    expect(rows.first).to_contain_text("Done")
    for _ in range(8):
        page.locator(".scroller").evaluate("element => element.scrollTop = element.scrollHeight")
        expect(rows.last).to_be_attached()
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
    site = ConsoleServer(tmp_path)
    transcript = long_transcript(3.0)
    job = site.add_done("three-hours.wav", transcript)
    page = open_page(f"{serve(site)}/#/jobs/{job.id}", refusals=(404,))
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


def test_minutes_in_a_language_without_rules(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """What nobody looked for has no section; a language that the browser cannot name has the server's name."""
    site = ConsoleServer(tmp_path)
    german = site.add_done("lager.wav", meeting("de"))
    page = open_page(f"{serve(site)}/#/jobs/{german.id}", refusals=(404,))
    page.get_by_role("tab", name="Minutes").click()
    expect(page.get_by_text("recognised in English and Chinese only")).to_be_visible()
    expect(page.get_by_role("heading", name="Topics")).to_be_visible()
    expect(page.get_by_role("heading", name="Decisions")).to_have_count(0)
    expect(page.get_by_text("None were found.")).to_have_count(0)
    expect(page.locator(".jobhead")).to_contain_text("German")


def post(url: str, body: object) -> None:
    """What somebody else does meanwhile."""
    data = json.dumps(body).encode()
    urllib.request.urlopen(urllib.request.Request(url, data, {"content-type": "application/json"})).close()


def test_a_transcript_is_corrected(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """By keyboard: text, undo, a speaker's name; a change survives the switch of language, and who saved meanwhile."""
    site = ConsoleServer(tmp_path)
    transcript = meeting_transcript()
    job = site.add_done("meeting.flac", transcript)
    url = serve(site)
    page = open_page(f"{url}/#/jobs/{job.id}", refusals=(404, 409))
    first, second = page.locator(".line .words").nth(0), page.locator(".line .words").nth(1)
    page.get_by_role("button", name="Correct", exact=True).click()
    page.locator("button.time").first.focus()
    page.keyboard.press("e")
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("Good evening, let us begin.")
    page.keyboard.press("Enter")
    editor = page.get_by_role("textbox", name="Text at")
    expect(editor).to_be_focused()
    expect(editor).to_have_value(transcript.segments[1].text)
    page.keyboard.type(" Not this.")
    page.keyboard.press("Escape")
    expect(second).to_have_text(transcript.segments[1].text)
    expect(first).to_have_text("Good evening, let us begin.")
    second.click()
    page.keyboard.type(" Nor this.")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2 passages changed")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("1 passage changed")).to_be_visible()
    expect(second).to_have_text(transcript.segments[1].text)

    page.get_by_role("button", name="中文").click()
    expect(page.get_by_text("已修改 1 段")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(first).to_have_text("Good evening, let us begin.")

    page.get_by_role("button", name="Speaker Alice: change").first.click()
    page.get_by_label("Name", exact=True).fill("Alicia")
    assert_accessible(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Speaker Alice: change")).to_have_count(0)
    assert_accessible(page)

    post(f"{url}/v1/jobs/{job.id}/corrections", {"base": 0, "speakers": {"David": "Dave"}})
    page.get_by_label("Note (optional)").fill("names")
    page.get_by_role("button", name="Save as version 1").click()
    expect(page.get_by_text("Version 1 was saved meanwhile.")).to_be_visible()
    expect(page.get_by_role("button", name="Speaker Dave: change").first).to_be_visible()
    expect(first).to_have_text("Good evening, let us begin.")
    page.get_by_role("button", name="Save as version 2").click()
    expect(page.get_by_text("Saved as version 2.")).to_be_visible()
    versions = page.get_by_label("Version of the transcript")
    expect(versions.locator("option")).to_have_count(3)
    expect(versions.locator("option").nth(2)).to_contain_text("names")

    page.get_by_role("button", name="Changes").click()
    expect(page.locator(".was").first).to_be_visible()
    expect(page.locator(".was").first).to_contain_text("morning")
    wait_until(page, "CSS.highlights.get('written')?.size >= 3")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert_accessible(page)

    def fetched() -> str:
        page.get_by_role("button", name="Download", exact=True).click()
        with page.expect_download() as download:
            page.get_by_role("button", name="transcript.txt", exact=True).click()
        return Path(download.value.path()).read_text()

    assert "Alicia: Good evening, let us begin." in fetched()
    versions.select_option("0")
    expect(first).to_have_text(transcript.segments[0].text)
    assert "Good evening" not in fetched()
    assert transcript == meeting_transcript()
    page.reload()
    expect(first).to_have_text("Good evening, let us begin.")


def test_a_batch_is_steered(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """On a phone: its totals, its recordings a page at a time, pause and resume, what failed again, the manifest."""
    site = ConsoleServer(tmp_path)
    site.add_batch("october", done=90, failed=2, live=3, to_come=45)
    page = open_page(f"{serve(site)}/#/batches", **PHONE)
    card = page.locator(".batch")
    expect(card).to_contain_text("140 recordings")
    for total in ("90 Done", "2 Failed", "3 Transcribing", "45 To come"):
        expect(card).to_contain_text(total)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert_accessible(page)
    page.get_by_role("link", name="october").click()
    rows = page.locator(".entries tbody tr")
    expect(rows).to_have_count(100)
    page.get_by_role("button", name="Show more").click()
    expect(rows).to_have_count(140)
    expect(rows.nth(91)).to_contain_text("corrupt_audio")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Pause: october").click()
    page.get_by_role("button", name="Go on: october").click()
    expect(page.get_by_role("button", name="Pause: october")).to_be_visible()
    page.get_by_role("button", name="Retry what failed: october").click()
    expect(page.get_by_text("2 recordings are taken on again.")).to_be_visible()
    expect(card).to_contain_text("47 To come")
    with page.expect_download() as download:
        page.get_by_role("button", name="Output manifest: october").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 140
    assert json.loads(lines[0])["custom_id"] == "call-4000"
    page.get_by_role("button", name="Cancel: october").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelled")


def long_recording() -> bytes:
    """Ten minutes of silence: three pieces of an upload."""
    written = io.BytesIO()
    with wave.open(written, "wb") as recording:
        recording.setparams((1, 2, 16_000, 0, "NONE", ""))
        recording.writeframes(bytes(20 << 20))
    return written.getvalue()


def test_an_upload_survives_a_cut(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """A connection that is cut goes on where it was, so does a pause; what arrives is the file, once."""
    site = ConsoleServer(tmp_path)
    page = open_page(serve(site), refusals=(0,))
    recording = long_recording()
    path = tmp_path / "all-hands.wav"
    path.write_bytes(recording)
    offsets: list[int] = []
    held: list[Route] = []

    def piece(route: Route) -> None:
        if route.request.method != "PATCH":
            return route.continue_()
        offsets.append(int(route.request.headers["upload-offset"]))
        if len(offsets) == 2:
            return route.abort()
        if len(offsets) == 4:
            return held.append(route)
        return route.continue_()

    page.route("**/v1/uploads/*", piece)
    page.set_input_files("#files", [path, path])
    expect(page.get_by_text("Chosen twice.")).to_be_visible()
    page.get_by_label("Vocabulary", exact=True).fill("Kubernetes, etcd")
    page.get_by_label("Speakers by channel").fill("Ann, Bob")
    page.get_by_role("button", name="Send 1 recording").click()
    expect(page.get_by_text("Names go with channels of their own")).to_be_visible()
    page.get_by_label("Channels", exact=True).select_option("split")
    assert_accessible(page)
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#option-vocabulary")).to_have_value("Kubernetes, etcd")
    page.get_by_role("button", name="English").click()
    page.get_by_role("button", name="Send 1 recording").click()
    expect(page.get_by_text("Connection lost")).to_be_visible()
    page.evaluate("dispatchEvent(new Event('online'))")
    page.get_by_role("button", name="Pause all-hands.wav").click()
    expect(page.get_by_text("Paused at")).to_be_visible()
    wait_until(page, "document.querySelectorAll('.sending li').length === 1")
    page.get_by_role("button", name="Go on with all-hands.wav").click()
    for _ in range(600):
        if held:
            break
        page.wait_for_timeout(50)
    held[0].continue_()
    expect(page.get_by_text("1 recording was sent.")).to_be_visible()
    expect(page.get_by_role("link", name="all-hands.wav")).to_be_visible()
    (job,) = site.ledger.list(None).jobs
    assert (job.options.vocabulary, job.options.speakers) == (("Kubernetes", "etcd"), ("Ann", "Bob"))
    assert job.source.sha256 == hashlib.sha256(recording).hexdigest()
    assert offsets[0] == 0
    assert offsets == sorted(offsets)


def test_a_failed_job_is_tried_again(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Where its recording can be fetched again there is a button, and a new job; where not, there is none."""
    site = ConsoleServer(tmp_path)
    fields = {"reason": Reason.SOURCE_UNREACHABLE, "detail": "no route"}
    site.add("uploaded.wav", JobState.FAILED, age_s=60, **fields)
    site.add("pulled.wav", JobState.FAILED, age_s=50, source_url="https://recordings.example/1.wav?key=x", **fields)
    page = open_page(serve(site))
    expect(page.get_by_role("button", name="Try uploaded.wav again")).to_have_count(0)
    page.get_by_role("button", name="Try pulled.wav again").click()
    expect(page.get_by_role("link", name="pulled.wav")).to_have_count(2)
    expect(page.locator(".rows .job").first).to_contain_text("Waiting")


def test_the_browser_fetches_what_it_plays(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Where no key is needed the player asks for the audio itself, in ranges, and goes to any place of it."""
    site = ConsoleServer(tmp_path)
    job = site.add_done("call.opus", transcript_of("call-stereo.opus"), audio=RECORDINGS / "call-stereo.opus")
    page = open_page(serve(site))
    answers: list[tuple[int, str]] = []

    def note(answer: Response) -> None:
        if answer.url.endswith("/audio"):
            answers.append((answer.status, answer.request.headers.get("range", "")))

    page.on("response", note)
    page.goto(f"{page.url.split('#')[0]}#/jobs/{job.id}")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    assert answers
    assert {status for status, _ in answers} == {206}
    assert all(wanted.startswith("bytes=") for _, wanted in answers)


def test_a_hit_of_the_search_leads_to_its_second(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """What was said is found over all recordings, shown as text whatever it holds; a hit opens the second it is at."""
    site = ConsoleServer(tmp_path)
    other = meeting("de")
    first, second, *rest = other.segments
    said = replace(other, segments=(first, replace(second, text="<b>The budget</b> of 2026"), *rest))
    job = site.add_done("planning.wav", said)
    site.add_done("other.wav", other)
    site.index()
    assert second.start_s > 0
    page = open_page(serve(site), refusals=(404, 422))
    page.get_by_role("link", name="Search", exact=True).click()
    expect(page.get_by_role("heading", name="Search")).to_be_visible()
    assert_accessible(page)
    words = page.get_by_label("Search all transcripts and minutes")
    words.fill('"the budg*"')
    page.get_by_label("In", exact=True).select_option("transcripts")
    words.press("Enter")
    hits = page.locator(".hit")
    expect(hits).to_have_count(1)
    expect(page.get_by_role("status").filter(has_text="1 hit.")).to_be_visible()
    expect(hits.locator(".passage")).to_have_text("<b>The budget</b> of 2026")
    expect(hits.locator("mark")).to_have_text("The budget")
    assert_accessible(page)
    hits.get_by_role("link").click()
    expect(page.get_by_role("heading", name="planning.wav")).to_be_visible()
    expect(page.get_by_role("slider", name="Position")).to_have_attribute("aria-valuenow", str(round(second.start_s)))
    assert page.evaluate("location.hash") == f"#/jobs/{job.id}/{second.start_s:g}"
    page.go_back()
    expect(words).to_have_value('"the budg*"')
    words.fill("-x")
    words.press("Enter")
    expect(page.get_by_text("at least one word")).to_be_visible()
    words.fill("unheard")
    words.press("Enter")
    expect(page.get_by_text("Nothing was found.")).to_be_visible()


def test_the_review_queue(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """What is most worth an ear is listed, marked as done and taken back, and opens the recording at its second."""
    site = ConsoleServer(tmp_path)
    other = meeting("de")
    first, second, *rest = (replace(each, health=CoverageStatus.TRANSCRIBED) for each in other.segments)
    doubtful = (first, replace(second, text="<b>Perhaps</b>", health=CoverageStatus.SUSPECT), *rest)
    job = site.add_done("planning.wav", replace(other, segments=doubtful, coverage=()))
    site.index()
    page = open_page(serve(site), refusals=(404,))
    page.get_by_role("link", name="Review", exact=True).click()
    expect(page.get_by_role("heading", name="Worth listening to")).to_be_visible()
    item = page.locator(".hit").filter(has_text="<b>Perhaps</b>")
    expect(item).to_have_count(1)
    expect(item.locator(".reason").filter(has_text="Suspect text")).to_be_visible()
    assert_accessible(page)
    item.get_by_role("button", name="Mark as done").click()
    expect(page.get_by_role("status").filter(has_text="1 done.")).to_be_visible()
    expect(item.get_by_role("button", name="Undo")).to_be_focused()
    page.get_by_role("combobox", name="Show", exact=True).select_option("true")
    expect(page.locator(".hit")).to_have_count(1)
    assert_accessible(page)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status").filter(has_text="0 done.")).to_be_visible()
    page.locator(".hit").get_by_role("link").click()
    expect(page.get_by_role("heading", name="planning.wav")).to_be_visible()
    assert page.evaluate("location.hash") == f"#/jobs/{job.id}/{second.start_s:g}"


def test_masks_are_set_apart(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """What stands in place of hidden words is set apart where a job hides any, and brackets of others are text."""
    site = ConsoleServer(tmp_path)
    heard = meeting("de")
    first, *rest = heard.segments
    masked = replace(heard, segments=(replace(first, text="[name] called [phone].", words=()), *rest))
    hiding, plain = (site.add_done(name, masked) for name in ("hiding.wav", "plain.wav"))
    site.change(hiding, options=replace(hiding.options, mask=("names", "phones")))
    url = serve(site)
    page = open_page(f"{url}/#/jobs/{hiding.id}", refusals=(404,))
    expect(page.get_by_text("[name] called [phone].")).to_be_visible()
    wait_until(page, "CSS.highlights.get('masked')?.size === 2")
    assert_accessible(page)
    page = open_page(f"{url}/#/jobs/{plain.id}", refusals=(404,))
    expect(page.get_by_text("[name] called [phone].")).to_be_visible()
    assert page.evaluate("CSS.highlights.get('masked') === undefined")
