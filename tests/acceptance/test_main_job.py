"""The main job, end to end: a recording goes in over HTTP, transcript, minutes and documents come out."""

import io
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import docx
import httpx
import pypdf
import pytest

from pipelines.jobs.job import RESULT_FORMATS
from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS, expectations, truth, word_error_rate

# The bundled model reached 3.0 % when this was written; a weaker one fails.
MEETING_WER = 0.06


def transcript_of(meetmemo: RunningMeetMemo, job: dict[str, Any]) -> dict[str, Any]:
    transcript: dict[str, Any] = json.loads(meetmemo.result(job, "transcript.json"))
    return transcript


def test_meeting_has_every_result(meetmemo: RunningMeetMemo, meeting: dict[str, Any]) -> None:
    """All eight results are there and open with the programs they are for."""
    assert tuple(meeting["results"]) == RESULT_FORMATS
    assert meetmemo.result(meeting, "transcript.vtt").startswith(b"WEBVTT\n\n")
    assert meetmemo.result(meeting, "transcript.srt").startswith(b"1\n00:00:")
    assert docx.Document(io.BytesIO(meetmemo.result(meeting, "minutes.docx"))).tables
    assert len(pypdf.PdfReader(io.BytesIO(meetmemo.result(meeting, "minutes.pdf"))).pages) >= 1


def test_meeting_reads_as_it_was_said(meetmemo: RunningMeetMemo, meeting: dict[str, Any]) -> None:
    """The transcript's word error rate against the true words is that of the bundled model."""
    said = " ".join(segment.text for segment in truth("meeting-3min.flac").segments)
    heard = transcript_of(meetmemo, meeting)["text"]
    assert word_error_rate(said, heard) <= MEETING_WER


def test_coverage_accounts_for_every_second(meetmemo: RunningMeetMemo, meeting: dict[str, Any]) -> None:
    """The coverage ledger tiles the recording without gap or overlap."""
    transcript = transcript_of(meetmemo, meeting)
    intervals = transcript["coverage"]
    assert intervals[0]["start_s"] == 0
    assert intervals[-1]["end_s"] == pytest.approx(transcript["duration_s"], abs=0.01)
    assert all(a["end_s"] == b["start_s"] for a, b in itertools.pairwise(intervals))
    assert meeting["progress"]["done_s"] == pytest.approx(meeting["progress"]["audio_s"])


def test_words_are_timed_inside_their_segments(meetmemo: RunningMeetMemo, meeting: dict[str, Any]) -> None:
    """Asked for word times, every segment has timed, ordered words."""
    for segment in transcript_of(meetmemo, meeting)["segments"]:
        times = [time for word in segment["words"] for time in (word["start_s"], word["end_s"])]
        assert times
        assert times == sorted(times)


def test_minutes_carry_evidence(meetmemo: RunningMeetMemo, meeting: dict[str, Any]) -> None:
    """The minutes name decisions and action items, each quoting the segments it cites."""
    minutes = json.loads(meetmemo.result(meeting, "minutes.json"))
    texts = {segment["id"]: segment["text"] for segment in transcript_of(meetmemo, meeting)["segments"]}
    assert minutes["writer"] == "extractive"
    assert minutes["decisions"]
    assert minutes["action_items"]
    for item in [*minutes["decisions"], *minutes["action_items"]]:
        cited = " ".join(texts[number].strip() for number in item["evidence"]["segment_ids"])
        assert item["evidence"]["quote"] in cited


@pytest.mark.parametrize(
    "name", sorted(set(expectations()) - {"meeting-12min.mp3", "meeting-3min.flac", "meeting-zh.flac"})
)
def test_every_kind_of_file_gets_its_outcome(meetmemo: RunningMeetMemo, name: str) -> None:
    """Each sample gives a result or the enumerated reason its table says; none hangs."""
    expected = expectations()[name]
    path = RECORDINGS / name
    answer = httpx.post(f"{meetmemo.url}/v1/jobs", files={"file": (name, path.read_bytes())}, timeout=60)
    if answer.status_code != 202:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["reason"] == expected.outcome
        return
    job = meetmemo.finished(answer.json()["id"])
    if expected.outcome == "succeeds":
        assert job["state"] == "succeeded", job
        assert bool(transcript_of(meetmemo, job)["text"].strip()) == expected.speech
    else:
        assert (job["state"], job["reason"]) == ("failed", expected.outcome)


