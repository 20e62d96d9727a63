"""AssemblyAI's dialect, asked by AssemblyAI's own client, over a whole cluster: real Coordinator, coded audio."""

import asyncio
import json
from dataclasses import replace

import assemblyai as aai
import httpx
import pytest
from assemblyai.types import ListTranscriptParameters, Settings, TranscriptError, TranscriptStatus

from deployments.auth.authenticators import ALL_SCOPES, Principal
from deployments.http.assemblyai.forms import TranscriptRequest
from deployments.http.assemblyai.responses import paragraphs_body, sentences_body, transcript_body
from deployments.http.assemblyai.uploads import upload_in
from deployments.http.assemblyai.webhook import assemblyai_webhook
from deployments.notifications.webhooks import WebhookLimits
from pipelines.core import BlobRef, ModelInfo, Segment, Transcript, Word
from pipelines.errors import CorruptAudio, InvalidOptions, Unauthenticated
from pipelines.jobs.dialect import ASSEMBLYAI, Dialect
from pipelines.jobs.job import Job, JobOptions, JobState
from tests.support.in_process_cluster import MODEL
from tests.support.served_cluster import ServedCluster, coded, served_cluster

pytestmark = pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20")  # the client's own

NUMBERS = list(range(1, 41))
SPOKEN = " ".join(f"w{number}" for number in NUMBERS)
RECORDING = coded(NUMBERS)


class Desk:
    """The vendor's client with another base URL, and nothing else changed; it blocks, so it is asked in threads."""

    def __init__(self, served: ServedCluster, key: str = "none") -> None:
        self.served = served
        self.settings = Settings(base_url=f"{served.url}/assemblyai", api_key=key, polling_interval=0.02)
        self.client = aai.Client(settings=self.settings)
        self.transcriber = aai.Transcriber(client=self.client)

    async def transcribe(self, data=RECORDING, **asked) -> aai.Transcript:
        return await asyncio.to_thread(self.transcriber.transcribe, data, aai.TranscriptionConfig(**asked))

    async def submit(self, data=RECORDING, **asked) -> aai.Transcript:
        return await asyncio.to_thread(self.transcriber.submit, data, aai.TranscriptionConfig(**asked))

    async def ask(self, method, path, **request):
        async with httpx.AsyncClient(base_url=f"{self.served.url}/assemblyai") as client:
            return await client.request(method, path, **request)

    def close(self) -> None:
        self.client.http_client.close()


@pytest.fixture
async def desk(tmp_path):
    async with served_cluster(tmp_path, webhooks=WebhookLimits(allow_private=True)) as served:
        desk = Desk(served)
        yield desk
        desk.close()


async def test_a_file_is_uploaded_and_transcribed(desk, tmp_path):
    """Text, words in milliseconds, confidence and language; the transcript is the job."""
    recording = tmp_path / "call.wav"
    recording.write_bytes(RECORDING)
    heard = await desk.transcribe(str(recording))
    assert (heard.status, heard.error, heard.text) == (TranscriptStatus.completed, None, SPOKEN)
    assert [word.text for word in heard.words] == SPOKEN.split()
    assert (heard.words[0].start, heard.words[0].end, heard.words[1].start) == (0, 400, 500)
    assert (heard.confidence, heard.audio_duration, heard.language_code) == (1.0, 20, "en")
    assert (heard.utterances, heard.words[0].speaker, heard.speech_model_used) == (None, None, MODEL)
    job = desk.served.job
    assert (heard.id, job.options.minutes, job.options.channels) == (job.id, "none", "mix")
    assert heard.audio_url == f"{desk.served.url}/assemblyai/v2/upload/{job.id}"


