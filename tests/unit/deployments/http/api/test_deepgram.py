"""Deepgram's dialect, asked by Deepgram's own client, over a whole cluster: real Coordinator, coded audio."""

import contextlib
import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.types.listen_v1response import ListenV1Response

from deployments.auth.authenticators import ALL_SCOPES, Principal
from deployments.http.deepgram.callback import DeepgramCallback
from deployments.http.deepgram.query import ListenQuery
from deployments.http.deepgram.responses import Listened, listen_body
from deployments.notifications.messages import JobNotifications
from deployments.notifications.webhooks import WebhookLimits
from pipelines.core import ModelInfo, Segment, SoundTrack, SpokenLanguage, TrackState, Transcript, Word
from pipelines.errors import CorruptAudio, InvalidOptions, Unauthenticated
from pipelines.jobs.job import JobState
from tests.support.in_process_cluster import MODEL
from tests.support.served_cluster import ServedCluster, coded, served_cluster

pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")  # the client's own

NUMBERS = list(range(1, 41))
SPOKEN = " ".join(f"w{number}" for number in NUMBERS)
RECORDING = coded(NUMBERS)
CALLBACKS = WebhookLimits(allow_private=True)


@contextlib.asynccontextmanager
async def client_of(served: ServedCluster, key="none"):
    """The vendor's client with another base URL, and nothing else changed."""
    async with httpx.AsyncClient(timeout=30.0) as connections:
        base = f"{served.url}/deepgram"
        environment = DeepgramClientEnvironment(base=base, production=base, agent=base, agent_rest=base)
        yield AsyncDeepgramClient(api_key=key, environment=environment, httpx_client=connections, max_retries=0)


@pytest.fixture
async def served(tmp_path):
    async with served_cluster(tmp_path, webhooks=CALLBACKS) as served:
        yield served


@pytest.fixture
async def media(served):
    async with client_of(served) as client:
        yield client.listen.v1.media


async def test_a_file_is_transcribed(media, served):
    """Without options the text is in small letters; words have times and confidence, and the id is the job's."""
    raw = await media.with_raw_response.transcribe_file(request=RECORDING, model="nova-3")
    assert isinstance(raw.data, ListenV1Response)
    heard: Any = raw.data
    (channel,) = heard.results.channels
    (alternative,) = channel.alternatives
    assert alternative.transcript == SPOKEN
    assert [word.word for word in alternative.words] == SPOKEN.split()
    assert alternative.words[0].confidence == alternative.confidence == 1.0
    assert alternative.words[0].end <= alternative.words[1].start
    assert (alternative.paragraphs, heard.results.utterances, channel.detected_language) == (None, None, None)
    job = served.job
    assert heard.metadata.request_id == raw.headers["dg-request-id"] == raw.headers["x-meetmemo-job"] == job.id
    assert (heard.metadata.duration, heard.metadata.channels, heard.metadata.sha256) == (20.0, 1, job.source.sha256)
    assert heard.metadata.model_info[MODEL]["arch"] == "whisper"
    assert (job.options.priority, job.options.minutes, job.options.channels) == (50, "none", "mix")


async def test_a_body_that_comes_in_pieces(media):
    """A client that does not know the length sends chunks."""

    async def pieces():
        for start in range(0, len(RECORDING), 7):
            yield RECORDING[start : start + 7]

    heard = await media.transcribe_file(request=pieces(), model=MODEL)
    assert heard.results.channels[0].alternatives[0].transcript == SPOKEN


