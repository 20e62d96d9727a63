"""OpenAI's dialect, asked by OpenAI's own client, over a whole cluster: real Coordinator, coded audio."""

import base64
import io
import threading
import wave

import httpx
import openai
import pytest

from deployments.http.app import build_api
from deployments.http.config import ApiServices
from deployments.http.openai.responses import diarized, without_inferred_names
from deployments.limits import IngestionLimits
from pipelines.core import (
    Evidence,
    ModelInfo,
    NameSource,
    Segment,
    SoundTrack,
    Speaker,
    TrackState,
    Transcript,
)
from pipelines.errors import CorruptAudio
from pipelines.jobs.job import JobState
from pipelines.models.profile import ModelProfile
from pipelines.notes import Note, NoteCode
from pipelines.storage.layout import JobKeys
from tests.fakes.diarizer import speaker_of
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.api_harness import Connection, api_config
from tests.support.asgi_server import serve_asgi
from tests.support.in_process_cluster import CODED_START, MODEL, InProcessCluster
from tests.support.waiting import until

NUMBERS = list(range(1, 61))  # two spans of three chunks
SPOKEN = " ".join(f"w{number}" for number in NUMBERS)
RECORDING = ("call.wav", CODED_START + " ".join(map(str, NUMBERS)).encode())


class Desk:
    """A cluster with its HTTP endpoint, and the official client of it."""

    def __init__(self, cluster, url, app):
        self.cluster = cluster
        self.url = url
        self.app = app
        self.client = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)

    @property
    def job(self):
        """The newest job."""
        return self.cluster.ledger.list(None).jobs[0]


@pytest.fixture
async def open_desk(tmp_path):
    """Open desks; ``languages`` is what the model speaks."""
    opened = []

    async def open_(languages=("en",), engine=None):
        ledger, store = MemoryLedger(), MemoryStore()
        cluster = InProcessCluster(ledger, store, engine=engine or FakeEngine(languages=languages), languages=languages)
        await cluster.coordinator.start()
        app = build_api(
            ApiServices(ledger=ledger, store=store, coordinator=cluster.coordinator),
            api_config(
                IngestionLimits(spool_dir=tmp_path / "spool", min_free_bytes=0, keep_alive_s=0.5),
                models=(MODEL,),
                profiles={MODEL: ModelProfile(languages=languages)},
            ),
        )
        server = serve_asgi(app)
        desk = Desk(cluster, await server.__aenter__(), app)
        opened.append((server, desk))
        return desk

    yield open_
    for server, desk in opened:
        desk.cluster.engine.gate.set()
        await desk.client.close()
        await server.__aexit__(None, None, None)
        await desk.cluster.coordinator.stop()


@pytest.fixture
async def desk(open_desk):
    return await open_desk()


async def test_json_is_the_default(desk):
    """The plain call gives the text, and the job it was, with raised priority, under the response's id."""
    heard = await desk.client.audio.transcriptions.create(file=RECORDING, model="whisper-1")
    assert heard.text == SPOKEN
    assert heard.usage.seconds == pytest.approx(30.0)
    assert (desk.job.filename, desk.job.options.priority, desk.job.options.minutes) == ("call.wav", 50, "none")
    raw = await desk.client.audio.transcriptions.with_raw_response.create(file=RECORDING, model=MODEL)
    assert raw.headers["x-meetmemo-job"] == desk.job.id
    job = await desk.client.get(raw.headers["location"].removeprefix("/v1"), cast_to=httpx.Response)
    assert job.json()["id"] == desk.job.id


async def test_text_and_subtitles(desk):
    """``text``, ``srt`` and ``vtt`` come as they are, not as JSON."""
    create = desk.client.audio.transcriptions.create
    assert await create(file=RECORDING, model=MODEL, response_format="text") == f"{SPOKEN}\n"
    assert (await create(file=RECORDING, model=MODEL, response_format="srt")).startswith("1\n00:00:00,000 --> ")
    assert (await create(file=RECORDING, model=MODEL, response_format="vtt")).startswith("WEBVTT\n\n00:00:00.000 --> ")