async def test_all_that_recording_systems_ask_for(desk):
    """Speakers, channels, terms, redaction, a webhook; what is off is as good as left out."""
    heard = await desk.transcribe(
        speaker_labels=True,
        speakers_expected=2,
        multichannel=True,
        language_code="en_us",
        keyterms_prompt=["Kubernetes", "etcd"],
        filter_profanity=True,
        redact_pii=True,
        redact_pii_policies=["email_address", "credit_card_number"],
        speech_models=["universal-3-pro", "universal-2"],
        webhook_url="https://hooks.example/x?token=1",
        sentiment_analysis=False,
    )
    assert heard.status is TranscriptStatus.completed
    assert " ".join(utterance.text for utterance in heard.utterances) == SPOKEN
    assert {(each.speaker, each.channel) for each in heard.utterances} == {("1A", "1"), ("1B", "1")}
    options = desk.served.job.options
    assert (options.channels, options.language, options.vocabulary) == ("split", "en", ("Kubernetes", "etcd"))
    assert set(options.mask) == {"email", "cards", "profanity"}
    asked = heard.config
    assert (asked.speaker_labels, asked.speakers_expected, asked.keyterms_prompt) == (True, 2, ["Kubernetes", "etcd"])
    assert asked.webhook_url == "https://hooks.example/x"  # its query may be a secret


@pytest.mark.parametrize(
    ("asked", "channels", "diarize"),
    [
        ({}, "mix", None),
        ({"speaker_labels": True}, "split", "auto"),
        ({"speaker_labels": True, "speakers_expected": 3}, "mix", "3"),
        ({"speaker_labels": True, "speakers_expected": 2, "multichannel": True}, "split", "2"),
        ({"speaker_labels": True, "speaker_options": {"min_speakers_expected": 2}}, "mix", "2-99"),
        ({"speaker_labels": True, "speaker_options": {"max_speakers_expected": 5}}, "mix", "1-5"),
        ({"speakers_expected": 3}, "mix", None),
    ],
)
def test_voices_are_told_apart_where_speakers_are_wanted(asked, channels, diarize):
    """By channel and voice, or, where their number is given, by voice alone."""
    request = TranscriptRequest.of({"audio_url": "https://x.example/a.mp3", **asked})
    options = request.options([MODEL]).to_domain(MODEL, diarize="auto")
    assert (options.channels, options.diarize) == (channels, diarize)


def test_bounds_that_contradict_each_other():
    """Are refused by the name of the parameter."""
    bounds = {"min_speakers_expected": 3, "max_speakers_expected": 2}
    request = TranscriptRequest.of(
        {"audio_url": "https://x.example/a.mp3", "speaker_labels": True, "speaker_options": bounds}
    )
    with pytest.raises(InvalidOptions, match="speakers_expected: max_speakers must be at least min_speakers"):
        request.options([MODEL])


async def test_sentences_paragraphs_and_subtitles(desk):
    """What the client fetches beside the transcript."""
    heard = await desk.transcribe()
    (sentence,) = await asyncio.to_thread(heard.get_sentences)
    (paragraph,) = await asyncio.to_thread(heard.get_paragraphs)
    assert sentence.text == paragraph.text == SPOKEN
    assert len(sentence.words) == len(NUMBERS)
    assert (await asyncio.to_thread(heard.export_subtitles_srt)).startswith("1\n00:00:00,000 --> ")
    assert (await asyncio.to_thread(heard.export_subtitles_vtt)).startswith("WEBVTT\n\n00:00:00.000 --> ")
    with pytest.raises(TranscriptError, match="chars_per_caption: is not supported"):
        await asyncio.to_thread(heard.export_subtitles_srt, 32)


async def test_words_are_found(desk):
    """Words and phrases, with their places; what is nowhere is left out."""
    heard = await desk.transcribe()
    one, two = await asyncio.to_thread(heard.word_search, ["W3", "w5 w6", "w6 w5"])
    assert (one.text, one.count, one.timestamps, one.indexes) == ("W3", 1, [(1000, 1400)], [2])
    assert (two.text, two.timestamps, two.indexes) == ("w5 w6", [(2000, 2900)], [4])
    for words in ("", ",".join(f"w{n}" for n in range(101)), "a b c d e f"):
        answer = await desk.ask("GET", f"/v2/transcript/{heard.id}/word-search", params={"words": words})
        assert (answer.status_code, answer.json()["error"].startswith("words: ")) == (400, True)


async def test_a_webhook_has_its_form(desk):
    """``transcript_id`` and status, of success and of failure."""
    for fault, status in ((None, "completed"), (CorruptAudio("nothing decodes"), "error")):
        desk.served.cluster.segmenter.fail = fault
        sent = await desk.submit(webhook_url="https://hooks.example/x")
        assert sent.status is TranscriptStatus.queued
        await desk.served.cluster.ended(desk.served.job)
        (delivery,) = desk.served.cluster.ledger.outbox.of_job("default", sent.id)
        assert json.loads(assemblyai_webhook(delivery.message)) == {"transcript_id": sent.id, "status": status}


