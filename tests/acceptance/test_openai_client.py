"""OpenAI's official client against a running cluster, as its users call it."""

import openai
import pytest

from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS, truth, word_error_rate

MEETING = RECORDINGS / "short.mp3"


@pytest.fixture
def client(meetmemo: RunningMeetMemo) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{meetmemo.url}/v1", api_key="none", max_retries=0, timeout=300)


def test_transcription(client: openai.OpenAI, meetmemo: RunningMeetMemo) -> None:
    """The text comes back in the same call, words and all, and the job stays to be fetched."""
    said = " ".join(segment.text for segment in truth("short.mp3").segments)
    raw = client.audio.transcriptions.with_raw_response.create(
        file=MEETING, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    heard = raw.parse()
    assert word_error_rate(said, heard.text) <= 0.1
    assert len(heard.words or ()) == len(heard.text.split())
    job = meetmemo.finished(raw.headers["x-meetmemo-job"])
    assert job["state"] == "succeeded"
    assert set(job["results"]) == {f"transcript.{kind}" for kind in ("json", "txt", "srt", "vtt")}


def test_streamed_transcription(client: openai.OpenAI) -> None:
    """The deltas of a stream, joined, are its last event's text."""
    events = list(client.audio.transcriptions.create(file=MEETING, model="mini-en", stream=True))
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert events[-1].type == "transcript.text.done"
    assert "".join(deltas) == events[-1].text != ""


def test_speakers_by_channel(client: openai.OpenAI) -> None:
    """A stereo call has two speakers."""
    heard = client.audio.transcriptions.create(
        file=RECORDINGS / "call-stereo.opus", model="mini-en", response_format="diarized_json"
    )
    assert {segment.speaker for segment in heard.segments} == {"A", "B"}


def test_refusals(client: openai.OpenAI) -> None:
    """What the bundled model cannot do is refused, and so are bytes that are no recording."""
    with pytest.raises(openai.BadRequestError, match="speaks only en"):
        client.audio.transcriptions.create(file=MEETING, model="mini-en", language="de")
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.transcriptions.create(file=("a.mp3", b"no audio" * 100), model="mini-en")
    assert caught.value.code == "unsupported_format"
    assert [model.id for model in client.models.list()] == ["mini-en", "whisper-1"]