async def test_what_is_to_be_known_of_a_recording_is_in_a_header(desk):
    """A damaged recording warns in ASCII, a whole one not; the body stays as the client expects it."""
    create = desk.client.audio.transcriptions.with_raw_response.create
    assert "x-meetmemo-warning" not in (await create(file=RECORDING, model=MODEL)).headers
    desk.cluster.segmenter.notes = (
        Note(code=NoteCode.SHORTER_THAN_DECLARED, values={"declared_s": 11.05, "found_s": 3.39}),
        Note(code=NoteCode.TRACK_SILENT, values={"track": "2 (麦克风)"}),
    )
    raw = await create(file=("other.wav", RECORDING[1] + b" 61"), model=MODEL)
    assert raw.headers["x-meetmemo-warning"] == (
        "The file declares 11.05 s; 3.39 s were found. "
        "Sound track 2 (???) holds no sound; another one was heard in its place."
    )
    assert raw.parse().text == f"{SPOKEN} w61"


async def test_verbose_json(desk):
    """Segments are the default; words come when asked for, and then segments only if asked for too."""
    create = desk.client.audio.transcriptions.create
    plain = await create(file=RECORDING, model=MODEL, response_format="verbose_json")
    assert (plain.language, plain.duration, plain.words) == ("english", pytest.approx(30.0), None)
    assert " ".join(segment.text for segment in plain.segments) == plain.text == SPOKEN
    words = await create(file=RECORDING, model=MODEL, response_format="verbose_json", timestamp_granularities=["word"])
    assert words.segments is None
    assert [word.word for word in words.words] == SPOKEN.split()
    assert all(0 <= word.probability <= 1 for word in words.words)
    both = await create(
        file=RECORDING, model=MODEL, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert both.segments
    assert both.words[0].end <= both.words[1].start


async def test_diarized_json_tells_speakers_apart(desk):
    """By channel, named as asked; voices of a channel without a name are told apart, and called by letters."""
    create = desk.client.audio.transcriptions.create
    heard = await create(file=RECORDING, model=MODEL, response_format="diarized_json")
    assert (desk.job.options.channels, desk.job.options.diarize) == ("split", "auto")
    numbers = [(segment.speaker, int(word[1:])) for segment in heard.segments for word in segment.text.split()]
    assert numbers == [("AB"[speaker_of(number)], number) for _, number in numbers]
    assert {speaker for speaker, _ in numbers} == {"A", "B"}
    together = await create(file=RECORDING, model=MODEL, response_format="diarized_json", extra_body={"diarize": "off"})
    assert {segment.speaker for segment in together.segments} == {"A"}
    named = await create(
        file=RECORDING, model=MODEL, response_format="diarized_json", extra_body={"speakers": ["Agent", "Customer"]}
    )
    assert {segment.speaker for segment in named.segments} == {"Agent"}
    assert desk.job.options.diarize is None


async def test_voices_are_streamed_once_they_are_told_apart(desk):
    """Segments of a stream are those of the whole, speakers and all."""
    options = {"file": RECORDING, "model": MODEL, "response_format": "diarized_json"}
    whole = await desk.client.audio.transcriptions.create(**options)
    stream = await desk.client.audio.transcriptions.create(**options, stream=True)
    events = [event async for event in stream]
    told = [(event.speaker, event.text) for event in events if event.type == "transcript.text.segment"]
    assert told == [(segment.speaker, segment.text) for segment in whole.segments]
    assert events[-1].text == whole.text


async def test_voices_in_other_formats(desk):
    """Where voices are told apart on request, segments name them; plain text has no place for them."""
    create = desk.client.audio.transcriptions.create
    voices = {"file": RECORDING, "model": MODEL, "extra_body": {"diarize": "2"}}
    verbose = await create(**voices, response_format="verbose_json")
    assert {segment.speaker for segment in verbose.segments} == {"Speaker 1", "Speaker 2"}
    assert "Speaker 2: w5" in await create(**voices, response_format="srt")
    with pytest.raises(openai.BadRequestError, match="diarize"):
        await create(**voices, response_format="json")


TRACKS = tuple(
    SoundTrack(number=i + 1, codec="aac", n_channels=1, title=title, state=TrackState.HEARD, channels=(i,))
    for i, title in enumerate(["Desktop", "Microphone"])
)


async def test_sound_tracks_are_speakers(desk):
    """Where all are heard, whole or streamed: each segment is of the track that it was said in."""
    desk.cluster.segmenter.tracks = TRACKS
    create = desk.client.audio.transcriptions.create
    options = {"file": RECORDING, "model": MODEL, "response_format": "diarized_json", "extra_body": {"track": "all"}}
    heard = await create(**options)
    assert desk.job.options.track == "all"
    assert {segment.speaker for segment in heard.segments} == {"Desktop"}
    stream = await create(**options, stream=True)
    told = {event.speaker async for event in stream if event.type == "transcript.text.segment"}
    assert told == {"Desktop"}


async def test_stream_tells_each_span_when_it_is_finished(desk):
    """A delta for every segment; joined they are the text of the last event."""
    stream = await desk.client.audio.transcriptions.create(file=RECORDING, model=MODEL, stream=True)
    events = [event async for event in stream]
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert events[-1].type == "transcript.text.done"
    assert "".join(deltas) == events[-1].text == SPOKEN
    assert len(deltas) > 1


class HoldsLast(FakeEngine):
    """Keeps the recording's last chunk until it is let go."""

    def __init__(self):
        super().__init__()
        self.let_go = threading.Event()

    def transcribe(self, rows):
        if any(row.index == 5 for row in rows):
            self.let_go.wait(30)
        return super().transcribe(rows)


async def test_stream_begins_before_the_job_ends(open_desk):
    """With the last chunk held back, the first span's text is there already."""
    engine = HoldsLast()
    desk = await open_desk(engine=engine)
    stream = await desk.client.audio.transcriptions.create(
        file=RECORDING, model=MODEL, stream=True, response_format="text"
    )
    first = await anext(aiter(stream))
    assert first.type == "transcript.text.delta"
    assert first.delta.startswith("w1 w2")
    assert desk.job.state is JobState.TRANSCRIBING
    engine.let_go.set()
    await stream.close()


async def test_failed_job_is_an_error(desk):
    """A recording that cannot be used is the client's fault, by the reason's name; in a stream as well."""
    desk.cluster.segmenter.fail = CorruptAudio("nothing decodes")
    with pytest.raises(openai.BadRequestError, match="nothing decodes") as caught:
        await desk.client.audio.transcriptions.create(file=RECORDING, model=MODEL)
    assert (caught.value.code, caught.value.type) == ("corrupt_audio", "invalid_request_error")
    stream = await desk.client.audio.transcriptions.create(file=RECORDING, model=MODEL, stream=True)
    with pytest.raises(openai.APIError, match="nothing decodes"):
        async for _ in stream:
            pass


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"include": ["logprobs"]}, "include"),
        ({"chunking_strategy": {"type": "server_vad"}}, "chunking_strategy"),
        ({"extra_body": {"chunking_strategy": '{"type": "server_vad"}'}}, "chunking_strategy"),
        ({"extra_body": {"model": ""}}, "model"),
        ({"response_format": "aaf"}, "response_format"),
        ({"temperature": 2}, "temperature"),
        ({"language": "klingon"}, "language"),
        ({"language": "de"}, "language"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"extra_body": {"best_of": 3}}, "best_of"),
        ({"extra_body": {"speakers": ["A"]}}, "speakers"),
        ({"extra_body": {"track": "first"}}, "track"),
        ({"extra_body": {"known_speaker_names": ["A"]}}, "known_speaker_names"),
        ({"extra_body": {"known_speaker_references": ["data:audio/wav;base64,AA"]}}, "known_speaker_references"),
    ],
)
async def test_what_is_not_supported_is_refused(desk, options, param):
    """Every option that would be ignored is a 400 that names it, and no job comes of it."""
    with pytest.raises(openai.BadRequestError) as caught:
        await desk.client.audio.transcriptions.create(file=RECORDING, model=MODEL, **options)
    assert caught.value.param == param
    assert caught.value.code == "invalid_option"
    assert not desk.cluster.ledger.list(None).jobs