async def test_a_transcript_that_failed_says_why(desk):
    """Its status is ``error``; sentences of it are refused."""
    desk.served.cluster.segmenter.fail = CorruptAudio("nothing decodes")
    heard = await desk.transcribe()
    assert (heard.status, heard.error, heard.text) == (TranscriptStatus.error, "nothing decodes", None)
    with pytest.raises(TranscriptError, match="is failed and has no text") as caught:
        await asyncio.to_thread(heard.get_sentences)
    assert caught.value.status_code == 400


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"sentiment_analysis": True}, "sentiment_analysis: is not supported"),
        ({"audio_start_from": 1000}, "audio_start_from: is not supported"),
        ({"custom_spelling": {"Ann": ["an"]}}, "custom_spelling: is not supported"),
        ({"language_code": "xx"}, "language_code: "),
        ({"language_code": "de"}, "language_code: the model fake speaks only en"),
        ({"speech_models": ["gpt-9"]}, "There is no model 'gpt-9'"),
        ({"redact_pii": True, "redact_pii_policies": ["drug"]}, "redact_pii_policies: drug is not"),
        ({"webhook_url": "ftp://hooks.example"}, "webhook_url: must begin with"),
        ({"temperature": 3.0}, "temperature: must be 1.0 or less"),
        ({"keyterms_prompt": ["x" * 101]}, "keyterms_prompt.0: may have 100 characters"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(desk, asked, named):
    """With 400 and the parameter in words."""
    with pytest.raises(TranscriptError) as caught:
        await desk.submit("https://recordings.example/call.wav", **asked)
    assert caught.value.status_code == 400
    assert named in str(caught.value)
    assert desk.served.n_jobs == 0


async def test_parameters_beyond_the_clients(desk):
    """Unknown names, no recording, what is no JSON: 400 in AssemblyAI's form."""
    url = {"audio_url": "https://recordings.example/call.wav"}
    for body, told in (
        ({**url, "colour": "blue"}, "colour: there is no such option"),
        (
            {**url, "webhook_auth_header_name": "x-key"},
            "webhook_auth_header_name: is not supported: webhooks are signed, in webhook-signature",
        ),
        ({}, "audio_url: is missing"),
        ([], "The body is no JSON object."),
    ):
        answer = await desk.ask("POST", "/v2/transcript", json=body)
        assert (answer.status_code, answer.json()["error"]) == (400, told)
    assert (await desk.ask("GET", "/v2/transcript/none")).status_code == 404
    assert "error" in (await desk.ask("GET", "/v2/nothing")).json()


async def test_a_url_obeys_the_rules_for_sources(desk):
    """An address that is not public is refused; another one is pulled later, its query never shown."""
    with pytest.raises(TranscriptError, match="audio_url: points to an address that is not public"):
        await desk.submit("http://169.254.169.254/latest")
    sent = await desk.submit("https://recordings.example/a/call.wav?signature=1")
    assert desk.served.job.source_url == "https://recordings.example/a/call.wav?signature=1"
    assert (sent.audio_url, desk.served.job.filename) == ("https://recordings.example/a/call.wav", "call.wav")


async def test_uploads(desk):
    """What is no recording is refused at once; one upload has one transcript, and another one needs another upload."""
    answer = await desk.ask("POST", "/v2/upload", content=b"%PDF-1.7 and so on")
    assert (answer.status_code, answer.json()["reason"]) == (400, "unsupported_format")
    url = await asyncio.to_thread(desk.transcriber.upload_file, RECORDING)
    first, again = await desk.submit(url), await desk.submit(url)
    assert first.id == again.id
    with pytest.raises(TranscriptError, match="audio_url: this upload has a transcript with other parameters"):
        await desk.submit(url, speaker_labels=True)
    with pytest.raises(TranscriptError, match="audio_url: there is no such upload"):
        await desk.submit(f"{desk.served.url}/assemblyai/v2/upload/{'0' * 32}")
    assert desk.served.n_jobs == 1


async def test_an_upload_is_its_tenants(tmp_path):
    """Another tenant's upload is none, and so is its transcript; a key that is unknown is told so."""

    class Keyring:
        async def authenticate(self, token):
            if token not in ("a", "b"):
                raise Unauthenticated("The key is unknown.")
            return Principal(tenant=token, scopes=ALL_SCOPES, key_id=token)

    async with served_cluster(tmp_path, authenticator=Keyring()) as served:
        ours, theirs, nobody = (Desk(served, key) for key in ("a", "b", "c"))
        url = await asyncio.to_thread(ours.transcriber.upload_file, RECORDING)
        with pytest.raises(TranscriptError, match="there is no such upload"):
            await theirs.submit(url)
        heard = await ours.transcribe(url)
        assert (heard.text, served.job.tenant) == (SPOKEN, "a")
        answer = await theirs.ask("GET", f"/v2/transcript/{heard.id}", headers={"authorization": "b"})
        assert (answer.status_code, answer.json()["reason"]) == (404, "job_unknown")
        with pytest.raises(TranscriptError, match="The key is unknown") as caught:
            await nobody.submit(RECORDING)
        assert caught.value.status_code == 401
        for desk in (ours, theirs, nobody):
            desk.close()


async def test_the_list_is_paged(desk):
    """Newest first; older ones by ``before_id``, as the client takes it from the page."""
    made = [(await desk.transcribe(coded([number]))).id for number in (1, 2, 3)]
    lists = desk.transcriber.list_transcripts
    page = await asyncio.to_thread(lists, ListTranscriptParameters(limit=2))
    assert [item.id for item in page.transcripts] == [made[2], made[1]]
    assert {item.status for item in page.transcripts} == {TranscriptStatus.completed}
    older = page.page_details.before_id_of_prev_url
    rest = await asyncio.to_thread(lists, ListTranscriptParameters(limit=2, before_id=older))
    assert ([item.id for item in rest.transcripts], rest.page_details.prev_url) == ([made[0]], None)
    newer = await asyncio.to_thread(lists, ListTranscriptParameters(after_id=made[0]))
    assert [item.id for item in newer.transcripts] == [made[2], made[1]]
    for none in ({"status": "error"}, {"created_on": "2020-01-01"}, {"throttled_only": "true"}):
        assert (await desk.ask("GET", "/v2/transcript", params=none)).json()["transcripts"] == []
    assert (await desk.ask("GET", "/v2/transcript", params={"limit": 0})).status_code == 400


async def test_a_deleted_transcript_is_gone(desk, monkeypatch):
    """One that has ended is erased; one under way is cancelled, and refused until it has ended."""
    heard = await desk.transcribe()
    monkeypatch.setattr(aai, "settings", desk.settings)
    gone = await asyncio.to_thread(aai.Transcript.delete_by_id, heard.id)  # by the client of these settings
    aai.Client.get_default().http_client.close()
    assert (gone.id, gone.text, gone.audio_url) == (heard.id, "Deleted by user.", "http://deleted_by_user")
    assert (await desk.ask("GET", f"/v2/transcript/{heard.id}")).status_code == 404
    assert not [key for key in desk.served.cluster.store.list("") if heard.id in key]
    desk.served.cluster.engine.gate.clear()
    running = await desk.submit(coded([7]))
    refused = await desk.ask("DELETE", f"/v2/transcript/{running.id}")
    assert (refused.status_code, refused.json()["reason"]) == (400, "illegal_transition")
    desk.served.cluster.engine.gate.set()
    (ended,) = await desk.served.cluster.ended(desk.served.job)
    assert ended.state in (JobState.CANCELLED, JobState.SUCCEEDED)
    assert (await desk.ask("DELETE", f"/v2/transcript/{running.id}")).status_code == 200


async def test_jobs_that_came_in_another_way_are_told_too(desk):
    """A transcript is a job, whoever submitted it."""
    async with httpx.AsyncClient(base_url=desk.served.url) as client:
        made = await client.post("/v1/jobs", content=RECORDING, params={"minutes": "none", "word_timestamps": "true"})
    job = desk.served.cluster.ledger.get("default", made.json()["id"])
    await desk.served.cluster.ended(job)
    shown = (await desk.ask("GET", f"/v2/transcript/{job.id}")).json()
    assert (shown["status"], shown["text"]) == ("completed", SPOKEN)


def spoken(*said):
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
                speaker="",
                start_s=words[0].start_s,
                end_s=words[-1].end_s,
                text=text,
                words=tuple(words),
            )
        )
    return Transcript(
        duration_s=at_s,
        language="en",
        languages=(),
        segments=tuple(segments),
        coverage=(),
        model=ModelInfo(name="base"),
        n_channels=2,
    )


