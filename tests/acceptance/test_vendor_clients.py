"""Deepgram's and AssemblyAI's own clients against a running cluster, with another base URL and nothing else changed."""

import assemblyai
import httpx
import pytest
from deepgram import DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment

from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS, truth, word_error_rate

pytestmark = [  # the clients' own
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

MEETING = RECORDINGS / "short.mp3"
CALL = RECORDINGS / "call-stereo.opus"
PANEL = RECORDINGS / "meeting-3min.flac"  # four people on one microphone


def said(name: str) -> str:
    return " ".join(segment.text for segment in truth(name).segments)


def test_deepgram(meetmemo: RunningMeetMemo) -> None:
    """The text, its words and times; a stereo call by channel, a meeting by voice; refusals by name."""
    base = f"{meetmemo.url}/deepgram"
    environment = DeepgramClientEnvironment(base=base, production=base, agent=base, agent_rest=base)
    with httpx.Client(timeout=300) as connections:
        client = DeepgramClient(api_key="none", environment=environment, httpx_client=connections, max_retries=0)
        transcribe = client.listen.v1.media.transcribe_file
        heard = transcribe(request=MEETING.read_bytes(), model="nova-3", smart_format=True, utterances=True)
        (alternative,) = heard.results.channels[0].alternatives
        assert word_error_rate(said("short.mp3"), alternative.transcript) <= 0.1
        assert all(0 < word.confidence <= 1 for word in alternative.words)
        assert heard.results.utterances
        call = transcribe(request=CALL.read_bytes(), multichannel=True, punctuate=True)
        assert len(call.results.channels) == 2
        assert all(channel.alternatives[0].transcript for channel in call.results.channels)
        panel = transcribe(request=PANEL.read_bytes(), diarize=True)
        assert {word.speaker for word in panel.results.channels[0].alternatives[0].words} == set(range(4))
        with pytest.raises(ApiError) as caught:
            transcribe(request=MEETING.read_bytes(), sentiment=True)
        assert caught.value.body["err_msg"].startswith("sentiment: is not supported")


def test_assemblyai(meetmemo: RunningMeetMemo) -> None:
    """Upload, transcript, sentences, subtitles, list; speakers of a stereo call and a meeting; refusals by name."""
    settings = assemblyai.Settings(base_url=f"{meetmemo.url}/assemblyai", api_key="none", polling_interval=0.5)
    client = assemblyai.Client(settings=settings)
    try:
        transcriber = assemblyai.Transcriber(client=client)
        heard = transcriber.transcribe(str(MEETING))
        assert word_error_rate(said("short.mp3"), heard.text or "") <= 0.1
        assert heard.words
        assert len(heard.get_sentences()) > 1
        assert heard.export_subtitles_vtt().startswith("WEBVTT")
        call = transcriber.transcribe(str(CALL), assemblyai.TranscriptionConfig(speaker_labels=True))
        assert {utterance.speaker for utterance in call.utterances or ()} == {"A", "B"}
        counted = assemblyai.TranscriptionConfig(speaker_labels=True, speakers_expected=4)
        panel = transcriber.transcribe(str(PANEL), counted)
        assert {utterance.speaker for utterance in panel.utterances or ()} == set("ABCD")
        assert {call.id, heard.id} <= {item.id for item in transcriber.list_transcripts().transcripts}
        with pytest.raises(assemblyai.TranscriptError, match="auto_chapters: is not supported"):
            transcriber.submit(heard.audio_url, assemblyai.TranscriptionConfig(auto_chapters=True))
    finally:
        client.http_client.close()
