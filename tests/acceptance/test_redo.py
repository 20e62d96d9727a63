"""Each stage of a recording done again on a running cluster: what was decoded is counted, the first results stay."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import SECRETS, RunningMeetMemo

ROWS = re.compile(r"^meetmemo_batch_rows_total\{.*\} ([0-9.e+]+)$", re.MULTILINE)
DECODED = ("language", "words")
UNDECODED = ("speakers", "minutes", "documents")
OPTIONS: dict[str, dict[str, Any]] = {
    "language": {"language": "en"},
    "words": {"beam_size": 2},
    "speakers": {"diarize": "auto"},
    "minutes": {"minutes_title": "Again"},
    "documents": {"minutes_template": "# {{ title }}\n\nshort\n"},
}


def n_rows(meetmemo: RunningMeetMemo) -> float:
    """How many rows the Transcribers have decoded so far."""
    headers = {"authorization": f"Bearer {SECRETS['metrics']}"}
    answer = httpx.get(f"{meetmemo.url}/metrics", headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return sum(map(float, ROWS.findall(answer.text)))


def ask(meetmemo: RunningMeetMemo, job_id: str, stage: str, **more: Any) -> dict[str, Any]:
    body = {"stage": stage, **OPTIONS[stage], **more}
    answer = httpx.post(f"{meetmemo.url}/v1/jobs/{job_id}/redo", json=body, timeout=60)
    assert answer.status_code in (200, 202), answer.text
    told: dict[str, Any] = answer.json()
    return told


def words(meetmemo: RunningMeetMemo, job: dict[str, Any]) -> list[str]:
    transcript = json.loads(meetmemo.result(job, "transcript.json"))
    return " ".join(segment["text"] for segment in transcript["segments"]).split()


@pytest.fixture(scope="module")
def first(meetmemo: RunningMeetMemo) -> dict[str, Any]:
    """A short recording that is kept, with times of its words."""
    job = meetmemo.finished(meetmemo.submit("short.mp3", keep_audio="true", word_timestamps="true")["id"])
    assert job["state"] == "succeeded", job
    return job


@pytest.mark.parametrize("stage", [*UNDECODED, *DECODED])
def test_a_stage_again(meetmemo: RunningMeetMemo, first: dict[str, Any], stage: str) -> None:
    """Speakers, minutes and documents decode not one chunk; a dry run says so before; the first results stay."""
    before = {name: meetmemo.result(first, name) for name in first["results"]}
    told = ask(meetmemo, first["id"], stage, dry_run=True)
    assert (told["n_refused"], told["decoded"]["audio_h"] > 0) == (0, stage in DECODED)
    decoded = n_rows(meetmemo)
    job = meetmemo.finished(ask(meetmemo, first["id"], stage)["id"])
    assert (job["state"], job["stage"]) == ("succeeded", stage), job
    assert (n_rows(meetmemo) > decoded) == (stage in DECODED)
    assert (job["usage"]["device_s"] > 0) == (stage in DECODED)
    assert words(meetmemo, job)
    if stage in UNDECODED:
        assert words(meetmemo, job) == words(meetmemo, first)
    if stage == "speakers":
        segments = json.loads(meetmemo.result(job, "transcript.json"))["segments"]
        assert all(segment["speaker"] for segment in segments)
    if stage == "documents":
        assert b"\n\nshort\n" in meetmemo.result(job, "minutes.md")
    assert before == {name: meetmemo.result(first, name) for name in first["results"]}


def test_without_the_recording(meetmemo: RunningMeetMemo, first: dict[str, Any]) -> None:
    """Once it is deleted, by its owner or by retention, only what needs no sound is done; the command tells which."""
    listed = httpx.get(f"{meetmemo.url}/v1/jobs/{first['id']}/redo", timeout=30).json()["versions"]
    assert [each["stage"] for each in listed] == [None, *UNDECODED, *DECODED]
    assert httpx.delete(f"{meetmemo.url}/v1/jobs/{first['id']}/audio", timeout=30).status_code == 204
    refused = meetmemo.cli("redo", first["id"], "--stage", "speakers", "--json")
    (outcome,) = json.loads(refused.stdout)["jobs"]
    assert (refused.returncode, outcome["reason"]) == (1, "audio_gone")
    made = meetmemo.cli("redo", first["id"], "--stage", "documents", "--json")
    assert made.returncode == 0, made.stderr
    (outcome,) = json.loads(made.stdout)["jobs"]
    assert meetmemo.finished(outcome["redo"])["state"] == "succeeded"
