"""Four people on one microphone, end to end: the Diarizer starts with the first job that wants it."""

import json
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS, truth

# 4.7 % of the time was attributed wrongly or missed when this was written; much worse fails.
RIGHT_SHARE = 0.9
N_SPEAKERS = 4


@pytest.fixture(scope="module")
def told_apart(meetmemo: RunningMeetMemo) -> dict[str, Any]:
    """The meeting, transcribed with its voices told apart."""
    job = meetmemo.finished(meetmemo.submit("meeting-3min.flac", diarize="auto")["id"])
    assert job["state"] == "succeeded", job
    assert job["notes"] == []
    return job


def test_who_said_what(meetmemo: RunningMeetMemo, told_apart: dict[str, Any]) -> None:
    """Every speaker is found, and by far the most of what is said is theirs; nobody asked for words."""
    transcript = json.loads(meetmemo.result(told_apart, "transcript.json"))
    segments = transcript["segments"]
    names = {f"Speaker {number}" for number in range(1, N_SPEAKERS + 1)}
    assert {segment["speaker"] for segment in segments} == names
    assert {talk["speaker"] for talk in transcript["talk"]} == names
    shared: Counter[tuple[str, str]] = Counter()
    for said in truth("meeting-3min.flac").segments:
        for heard in segments:
            seconds = min(said.end_s, heard["end_s"]) - max(said.start_s, heard["start_s"])
            if seconds > 0:
                shared[said.speaker, heard["speaker"]] += round(seconds * 1000)
    people = {person for person, _ in shared}
    mapped = {person: max(names, key=lambda name: shared[person, name]) for person in people}
    assert len(set(mapped.values())) == len(people) == N_SPEAKERS
    right = sum(shared[pair] for pair in mapped.items())
    assert right / sum(shared.values()) >= RIGHT_SHARE
    assert not any(segment["words"] for segment in segments)


@pytest.mark.parametrize("name", ["transcript.txt", "transcript.srt", "transcript.vtt", "minutes.md"])
def test_documents_name_them(meetmemo: RunningMeetMemo, told_apart: dict[str, Any], name: str) -> None:
    """Each speaker has a place in each document with a transcript."""
    text = meetmemo.result(told_apart, name).decode()
    assert all(f"Speaker {number}" in text for number in range(1, N_SPEAKERS + 1))


def test_a_speaker_gets_a_name(meetmemo: RunningMeetMemo, told_apart: dict[str, Any]) -> None:
    """One correction renames all segments, another one merges two speakers."""
    url = f"{meetmemo.url}/v1/jobs/{told_apart['id']}"
    for base, name in enumerate(("Speaker 1", "Speaker 2")):
        edits = {"base": base, "speakers": {name: "Alice"}}
        answer = httpx.post(f"{url}/corrections", json=edits, timeout=30)
        assert answer.status_code == 201, answer.text
    speakers = {segment["speaker"] for segment in httpx.get(f"{url}/transcript", timeout=30).json()["segments"]}
    assert speakers == {"Alice", "Speaker 3", "Speaker 4"}


def test_letters_for_openais_clients(meetmemo: RunningMeetMemo) -> None:
    """A short recording of one voice, told apart without another word than the format."""
    with (RECORDINGS / "short.mp3").open("rb") as file:
        answer = httpx.post(
            f"{meetmemo.url}/v1/audio/transcriptions",
            files={"file": ("short.mp3", file)},
            data={"model": "whisper-1", "response_format": "diarized_json"},
            timeout=120,
        )
    assert answer.status_code == 200, answer.text
    assert {segment["speaker"] for segment in answer.json()["segments"]} == {"A"}
