"""The form for the options of a job is made of what the server tells: every option has an input."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from playwright.sync_api import Route, expect

from deployments.schemas.options import Options
from pipelines.jobs.options import MINUTES_OPTIONS
from tests.acceptance.console.conftest import OpenPage, Serve, assert_accessible
from tests.support.console_server import ConsoleServer, meeting_transcript

NOT_HERE = {"webhook_url", "recipients", "source_patience_s", "translate"}
"""Nothing is signed, mailed, fetched or translated here."""


def test_every_option_has_an_input(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Those that are seldom needed are folded away; bounds are told before they are sent; what was chosen is sent."""
    site = ConsoleServer(tmp_path)
    page = open_page(serve(site))
    recording = tmp_path / "talk.wav"
    recording.write_bytes(b"RIFF")
    page.set_input_files("#files", [recording])
    expect(page.get_by_label("Model", exact=True)).to_be_visible()
    names = page.eval_on_selector_all("form.options [name]", "all => all.map(input => input.name)")
    assert sorted(names) == sorted(Options.model_fields.keys() - NOT_HERE)
    assert page.eval_on_selector_all("form.options [name]", "all => all.every(input => input.labels.length === 1)")

    expect(page.get_by_label("First temperature")).to_be_hidden()
    page.get_by_text("More options").click()
    assert_accessible(page)
    page.get_by_label("Beams of the decoder").fill("11")
    page.get_by_role("button", name="Send 1 recording").click()
    expect(page.locator("#option-fault-beam_size")).not_to_be_empty()
    assert not site.ledger.list(None).jobs

    page.get_by_label("Beams of the decoder").fill("5")
    page.get_by_label("Hide").select_option(["email", "cards"])
    page.get_by_label("Names and terms").fill("etcd, Ray")
    page.get_by_label("Day of the recording").fill("2026-11-24")
    page.get_by_label("Take an earlier transcript").select_option("No")
    page.get_by_label("Wanted by").fill("2030-01-02T03:04")
    page.get_by_role("button", name="Send 1 recording").click()
    expect(page.get_by_role("link", name="talk.wav")).to_be_visible()
    (job,) = site.ledger.list(None).jobs
    chosen = job.options
    assert (chosen.beam_size, chosen.mask, chosen.reuse) == (5, ("email", "cards"), False)
    assert (chosen.glossary, chosen.recording_date) == (("etcd", "Ray"), date(2026, 11, 24))
    assert chosen.deadline is not None
    assert chosen.deadline.year == 2030
    assert (chosen.word_timestamps, chosen.priority, chosen.temperature) == (True, 0, 0.0)


def test_an_option_the_console_has_no_word_for(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """One that the server has learnt has an input all the same, under its own name, with its description."""
    page = open_page(serve(ConsoleServer(tmp_path)))

    def told(route: Route) -> None:
        body = route.fetch().json()
        mood = {"type": "string", "enum": ["calm", "lively"], "default": "calm", "description": "How it sounds."}
        body["options"]["background_mood"] = {**mood, "concern": "transcript"}
        route.fulfill(json=body)

    page.route("**/v1/choices", told)
    recording = tmp_path / "talk.wav"
    recording.write_bytes(b"RIFF")
    page.set_input_files("#files", [recording])
    page.get_by_text("More options").click()
    expect(page.get_by_label("background mood")).to_have_value("calm")
    expect(page.get_by_text("How it sounds.")).to_be_visible()


def test_minutes_are_written_anew(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """The form has what decides the minutes, filled in as the job has it; a text that is emptied stays empty."""
    site = ConsoleServer(tmp_path)
    done = site.add_done("talk.wav", meeting_transcript())
    site.change(done, options=replace(done.options, minutes_title="Board", minutes_template="classic"))
    page = open_page(f"{serve(site)}/#/jobs/{done.id}", refusals=(404,))
    page.get_by_role("tab", name="Minutes").click()
    page.get_by_role("button", name="Write anew").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    asked = page.eval_on_selector_all("dialog [name]", "all => all.map(input => input.name)")
    assert asked == list(MINUTES_OPTIONS)
    assert page.get_by_label("Written by").locator("option").all_inner_texts() == [
        "Best there is",
        "Spoken sentences, by rules",
    ]
    expect(page.get_by_label("Layout")).to_have_value("classic")
    page.get_by_label("Title", exact=True).fill("")
    page.get_by_label("Language of the minutes").select_option("de")
    page.get_by_label("Names and terms").fill("etcd、Ray")
    with page.expect_response("**/minutes") as answered:
        page.get_by_role("dialog").get_by_role("button", name="Write anew").click()
    assert answered.value.status == 202
    assert answered.value.request.post_data_json == {
        "minutes": "auto",
        "minutes_language": "de",
        "minutes_template": "classic",
        "minutes_title": "",
        "glossary": ["etcd", "Ray"],
    }


def test_in_chinese(tmp_path: Path, serve: Serve, open_page: OpenPage) -> None:
    """Every option has a word in Chinese, and what was chosen from a list is chosen again the next time."""
    page = open_page(serve(ConsoleServer(tmp_path)), locale="zh-CN")
    recording = tmp_path / "talk.wav"
    recording.write_bytes(b"RIFF")
    page.set_input_files("#files", [recording])
    page.get_by_text("更多选项").click()
    labels = page.eval_on_selector_all("form.options label", "all => all.map(label => label.innerText)")
    assert all(any("一" <= letter <= "鿿" for letter in label) for label in labels), labels
    page.get_by_label("汉字").select_option("traditional")
    page.get_by_role("button", name="提交 1 个录音").click()
    expect(page.get_by_role("link", name="talk.wav")).to_be_visible()
    page.set_input_files("#files", [recording])
    expect(page.get_by_label("汉字")).to_have_value("traditional")
    expect(page.get_by_label("汉字")).to_be_visible()