CALL = spoken((1, "Hello, Ann speaking."), (0, "Hi. My name is Bob."), (1, "Good!"))


def job_of(**asked):
    request = TranscriptRequest.of({"audio_url": "https://a.example/a.wav", **asked})
    return Job(
        id="j",
        tenant="t",
        options=JobOptions(model="base"),
        source=BlobRef(key="s", n_bytes=1),
        filename="a.wav",
        created_at_s=0.0,
        state=JobState.SUCCEEDED,
        dialect=Dialect(name=ASSEMBLYAI, asked=request.asked()),
    )


@pytest.mark.parametrize(
    ("asked", "labels"),
    [
        ({"speaker_labels": True}, ["A", "B", "A"]),
        ({"multichannel": True}, ["2", "1", "2"]),
        ({"dual_channel": True}, ["2", "1", "2"]),
        ({"multichannel": True, "speaker_labels": True}, ["2A", "1A", "2A"]),
    ],
)
def test_speakers(asked, labels):
    """By letter as they are first heard, or by the number of their channel."""
    body = transcript_body(job_of(**asked), CALL, "")
    assert [each.speaker for each in body.utterances or ()] == labels
    assert [each.text for each in body.utterances or ()] == ["Hello, Ann speaking.", "Hi. My name is Bob.", "Good!"]
    assert body.words is not None
    assert body.words[0].speaker == labels[0]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({}, "Hello, Ann speaking. Hi. My name is Bob. Good!"),
        ({"punctuate": False}, "Hello Ann speaking Hi My name is Bob Good"),
        ({"format_text": False}, "hello, ann speaking. hi. my name is bob. good!"),
        ({"punctuate": False, "format_text": False}, "hello ann speaking hi my name is bob good"),
    ],
)
def test_text_as_it_was_asked_for(asked, text):
    """Without punctuation, in small letters."""
    assert transcript_body(job_of(**asked), CALL, "").text == text