async def test_what_is_not_supported_is_told_in_words(desk):
    """The message says what is supported instead."""
    for options, words in (
        ({"include": ["logprobs"]}, "avg_logprob"),
        ({"known_speaker_names": ["A"]}, "diarized_json"),
    ):
        with pytest.raises(openai.BadRequestError, match=words):
            await desk.client.audio.transcriptions.create(file=RECORDING, model=MODEL, extra_body=options)


def data_url(seconds=3.0, kind="audio/wav"):
    """A clip of silence, as OpenAI's clients send one."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(2 * round(8000 * seconds)))
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


async def test_known_speakers_have_their_names(desk):
    """By clips that come with the request and go with the job; who is not known has a letter."""
    heard = await desk.client.audio.transcriptions.create(
        file=RECORDING,
        model=MODEL,
        response_format="diarized_json",
        extra_body={"known_speaker_names": ["Ann, the chair"], "known_speaker_references": [data_url(10.0)]},
    )
    assert {segment.speaker for segment in heard.segments} == {"Ann, the chair", "B"}
    known = JobKeys(tenant="default", job_id=desk.job.id).known_voices
    await until(lambda: not desk.cluster.store.exists(known))


def test_inferred_names_are_not_told_where_nothing_can_mark_them():
    """Their voices have letters; names that somebody told are there."""
    evidence = (Evidence(segment_ids=(0,), quote="this is Ann"),)
    speakers = (
        Speaker(label="Speaker 1", name="Ann", source=NameSource.INFERRED, evidence=evidence),
        Speaker(label="Speaker 2", name="Bob", source=NameSource.PROFILE, profile="p", similarity=0.9),
    )
    segments = tuple(
        Segment(id=n, channel=0, speaker=each.name, start_s=n, end_s=n + 1.0, text="x")
        for n, each in enumerate(speakers)
    )
    transcript = Transcript(
        duration_s=2.0,
        language="en",
        languages=(),
        segments=segments,
        coverage=(),
        model=ModelInfo(name="m"),
        speakers=speakers,
    )
    told = without_inferred_names(transcript)
    assert [diarized(segment, 0).speaker for segment in told.segments] == ["A", "Bob"]


@pytest.mark.parametrize(
    ("names", "references", "param"),
    [
        (["A"], [], "known_speaker_references"),
        ([], [data_url()], "known_speaker_names"),
        (["A", "B"], [data_url()], "known_speaker_references"),
        (["A", "a"], [data_url(), data_url()], "known_speaker_names"),
        (["A", "B", "C", "D", "E"], [data_url()] * 5, "known_speaker_names"),
        (["A"], ["https://example.com/a.wav"], "known_speaker_references"),
        (["A"], ["data:audio/wav;base64,%%%"], "known_speaker_references"),
        (["A"], ["data:audio/wav;base64,"], "known_speaker_references"),
        (
            ["A"],
            ["data:audio/wav;base64," + base64.b64encode(b"%PDF-1.4 nothing").decode()],
            "known_speaker_references",
        ),
        (["A"], [data_url(1.0)], "known_speaker_references"),
        (["A"], [data_url(11.0)], "known_speaker_references"),
    ],
)
async def test_known_speakers_that_are_none_are_refused(desk, names, references, param):
    """A 400 that names the parameter, and no job comes of it."""
    with pytest.raises(openai.BadRequestError) as caught:
        await desk.client.audio.transcriptions.create(
            file=RECORDING,
            model=MODEL,
            response_format="diarized_json",
            extra_body={"known_speaker_names": names, "known_speaker_references": references},
        )
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert not desk.cluster.ledger.list(None).jobs


@pytest.mark.parametrize("format", ["verbose_json", "srt", "vtt"])
async def test_a_stream_of_what_is_not_streamed_is_whole(desk, format):
    """As OpenAI does: LiteLLM always asks for verbose_json, also where its user wants a stream."""
    form = {"model": MODEL, "response_format": format, "stream": "true", "user": "7", "temperature": ""}
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(f"{desk.url}/v1/audio/transcriptions", files={"file": RECORDING}, data=form)
    assert answer.status_code == 200, answer.text
    assert "event-stream" not in answer.headers["content-type"]
    assert "w1" in answer.text


async def test_models_in_openais_form(desk):
    """The name that clients use for the default model is listed and can be retrieved; errors are OpenAI's."""
    assert (await desk.client.models.retrieve("whisper-1")).id == "whisper-1"
    with pytest.raises(openai.NotFoundError) as caught:
        await desk.client.models.retrieve("gpt-4")
    assert caught.value.code == "model_not_found"
    async with httpx.AsyncClient() as client:
        refused = await client.post(f"{desk.url}/v1/models")
    assert set(refused.json()["error"]) == {"message", "type", "param", "code"}