def test_split_channels_keep_both_speakers(meetmemo: RunningMeetMemo) -> None:
    """A stereo call transcribed by channel names both, and each channel's words are its own."""
    job = meetmemo.finished(meetmemo.submit("call-stereo.opus", channels="split", speakers="Agent,Customer")["id"])
    segments = transcript_of(meetmemo, job)["segments"]
    said = truth("call-stereo.opus").segments
    for channel in (0, 1):
        heard = " ".join(segment["text"] for segment in segments if segment["channel"] == channel)
        own = " ".join(segment.text for segment in said if segment.channel == channel)
        other = " ".join(segment.text for segment in said if segment.channel != channel)
        assert word_error_rate(own, heard) < word_error_rate(other, heard)


def test_a_hundred_recordings_at_once(meetmemo: RunningMeetMemo) -> None:
    """A hundred recordings submitted at once all end in the right state."""
    with ThreadPoolExecutor(16) as pool:
        jobs = list(pool.map(lambda _: meetmemo.submit("short.mp3"), range(100)))
    ended = [meetmemo.finished(job["id"], timeout_s=600) for job in jobs]
    assert {job["state"] for job in ended} == {"succeeded"}
    assert len({job["id"] for job in ended}) == 100


def test_the_same_recording_is_answered_from_the_store(meetmemo: RunningMeetMemo) -> None:
    """Where reuse is wanted the second job takes the first one's transcript, and its documents are its own."""
    first, second = (meetmemo.finished(meetmemo.submit("short.mp3", reuse="true", beam_size="2")["id"]) for _ in "ab")
    assert (first["cached"], second["cached"], second["reused_from"]) == (False, True, first["id"])
    assert second["usage"]["device_s"] == 0
    assert meetmemo.result(first, "transcript.txt") == meetmemo.result(second, "transcript.txt")


def test_progress_arrives_as_events(meetmemo: RunningMeetMemo) -> None:
    """The event stream follows a job to its end."""
    job = meetmemo.submit("call-stereo.opus")
    names = []
    with httpx.stream("GET", f"{meetmemo.url}/v1/jobs/{job['id']}/events", timeout=120) as stream:
        for line in stream.iter_lines():
            if line.startswith("event:"):
                names.append(line.removeprefix("event:").strip())
    assert names[-1] == "end"
    assert set(names) <= {"state", "progress", "end"}


def test_cancel_takes_effect(meetmemo: RunningMeetMemo) -> None:
    """A cancelled job ends as cancelled, and nothing of it is left but its record."""
    job = meetmemo.submit("meeting-12min.mp3")
    assert httpx.delete(f"{meetmemo.url}/v1/jobs/{job['id']}", timeout=30).status_code in (200, 202)
    assert meetmemo.finished(job["id"])["state"] == "cancelled"


def test_command_line_transcribes_files(meetmemo: RunningMeetMemo, tmp_path: Path) -> None:
    """``meetmemo transcribe`` writes results into folders, says what failed, and exits 1 then."""
    good = meetmemo.cli("transcribe", "--out", str(tmp_path), str(RECORDINGS / "short.mp3"))
    assert good.returncode == 0, good.stderr
    assert sorted(path.name for path in (tmp_path / "short").iterdir()) == sorted(RESULT_FORMATS)
    bad = meetmemo.cli("transcribe", "--out", str(tmp_path), str(RECORDINGS / "corrupt.mp3"))
    assert bad.returncode == 1
    assert "unsupported_format" in bad.stderr


def test_command_line_knows_its_jobs(meetmemo: RunningMeetMemo, meeting: dict[str, Any]) -> None:
    """``jobs list`` and ``jobs show`` tell what the endpoint tells; ``status`` says that all is ready."""
    listed = json.loads(meetmemo.cli("jobs", "list", "--json", "--limit", "500").stdout)
    assert meeting["id"] in {job["id"] for job in listed["jobs"]}
    assert json.loads(meetmemo.cli("jobs", "show", meeting["id"]).stdout)["state"] == "succeeded"
    assert meetmemo.cli("status").returncode == 0