async def test_all_that_recording_systems_ask_for(media, served):
    """Formatting, speakers, utterances, channels, languages, terms and redaction in one request."""
    served.cluster.segmenter.tracks = tuple(
        SoundTrack(number=n + 1, codec="pcm", n_channels=1, state=TrackState.HEARD, channels=(n,)) for n in range(2)
    )
    heard = await media.transcribe_file(
        request=RECORDING,
        smart_format=True,
        punctuate=True,
        utterances=True,
        diarize=True,
        multichannel=True,
        detect_language=True,
        keyterm=["Kubernetes", "etcd"],
        redact="pci",
        profanity_filter=True,
        tag=["sales"],
        extra=["call:4711"],
        summarize="false",
        mip_opt_out=True,
    )
    first, second = heard.results.channels
    assert (first.detected_language, first.alternatives[0].words[0].speaker) == ("en", 0)
    assert first.alternatives[0].words[0].punctuated_word == "w1"
    assert first.alternatives[0].paragraphs.transcript.startswith("\nSpeaker 0: w1 w2")
    assert (second.alternatives[0].transcript, second.alternatives[0].words) == ("", [])
    assert " ".join(utterance.transcript for utterance in heard.results.utterances) == SPOKEN
    assert {utterance.channel for utterance in heard.results.utterances} == {0}
    assert heard.metadata.tags == ["sales"]
    options = served.job.options
    assert (options.channels, options.vocabulary) == ("split", ("Kubernetes", "etcd"))
    assert set(options.mask) == {"cards", "profanity"}
    assert dict(served.job.reference.metadata) == {"call": "4711", "tag": "sales"}


