"""The MinutesWriter: documents at once, minutes at once or later, and never a transcript lost."""

import asyncio
import json
from dataclasses import replace

import pytest

from deployments.artifacts.parked_minutes import FRESH_S, DeferredMinutes, Parked, RememberedParking
from deployments.ports import EndedJob, MinutesRequest, WrittenResults
from deployments.workers.minutes_writer import PARKED_NOTE, MinutesWriter
from pipelines.codec import encode
from pipelines.core import Minutes, Transcript
from pipelines.errors import BlobMissing, IllegalTransition, JobUnknown, MeetMemoError, MinutesError, MinutesParked
from pipelines.jobs.job import RESULT_FORMATS, JobState, MinutesRecord
from pipelines.minutes.extractive.writer import write_minutes
from pipelines.minutes.protocol import MinutesOptions
from pipelines.notes import NoteCode
from pipelines.storage.layout import PARKED_MINUTES, JobKeys
from tests.fakes.store import MemoryStore
from tests.support.llm_lab import meeting

REQUEST = MinutesRequest(tenant="acme", job_id="a1", title="Call", minutes="llm", language=None)
TRANSCRIPTS = tuple(name for name in RESULT_FORMATS if name.startswith("transcript."))


class ScriptedWriter:
    """Writes minutes by rules, or raises what it is told to."""

    def __init__(self) -> None:
        self.error: MinutesError | None = None
        self.never = ""
        self.options: list[MinutesOptions] = []

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        self.options.append(options)
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        if options.job_id == self.never:
            raise MinutesParked("the language model answered 500")
        return write_minutes(transcript, options)


