"""Four people on one microphone, end to end: the Diarizer starts with the first job that wants it."""

import base64
import json
from collections import Counter
from typing import Any

import httpx
import numpy as np
import pytest

from pipelines.audio.clips import wav_clip
from pipelines.core import SAMPLE_RATE
from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS, samples_of, truth

# 4.7 % of the time was attributed wrongly or missed when this was written; much worse fails.
RIGHT_SHARE = 0.9
PEOPLE = ("Alice", "David", "Thomas", "Victor")
N_SPEAKERS = len(PEOPLE)


@pytest.fixture(scope="module")
def told_apart(meetmemo: RunningMeetMemo) -> dict[str, Any]:
    """The meeting, transcribed with its voices told apart."""
    job = meetmemo.finished(meetmemo.submit("meeting-3min.flac", diarize="auto")["id"])
    assert job["state"] == "succeeded", job
    assert job["notes"] == []
    return job


def test_names_by_what_is_said(meetmemo: RunningMeetMemo, told_apart: dict[str, Any]) -> None:
    """All four introduce themselves: their names are inferred, each with the words that give it away."""
    speakers = json.loads(meetmemo.result(told_apart, "transcript.json"))["speakers"]
    assert {each["label"] for each in speakers} == {f"Speaker {number}" for number in range(1, N_SPEAKERS + 1)}
    for each in speakers:
        assert each["source"] == "inferred"
        assert each["name"].casefold() in each["evidence"][0]["quote"].casefold()
    minutes = json.loads(meetmemo.result(told_apart, "minutes.json"))
    assert set(minutes["participants"]) == {each["name"] for each in speakers}
    assert all(item["owner"] in minutes["participants"] for item in minutes["action_items"])


def test_who_said_what(meetmemo: RunningMeetMemo, told_apart: dict[str, Any]) -> None:
    """Every speaker is found, and by far the most of what is said is theirs; nobody asked for words."""
    transcript = json.loads(meetmemo.result(told_apart, "transcript.json"))
    segments = transcript["segments"]
    names = set(PEOPLE)
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
    assert mapped == {person: person for person in people}
    right = sum(shared[pair] for pair in mapped.items())
    assert right / sum(shared.values()) >= RIGHT_SHARE
    assert not any(segment["words"] for segment in segments)


@pytest.mark.parametrize("name", ["transcript.txt", "transcript.srt", "transcript.vtt", "minutes.md"])
def test_documents_name_them(meetmemo: RunningMeetMemo, told_apart: dict[str, Any], name: str) -> None:
    """Each speaker has a place in each document with a transcript."""
    text = meetmemo.result(told_apart, name).decode()
    assert all(person in text for person in PEOPLE)


def test_a_speaker_gets_a_name(meetmemo: RunningMeetMemo, told_apart: dict[str, Any]) -> None:
    """One correction renames all segments, another one merges two speakers."""
    url = f"{meetmemo.url}/v1/jobs/{told_apart['id']}"
    for base, name in enumerate(("Alice", "David")):
        edits = {"base": base, "speakers": {name: "Ann"}}
        answer = httpx.post(f"{url}/corrections", json=edits, timeout=30)
        assert answer.status_code == 201, answer.text
    speakers = {segment["speaker"] for segment in httpx.get(f"{url}/transcript", timeout=30).json()["segments"]}
    assert speakers == {"Ann", *PEOPLE[2:]}


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


def clip_of(person: str, name: str) -> bytes:
    """What somebody says in a sample, as a WAV file of at most 9 seconds."""
    samples = samples_of(name)
    spoken = [
        samples[round(said.start_s * SAMPLE_RATE) : round(said.end_s * SAMPLE_RATE)]
        for said in truth(name).segments
        if said.speaker == person
    ]
    return wav_clip(np.concatenate(spoken)[: 9 * SAMPLE_RATE].astype("<i2").tobytes())


def test_an_enrolled_voice_is_known_in_another_recording(meetmemo: RunningMeetMemo) -> None:
    """Karen of the call has Alice's voice: where Alice is enrolled under another name, the call has that name."""
    form = {"name": "Ann Lee", "consent_by": "Ann Lee, in writing"}
    clip = {"file": ("ann.wav", clip_of("Alice", "meeting-3min.flac"))}
    answer = httpx.post(f"{meetmemo.url}/v1/voices", files=clip, data=form, timeout=120)
    assert answer.status_code == 201, answer.text
    try:
        job = meetmemo.finished(meetmemo.submit("call-stereo.opus", diarize="auto")["id"])
        speakers = json.loads(meetmemo.result(job, "transcript.json"))["speakers"]
        assert [each["name"] for each in speakers if each["source"] == "profile"] == ["Ann Lee"], speakers
        assert len(speakers) == len({each["name"] for each in speakers}) == 2
    finally:
        receipt = httpx.delete(f"{meetmemo.url}/v1/voices/{answer.json()['id']}", timeout=30)
    assert receipt.json()["gone"] is True
    job = meetmemo.finished(meetmemo.submit("call-stereo.opus", diarize="auto")["id"])
    speakers = json.loads(meetmemo.result(job, "transcript.json"))["speakers"]
    assert not any(each["source"] == "profile" for each in speakers)


def test_openais_client_brings_a_voice_along(meetmemo: RunningMeetMemo) -> None:
    """The reference names the voice in the answer; the other has a letter."""
    clip = base64.b64encode(clip_of("Alice", "meeting-3min.flac")).decode()
    with (RECORDINGS / "call-stereo.opus").open("rb") as file:
        answer = httpx.post(
            f"{meetmemo.url}/v1/audio/transcriptions",
            files={"file": ("call.opus", file)},
            data={
                "model": "whisper-1",
                "response_format": "diarized_json",
                "known_speaker_names[]": "Ann",
                "known_speaker_references[]": f"data:audio/wav;base64,{clip}",
            },
            timeout=180,
        )
    assert answer.status_code == 200, answer.text
    speakers = {segment["speaker"] for segment in answer.json()["segments"]}
    assert "Ann" in speakers
    assert len(speakers) == 2