async def test_a_form_without_a_file_names_it(desk):
    """The parameter that is missing is told."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{desk.url}/v1/audio/transcriptions", files={"model": (None, MODEL)})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "file")


async def test_the_document_tells_every_form_of_answer(desk):
    """Text, subtitles and events stand beside JSON."""
    async with httpx.AsyncClient() as client:
        paths = (await client.get(f"{desk.url}/openapi.json")).json()["paths"]
    spoken = {"application/json", "text/plain", "application/x-subrip", "text/vtt"}
    assert paths["/v1/audio/transcriptions"]["post"]["responses"]["200"]["content"].keys() == {
        *spoken,
        "text/event-stream",
    }
    assert paths["/v1/audio/translations"]["post"]["responses"]["200"]["content"].keys() == spoken


async def test_unknown_model_is_not_found(desk):
    """A model that is not there is 404 with OpenAI's code."""
    with pytest.raises(openai.NotFoundError) as caught:
        await desk.client.audio.transcriptions.create(file=RECORDING, model="gpt-4o-transcribe")
    assert caught.value.code == "model_not_found"


async def test_forms_that_cannot_be_read(desk):
    """No form, no file, an empty file: 400 in OpenAI's form."""
    for request in (
        {"json": {"model": MODEL}},
        {"files": {"model": (None, MODEL)}},
        {"files": {"file": ("a.wav", b"")}, "data": {"model": MODEL}},
        {"files": {"file": ("a.wav", b"OggS 1")}},
    ):
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"{desk.url}/v1/audio/transcriptions", **request)
        assert answer.status_code == 400, answer.text
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