class Desk:
    """Stands for the Coordinator: keeps what followed, or raises what it is told to."""

    def __init__(self) -> None:
        self.error: MeetMemoError | None = None
        self.followed: dict[str, WrittenResults] = {}

    async def minutes_followed(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        if self.error:
            raise self.error
        self.followed[f"{tenant}/{job_id}"] = written


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    for job_id in ("a1", "a2", "a3"):
        store.put(JobKeys(tenant="acme", job_id=job_id).transcript, encode(meeting(1)))
    return store


@pytest.fixture
def llm() -> ScriptedWriter:
    return ScriptedWriter()


@pytest.fixture
def writer(store: MemoryStore, llm: ScriptedWriter) -> MinutesWriter:
    return MinutesWriter(store=store, writers={"llm": llm}, clock=lambda: 1000.0)


async def test_minutes_and_documents(writer: MinutesWriter, llm: ScriptedWriter) -> None:
    """Every document is stored, and the writer is told whose meeting it is."""
    written = await writer.write(REQUEST)
    assert (written.names, written.note) == (RESULT_FORMATS, "")
    assert (llm.options[0].tenant, llm.options[0].job_id) == ("acme", "a1")


async def test_several_jobs_at_once(writer: MinutesWriter, store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets its own answer: results, an error on purpose as it was raised, a fault of ours in words."""
    store.delete(JobKeys(tenant="acme", job_id="a2").transcript)
    exists = store.exists

    def faulty(key: str) -> bool:
        if key == JobKeys(tenant="acme", job_id="a3").transcript:
            raise ZeroDivisionError("ours")
        return exists(key)

    monkeypatch.setattr(store, "exists", faulty)
    asked = [replace(REQUEST, job_id=job_id, minutes="none") for job_id in ("a1", "a2", "a3")]
    written, missing, fault = await writer.write_all(asked)
    assert isinstance(written, WrittenResults)
    assert written.names == TRANSCRIPTS
    assert isinstance(missing, BlobMissing)
    assert str(fault) == "ZeroDivisionError: ours"


@pytest.mark.parametrize("wanted", ["llm", "auto"])
async def test_nobody_is_asked_about_silence(
    writer: MinutesWriter, llm: ScriptedWriter, store: MemoryStore, wanted: str
) -> None:
    """Documents are there and say that there was no speech; no writer is called, missed or named."""
    keys = JobKeys(tenant="acme", job_id="a1")
    store.put(keys.transcript, encode(replace(meeting(1), segments=())))
    written = await writer.write(replace(REQUEST, minutes=wanted))
    told = "No speech was recognised in this recording."
    assert (written.names, written.note) == (RESULT_FORMATS, told)
    assert written.minutes == MinutesRecord(state="empty", note=told)
    assert written.report is not None
    assert (written.report.outcome, written.report.writer) == ("empty", "")
    assert llm.options == []
    assert json.loads(store.get(keys.result("minutes.json")))["writer"] == "none"
    assert store.get(keys.result("transcript.txt")).decode() == f"[{told}]\n"


async def test_failed_minutes_cost_no_transcript(writer: MinutesWriter, llm: ScriptedWriter) -> None:
    """Without minutes the transcript's documents are there, with the reason; nothing is tried again."""
    llm.error = MinutesError("nonsense")
    written = await writer.write(REQUEST)
    assert written.names == TRANSCRIPTS
    assert written.note == "There are no minutes: nonsense"
    llm.error = None
    assert await writer.follow_up(Desk()) == 0


async def test_a_writer_that_is_not_there(writer: MinutesWriter) -> None:
    """A job that asks for a writer this machine lacks gets its transcript and the reason."""
    written = await writer.write(replace(REQUEST, minutes="auto"))
    assert written.names == TRANSCRIPTS
    assert "no language model" in written.note


async def test_parked_minutes_follow_after_a_restart(
    writer: MinutesWriter, llm: ScriptedWriter, store: MemoryStore
) -> None:
    """While the model is away a job has its transcript and a note; another process writes them once it is back."""
    llm.error = MinutesParked("no balance")
    for job_id in ("a1", "a2", "a3"):
        written = await writer.write(replace(REQUEST, job_id=job_id))
        assert (written.names, written.note) == (TRANSCRIPTS, f"{PARKED_NOTE}no balance")
    desk = Desk()
    assert await writer.follow_up(desk) == 0
    assert len(llm.options) == 4  # the three jobs, then one call that finds the model still away

    llm.error = None
    reborn = MinutesWriter(store=store, writers={"llm": llm}, clock=lambda: 1000.0)
    assert await reborn.follow_up(desk) == 3
    assert {name: found.names for name, found in desk.followed.items()} == dict.fromkeys(
        ("acme/a1", "acme/a2", "acme/a3"), RESULT_FORMATS
    )
    assert store.exists(JobKeys(tenant="acme", job_id="a2").result("minutes.docx"))
    assert await reborn.follow_up(desk) == 0
    assert len(llm.options) == 7


async def test_a_budget_is_waited_for(store: MemoryStore, llm: ScriptedWriter) -> None:
    """What is parked until a time is not tried before it."""
    now = [1000.0]
    writer = MinutesWriter(store=store, writers={"llm": llm}, clock=lambda: now[0])
    llm.error = MinutesParked("budget", not_before_s=2000.0)
    await writer.write(REQUEST)
    llm.error, desk = None, Desk()
    assert await writer.follow_up(desk) == 0
    now[0] = 2000.0
    assert await writer.follow_up(desk) == 1


async def test_the_job_ends_first(writer: MinutesWriter, llm: ScriptedWriter) -> None:
    """Minutes that are ready before the job's end is entered stay parked until it is."""
    llm.error = MinutesParked("away")
    await writer.write(REQUEST)
    llm.error, desk = None, Desk()
    desk.error = IllegalTransition("still summarizing")
    assert await writer.follow_up(desk) == 0
    desk.error = None
    assert await writer.follow_up(desk) == 1


@pytest.mark.parametrize("gone", ["ledger", "store"])
async def test_a_deleted_job_is_forgotten(
    writer: MinutesWriter, llm: ScriptedWriter, store: MemoryStore, gone: str
) -> None:
    """A job that was purged while it was parked is dropped from the parking without a word to anyone."""
    llm.error = MinutesParked("away")
    await writer.write(REQUEST)
    llm.error, desk = None, Desk()
    if gone == "store":
        store.delete_prefix(JobKeys(tenant="acme", job_id="a1").root)
    else:
        desk.error = JobUnknown("no job")
    await writer.follow_up(desk)
    desk.error = None
    assert await writer.follow_up(desk) == 0
    assert desk.followed == {}


async def test_minutes_given_up_later(writer: MinutesWriter, llm: ScriptedWriter) -> None:
    """Parked minutes that turn out impossible end with the reason in the job."""
    llm.error = MinutesParked("away")
    await writer.write(REQUEST)
    llm.error, desk = MinutesError("too long"), Desk()
    assert await writer.follow_up(desk) == 1
    assert replace(desk.followed["acme/a1"], report=None) == WrittenResults(
        names=TRANSCRIPTS,
        note="There are no minutes: too long",
        minutes=MinutesRecord(state="failed", note="too long"),
    )


async def test_one_meeting_holds_up_no_others(writer: MinutesWriter, llm: ScriptedWriter) -> None:
    """A meeting that the model never answers stays parked alone: the others follow all the same."""
    llm.error = MinutesParked("away")
    for job_id in ("a1", "a2", "a3"):
        await writer.write(replace(REQUEST, job_id=job_id))
    llm.error, llm.never, desk = None, "a1", Desk()
    assert await writer.follow_up(desk) == 0
    assert await writer.follow_up(desk) == 2
    assert set(desk.followed) == {"acme/a2", "acme/a3"}


async def test_word_to_resume(writer: MinutesWriter, llm: ScriptedWriter, store: MemoryStore) -> None:
    """When somebody asks to resume, what was parked until a later time is tried at once, and only this once."""
    llm.error = MinutesParked("budget", not_before_s=2000.0)
    await writer.write(REQUEST)
    DeferredMinutes(store).request_resume()
    assert await writer.follow_up(Desk()) == 0
    assert len(llm.options) == 2
    llm.error, desk = None, Desk()
    assert await writer.follow_up(desk) == 0
    DeferredMinutes(store).request_resume()
    assert await writer.follow_up(desk) == 1


async def test_what_writing_took_is_told(store: MemoryStore) -> None:
    """What a job's documents took and weigh goes back with their names, whatever became of the minutes."""
    writer = ScriptedWriter()
    minutes_writer = MinutesWriter(store=store, writers={"llm": writer}, clock=lambda: 0.0)
    report = (await minutes_writer.write(REQUEST)).report
    assert report is not None
    assert (report.outcome, report.writer) == ("written", "extractive")
    keys = JobKeys(tenant="acme", job_id="a1")
    assert report.n_bytes == sum(len(store.get(keys.result(name))) for name in RESULT_FORMATS)
    # The documents of the transcript are stored together, and so are those of the minutes.
    assert [call.operation for call in report.store_calls].count("put") == 2
    writer.error = MinutesParked("away")
    parked = (await minutes_writer.write(REQUEST)).report
    assert parked is not None
    assert parked.outcome == "parked"


class CountedStore(MemoryStore):
    """Counts which parked entries are read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def get(self, key: str) -> bytes:
        if key.startswith(PARKED_MINUTES.prefix):
            self.reads.append(key.removeprefix(PARKED_MINUTES.prefix))
        return super().get(key)


async def test_looking_again_reads_only_what_is_new(llm: ScriptedWriter) -> None:
    """What is parked is read once by the process that looks every few seconds, and again when it was parked again."""
    store, now = CountedStore(), [1000.0]
    for job_id in ("a1", "a2", "a3"):
        store.put(JobKeys(tenant="acme", job_id=job_id).transcript, encode(meeting(1)))
    writer = MinutesWriter(store=store, writers={"llm": llm}, clock=lambda: now[0])
    llm.error, desk = MinutesParked("budget", not_before_s=2000.0), Desk()
    await writer.write(REQUEST)
    await writer.write(replace(REQUEST, job_id="a2"))
    for _ in range(20):
        assert await writer.follow_up(desk) == 0
    assert store.reads == ["acme/a1.json", "acme/a2.json"]
    await writer.write(replace(REQUEST, job_id="a3"))
    assert await writer.follow_up(desk) == 0
    assert store.reads[2:] == ["acme/a3.json"]
    llm.error = MinutesParked("budget", not_before_s=3000.0)
    DeferredMinutes(store).request_resume()
    assert await writer.follow_up(desk) == 0  # one is tried, and parked until later
    now[0] = 1500.0
    assert await writer.follow_up(desk) == 0
    assert store.reads[3:] == ["acme/a1.json"] * 2  # before it is tried, and when it is parked anew
    llm.error, now[0] = None, 2000.0
    assert await writer.follow_up(desk) == 2
    assert set(desk.followed) == {"acme/a2", "acme/a3"}


async def test_what_another_process_parks_is_seen(llm: ScriptedWriter) -> None:
    """What it parks or releases at once, and what it parks again within some minutes."""
    store, now = CountedStore(), [1000.0]
    mine, other = RememberedParking(store, lambda: now[0]), DeferredMinutes(store)
    second = replace(REQUEST, job_id="a2")
    mine.park(REQUEST, "budget", 5000.0)
    other.park(second, "budget", 5000.0)
    assert mine.list() == other.list() != []
    other.release(Parked(request=second, why="price"))  # of an entry that another one has replaced
    assert mine.list() == other.list() != []
    other.release(Parked(request=second, why="budget", not_before_s=5000.0))
    other.park(REQUEST, "price", 0.0)
    now[0] += FRESH_S - 1
    assert [entry.why for entry in mine.list()] == ["budget"]
    now[0] += 1
    assert mine.list() == other.list()


async def test_the_request_that_another_replica_parked_last_is_written(llm: ScriptedWriter) -> None:
    """The one that was listed minutes ago is no longer wanted; one that comes while it is written stays parked."""
    store, now = CountedStore(), [1000.0]
    store.put(JobKeys(tenant="acme", job_id="a1").transcript, encode(meeting(1)))
    writer = MinutesWriter(store=store, writers={"llm": llm}, clock=lambda: now[0])
    other, desk = DeferredMinutes(store), Desk()
    llm.error = MinutesParked("budget", not_before_s=2000.0)
    await writer.write(REQUEST)
    assert await writer.follow_up(desk) == 0
    other.park(replace(REQUEST, minutes_title="anew"), "budget", 2000.0)
    llm.error, now[0] = None, 2000.0

    async def told(tenant: str, job_id: str, written: WrittenResults) -> None:
        other.park(replace(REQUEST, minutes_title="once more"), "budget", 0.0)

    desk.minutes_followed = told  # type: ignore[method-assign]
    await writer.follow_up(desk)
    assert llm.options[-1].title == "anew"
    (left,) = other.list()
    assert left.request.minutes_title == "once more"


def test_what_is_parked_while_it_is_read_is_read_again() -> None:
    """The reader may have seen what was there before."""

    class Interrupted(MemoryStore):
        meanwhile = staticmethod(lambda: None)

        def get(self, key: str) -> bytes:
            data = super().get(key)
            self.meanwhile()
            return data

    store = Interrupted()
    deferred = RememberedParking(store, lambda: 1000.0)
    deferred.park(REQUEST, "first")
    store.meanwhile = staticmethod(lambda: deferred.park(REQUEST, "second"))
    assert [entry.why for entry in deferred.list()] == ["first"]
    store.meanwhile = staticmethod(lambda: None)
    assert [entry.why for entry in deferred.list()] == ["second"]


async def test_what_cannot_be_printed_is_told(store: MemoryStore, writer: MinutesWriter) -> None:
    """Characters without a font are named with the results, and not only in the PDF."""
    said = meeting(1)
    odd = replace(said, segments=(replace(said.segments[0], text="བོད \U00020000"), *said.segments[1:]))
    store.put(JobKeys(tenant="acme", job_id="a1").transcript, encode(odd))
    (note,) = (await writer.write(REQUEST)).notes
    assert note.code is NoteCode.UNPRINTABLE_CHARACTERS
    assert note.values["n_characters"] == 4
    assert (await writer.write(replace(REQUEST, job_id="a2"))).notes == ()
    assert (await writer.write(replace(REQUEST, minutes="none"))).notes == ()


async def test_what_an_ended_job_leaves_is_deleted(writer: MinutesWriter, store: MemoryStore) -> None:
    """Its results stay, and a fault of one job is its own."""
    for job_id in ("a1", "a2"):
        keys = JobKeys(tenant="acme", job_id=job_id)
        for key in (keys.source, keys.summary, keys.span(0)):
            store.put(key, b"x")
    ended = [EndedJob(tenant="acme", job_id=name, state=JobState.SUCCEEDED) for name in ("a1", "", "a2")]
    first, fault, last = await writer.clean_up_all(ended)
    assert (first, last) == (None, None)
    assert isinstance(fault, Exception)
    assert sorted(store.list("acme/")) == [
        JobKeys(tenant="acme", job_id=job_id).transcript for job_id in ("a1", "a2", "a3")
    ]