async def test_a_url_obeys_the_rules_for_sources(media, served):
    """An address that is not public is refused by the vendor's name, before there is a job."""
    with pytest.raises(ApiError) as caught:
        await media.transcribe_url(url="http://169.254.169.254/latest")
    assert caught.value.status_code == 400
    assert caught.value.body["err_msg"] == "url: points to an address that is not public"
    assert served.n_jobs == 0
    taken = await media.transcribe_url(url="https://recordings.example/a/call.wav", callback="https://hooks.example/x")
    assert taken.request_id == served.job.id
    assert (served.job.source_url, served.job.filename) == ("https://recordings.example/a/call.wav", "call.wav")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"sentiment": True}, "sentiment: is not supported"),
        ({"summarize": "v2"}, "summarize: is not supported"),
        ({"numerals": True}, "numerals: is not supported"),
        ({"search": ["refund"]}, "search: is not supported"),
        ({"redact": "pii"}, "redact: pii is not supported; pci"),
        ({"language": "xx"}, "language: "),
        ({"language": "de"}, "language: the model fake speaks only en"),
        ({"callback": "ftp://hooks.example"}, "callback: must begin with"),
        ({"callback_method": "put"}, "callback_method: must be post"),
        ({"utt_split": -1.0}, "utt_split: must be more than 0"),
        ({"keywords": ["um:-2"]}, "keywords: a weight below 0"),
        ({"encoding": "linear16"}, "sample_rate: is missing"),
        ({"encoding": "g729"}, "encoding: must be linear16"),
        ({"model": "gpt-9"}, "There is no model 'gpt-9'"),
        ({"request_options": {"additional_query_parameters": {"endpointing": "10"}}}, "endpointing: there is no such"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(media, served, given, named):
    """In Deepgram's form: 400 with a code, the parameter in words, and the id of the request."""
    with pytest.raises(ApiError) as caught:
        await media.transcribe_file(request=RECORDING, **given)
    body, headers = caught.value.body, caught.value.headers or {}
    assert (caught.value.status_code, body["err_code"]) == (400, "Bad Request")
    assert body["err_msg"].startswith(named)
    assert body["request_id"] == headers["dg-request-id"] == headers["x-request-id"]
    assert served.n_jobs == 0


async def test_bytes_that_are_no_recording(media, served):
    """Refused from their first bytes; a recording that turns out to be damaged is refused with its job's id."""
    with pytest.raises(ApiError) as caught:
        await media.transcribe_file(request=b"%PDF-1.7 and so on")
    assert (caught.value.status_code, caught.value.body["reason"]) == (400, "unsupported_format")
    served.cluster.segmenter.fail = CorruptAudio("nothing decodes")
    with pytest.raises(ApiError) as caught:
        await media.transcribe_file(request=RECORDING)
    assert (caught.value.status_code, caught.value.body["err_code"]) == (400, "Bad Request")
    assert caught.value.body["err_msg"] == "nothing decodes"
    assert caught.value.body["request_id"] == (caught.value.headers or {})["dg-request-id"] == served.job.id


async def test_keys_are_those_of_tenants(tmp_path):
    """The client's key opens its tenant; another one gets 401 in Deepgram's form."""

    class Keyring:
        async def authenticate(self, token):
            if token != "acme-key":
                raise Unauthenticated("The key is unknown.")
            return Principal(tenant="acme", scopes=ALL_SCOPES, key_id="acme")

    async with served_cluster(tmp_path, authenticator=Keyring()) as served:
        async with client_of(served, "acme-key") as client:
            await client.listen.v1.media.transcribe_file(request=RECORDING)
        assert served.job.tenant == "acme"
        async with client_of(served, "wrong") as client:
            with pytest.raises(ApiError) as caught:
                await client.listen.v1.media.transcribe_file(request=RECORDING)
        assert (caught.value.status_code, caught.value.body["err_code"]) == (401, "INVALID_AUTH")


async def test_the_same_request_again_waits_for_the_same_job(media, served):
    """Under an Idempotency-Key; another request under it is refused."""
    again = {"request_options": {"additional_headers": {"idempotency-key": "k"}}}
    first = await media.transcribe_file(request=RECORDING, **again)
    second = await media.transcribe_file(request=RECORDING, **again)
    assert first.metadata.request_id == second.metadata.request_id
    with pytest.raises(ApiError) as caught:
        await media.transcribe_file(request=RECORDING, utterances=True, **again)
    assert (caught.value.status_code, caught.value.body["reason"]) == (400, "idempotency_conflict")
    assert served.n_jobs == 1


async def test_samples_without_a_container_get_one(media, served):
    """What the query says of them is what the file says then."""
    served.cluster.engine.gate.clear()  # numbers are spoken, and wait: the source goes when the job ends
    beside = {"additional_query_parameters": {"sample_rate": 8000, "channels": 1}}  # which the client does not name
    answer = await media.transcribe_file(
        request=b" 1" * 100,
        callback="https://hooks.example/x",
        encoding="linear16",
        request_options=beside,
    )
    source = served.cluster.store.get(f"default/{answer.request_id}/source")
    assert (source[:4], int.from_bytes(source[24:28], "little")) == (b"RIFF", 8000)


async def test_a_callback_gets_the_answer(media, served):
    """The request is answered at once; the message about the job's end is sent in Deepgram's form."""
    taken = await media.transcribe_file(
        request=RECORDING, callback="https://hooks.example/x", punctuate=True, utterances=True
    )
    assert taken.request_id == served.job.id
    (ended,) = await served.cluster.ended(served.job)
    assert (ended.state, ended.options.priority) == (JobState.SUCCEEDED, 0)
    (delivery,) = served.cluster.ledger.outbox.of_job("default", ended.id)
    assert delivery.message.target == "https://hooks.example/x"
    told: Any = ListenV1Response.model_validate_json(DeepgramCallback(served.cluster.store)(delivery.message))
    assert told.metadata.request_id == ended.id
    assert told.results.channels[0].alternatives[0].transcript == SPOKEN
    assert told.results.utterances


async def test_a_callback_tells_why_there_is_no_text(media, served):
    """The job's end is told as an error would be."""
    served.cluster.segmenter.fail = CorruptAudio("nothing decodes")
    taken = await media.transcribe_file(request=RECORDING, callback="https://hooks.example/x")
    await served.cluster.ended(served.job)
    (delivery,) = served.cluster.ledger.outbox.of_job("default", taken.request_id)
    told = json.loads(DeepgramCallback(served.cluster.store)(delivery.message))
    assert (told["err_msg"], told["request_id"]) == ("nothing decodes", taken.request_id)


async def test_the_tenants_own_webhook_is_told_in_our_form(tmp_path):
    """Only a callback of the request speaks the vendor's dialect."""
    async with served_cluster(tmp_path) as served:
        async with client_of(served) as client:
            await client.listen.v1.media.transcribe_file(request=RECORDING)
        await served.cluster.ended(served.job)
        before = replace(served.job, state=JobState.TRANSCRIBING)
        (message,) = JobNotifications(webhook="https://hooks.example/ours").of(before, served.job, at_s=0.0)
        assert "dialect" not in json.loads(message.body)


def talk(*said):
    """A transcript of (channel, text) pairs, a second a word."""
    at_s = 0.0
    segments: list[Segment] = []
    for channel, text in said:
        words = []
        for word in text.split():
            words.append(Word(text=f" {word}", start_s=at_s, end_s=at_s + 0.9, probability=0.9))
            at_s += 1.0
        segments.append(
            Segment(
                id=len(segments),
                channel=channel,
                speaker=f"Channel {channel + 1}",
                start_s=words[0].start_s,
                end_s=words[-1].end_s,
                text=text,
                words=tuple(words),
                language="en",
            )
        )
    return Transcript(
        duration_s=at_s,
        language="en",
        languages=(SpokenLanguage(channel=0, language="en", probability=0.98765),),
        segments=tuple(segments),
        coverage=(),
        model=ModelInfo(name="base", sha256="ab" * 32),
        n_channels=2,
    )


def answer(transcript, **asked):
    listened = Listened(request_id="r", sha256="", created_at="2026-11-30T00:00:00Z", transcript=transcript)
    body = listen_body(listened, ListenQuery(**asked)).model_dump(exclude_none=True)
    assert ListenV1Response.model_validate(body)
    return body["results"]


CALL = talk((1, "Hello, Ann speaking."), (0, "Hi. My name is Bob."), (1, "Good!"))


def test_speakers_are_told_apart_by_channel():
    """In one channel of the answer, numbered as they are first heard; utterances and paragraphs have one each."""
    results = answer(CALL, diarize=True, utterances=True, smart_format=True)
    (alternative,) = results["channels"][0]["alternatives"]
    assert [word["speaker"] for word in alternative["words"]] == [0, 0, 0, 1, 1, 1, 1, 1, 0]
    assert [(each["speaker"], each["transcript"]) for each in results["utterances"]] == [
        (0, "Hello, Ann speaking."),
        (1, "Hi. My name is Bob."),
        (0, "Good!"),
    ]
    assert alternative["paragraphs"]["transcript"] == (
        "\nSpeaker 0: Hello, Ann speaking.\n\nSpeaker 1: Hi. My name is Bob.\n\nSpeaker 0: Good!"
    )
    assert [sentence["text"] for sentence in alternative["paragraphs"]["paragraphs"][1]["sentences"]] == [
        "Hi.",
        "My name is Bob.",
    ]


def test_channels_apart():
    """Each has its own text; utterances of all are ordered by time and name their channel."""
    results = answer(CALL, multichannel=True, punctuate=True, utterances=True)
    assert [channel["alternatives"][0]["transcript"] for channel in results["channels"]] == [
        "Hi. My name is Bob.",
        "Hello, Ann speaking. Good!",
    ]
    assert [each["channel"] for each in results["utterances"]] == [1, 0, 1]
    assert "speaker" not in results["utterances"][0]


def test_plain_text_has_no_punctuation():
    """As Deepgram's has none unless it is asked for."""
    (channel,) = answer(CALL)["channels"]
    assert channel["alternatives"][0]["transcript"] == "hello ann speaking hi my name is bob good"
    assert "punctuated_word" not in channel["alternatives"][0]["words"][0]
    assert "detected_language" not in channel


def test_languages():
    """The detected one with its certainty; with `multi` that of each word."""
    (detected,) = answer(CALL, detect_language=("true",))["channels"]
    assert (detected["detected_language"], detected["language_confidence"]) == ("en", 0.9877)
    (several,) = answer(CALL, language="multi")["channels"]
    assert several["alternatives"][0]["languages"] == ["en"]
    assert several["alternatives"][0]["words"][0]["language"] == "en"


def test_silence_is_an_empty_answer():
    """No word, and no confidence in any."""
    (channel,) = answer(talk(), utterances=True, smart_format=True)["channels"]
    assert channel["alternatives"][0] == {
        "transcript": "",
        "confidence": 0.0,
        "words": [],
        "paragraphs": {"transcript": "\n", "paragraphs": []},
    }


def test_a_query_is_read_strictly():
    """Off and empty parameters are left out; one that is given twice is refused."""
    assert ListenQuery.of({"sentiment": ["false"], "detect_language": ["false"], "punctuate": [""]}) == ListenQuery()
    assert not ListenQuery.of({"detect_language": ["false"]}).detects
    assert ListenQuery.of({"detect_language": ["en", "zh"]}).options(()).model_dump()["languages"] == ("en", "zh")
    with pytest.raises(InvalidOptions, match="punctuate: given more than once"):
        ListenQuery.of({"punctuate": ["true", "true"]})