# The client marks translations as deprecated; they are part of its API all the same.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_translation(open_desk):
    """A model of several languages translates, and says English; one that cannot refuses."""
    many = await open_desk(("de", "en"))
    heard = await many.client.audio.translations.create(
        file=("a.wav", b"OggS 1 2 3"), model=MODEL, response_format="verbose_json"
    )
    assert (heard.text, heard.language) == ("t1 t2 t3", "english")
    assert many.job.options.task == "translate"
    one = await open_desk(("en",))
    with pytest.raises(openai.BadRequestError, match="cannot translate"):
        await one.client.audio.translations.create(file=RECORDING, model=MODEL)


async def test_prompt_and_vocabulary_reach_the_decoder(desk):
    """Both prime the decoder; the prompt stands last."""
    await desk.client.audio.transcriptions.create(
        file=RECORDING, model=MODEL, prompt="About servers.", extra_body={"vocabulary": ["Kubernetes", "etcd"]}
    )
    assert desk.cluster.engine.prompts == {"Kubernetes, etcd. About servers."}


async def test_job_survives_its_client(desk):
    """A client that goes away leaves a job that ends by itself; the same request under the same key gets its text."""
    desk.cluster.engine.gate.clear()
    form = (
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nfake\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="call.wav"\r\n\r\n%s\r\n--x--\r\n' % RECORDING[1]
    )
    headers = {"content-type": "multipart/form-data; boundary=x", "idempotency-key": "k1"}
    impatient = Connection(desk.app, "POST", "/v1/audio/transcriptions", headers)
    impatient.send(form, more=False)
    await until(lambda: bool(desk.cluster.ledger.list(None).jobs))
    impatient.disconnect()
    await impatient.done()
    desk.cluster.engine.gate.set()
    (job,) = await desk.cluster.ended(desk.job)
    assert job.state is JobState.SUCCEEDED
    async with httpx.AsyncClient() as client:
        again = await client.post(f"{desk.url}/v1/audio/transcriptions", content=form, headers=headers)
        stored = await client.get(f"{desk.url}/v1/jobs/{job.id}/results/transcript.json")
    assert again.json()["text"] == SPOKEN
    assert again.headers["x-meetmemo-job"] == job.id
    assert len(stored.json()["segments"]) == 6


async def test_models(desk):
    """The client lists models and retrieves one; MeetMemo's own fields stand beside OpenAI's."""
    assert [model.id async for model in desk.client.models.list()] == [MODEL, "whisper-1"]
    assert (await desk.client.models.retrieve(MODEL)).owned_by == "meetmemo"
    with pytest.raises(openai.NotFoundError):
        await desk.client.models.retrieve("other/model")