def test_parts():
    """Sentences end at their marks, paragraphs at the voice."""
    job = job_of(speaker_labels=True)
    assert [each.text for each in sentences_body(job, CALL).sentences] == [
        "Hello, Ann speaking.",
        "Hi.",
        "My name is Bob.",
        "Good!",
    ]
    assert [(each.speaker, each.text) for each in paragraphs_body(job, CALL).paragraphs] == [
        ("A", "Hello, Ann speaking."),
        ("B", "Hi. My name is Bob."),
        ("A", "Good!"),
    ]


def test_a_job_without_words():
    """Silence is an empty text, not none."""
    body = transcript_body(job_of(speaker_labels=True), spoken(), "")
    assert (body.text, body.words, body.confidence) == ("", [], 0.0)
    queued = transcript_body(replace(job_of(), state=JobState.QUEUED), None, "")
    assert (queued.status, queued.text, queued.words) == ("queued", None, None)


def test_languages_as_they_are_coded():
    """Regions with an underscore, Britain as ``uk``, several as the only ones that may be detected."""

    def options(**asked):
        return TranscriptRequest.of({"audio_url": "https://a.example/a.wav", **asked}).options(())

    assert options(language_code="en_uk").language == "en"
    assert options(language_code="uk").language == "uk"
    assert options(language_codes=["en", "es"]).languages == ("en", "es")
    expected = {"expected_languages": ["de", "fr"]}
    assert options(language_detection=True, language_detection_options=expected).languages == ("de", "fr")
    with pytest.raises(InvalidOptions, match="language_code: is given"):
        options(language_code="en", language_detection=True)


def test_addresses_of_uploads():
    """Whatever the host, behind a prefix too; nothing else is one."""
    name = "0" * 32
    assert upload_in(f"https://x.example/stt/assemblyai/v2/upload/{name}") == name
    for other in (f"https://x.example/{name}", f"https://x.example/assemblyai/v2/upload/{name}/x", "http://[", "a.wav"):
        assert upload_in(other) == ""
