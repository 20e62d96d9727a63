"""Jobs whose voices are told apart, with everything but Ray between submission and documents."""

import asyncio
import json
from typing import Any

import pytest

from deployments.coordinator import speaker_turns
from deployments.intake.accept import Intake
from deployments.ports import VoicesRequest
from pipelines.core import NameSource
from pipelines.errors import ModelUnavailable, ReplicaLost
from pipelines.jobs.job import Job, JobState
from pipelines.notes import NoteCode
from pipelines.speakers.voices import RecognisedVoice
from pipelines.storage.layout import JobKeys, TenantKeys
from tests.fakes.diarizer import NUMBERS_OF_A_TURN, CodedDiarizer, in_turns
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until

NUMBERS = range(1, 75)  # three spans
N_SPANS, N_CHUNKS = 3, 8


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


async def run(cluster: InProcessCluster, **options: Any) -> Job:
    await cluster.coordinator.start()
    try:
        (ended,) = await cluster.ended(cluster.submit("j", NUMBERS, **options))
    finally:
        await cluster.coordinator.stop()
        cluster.let_go()
    return ended


@pytest.mark.parametrize("diarize", ["auto", "2", "1-4"])
async def test_segments_part_where_the_voice_changes(ledger: MemoryLedger, store: MemoryStore, diarize: str) -> None:
    """Each speaker's numbers are theirs, spans and chunks notwithstanding; documents have them; words are left out."""
    cluster = InProcessCluster(ledger, store)
    job = await run(cluster, diarize=diarize)
    assert succeeded([job])
    assert job.notes == ()
    assert cluster.said(job) == in_turns(NUMBERS)
    segments = cluster.transcript(job).segments
    assert [segment.id for segment in segments] == list(range(len(segments)))
    assert not any(segment.words for segment in segments)
    keys = JobKeys(tenant="t", job_id="j")
    assert {each["speaker"] for each in json.loads(store.get(keys.result("transcript.json")))["segments"]} == {
        "Speaker 1",
        "Speaker 2",
    }
    assert b"Speaker 2: w5 w6 w7 w8" in store.get(keys.result("transcript.txt"))
    assert cluster.diarizer.heard == {("j", span): 1 for span in range(N_SPANS)}
    assert job.usage.cpu_s >= 0.5 * N_SPANS


async def test_words_are_kept_where_they_are_wanted(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Each part of a segment has its own words."""
    cluster = InProcessCluster(ledger, store)
    job = await run(cluster, diarize="auto", word_timestamps=True)
    for segment in cluster.transcript(job).segments:
        assert "".join(word.text for word in segment.words).strip() == segment.text
        assert len(segment.words) <= NUMBERS_OF_A_TURN


async def test_nobody_is_asked_for_jobs_that_want_no_speakers(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Nor do they wait while the voices of others are heard."""
    cluster = InProcessCluster(ledger, store)
    cluster.diarizer.gate.clear()
    await cluster.coordinator.start()
    try:
        slow = cluster.submit("slow", NUMBERS, diarize="auto")
        await until(lambda: cluster.diarizer.n_calls == N_SPANS)
        (quick,) = await cluster.ended(cluster.submit("quick", NUMBERS))
        assert succeeded([quick])
        assert cluster.diarizer.n_calls == N_SPANS
        assert {segment.speaker for segment in cluster.transcript(quick).segments} == {""}
        assert ledger.get("t", "slow").state is JobState.TRANSCRIBING
        cluster.diarizer.gate.set()
        assert succeeded(await cluster.ended(slow))
    finally:
        await cluster.coordinator.stop()
        cluster.let_go()


@pytest.mark.parametrize("step", ["fail", "fail_last"])
async def test_a_failure_costs_the_speakers_only(ledger: MemoryLedger, store: MemoryStore, step: str) -> None:
    """The transcript is whole, and the job, its transcript and its history tell what is missing, and why."""
    cluster = InProcessCluster(ledger, store)
    setattr(cluster.diarizer, step, ModelUnavailable("cannot read the weights"))
    job = await run(cluster, diarize="auto")
    assert succeeded([job])
    assert cluster.words(job) == list(NUMBERS)
    assert {segment.speaker for segment in cluster.transcript(job).segments} == {""}
    (note,) = job.notes
    assert (note.code, note.values) == (NoteCode.SPEAKERS_MISSING, {"why": "cannot read the weights"})
    assert cluster.transcript(job).notes == job.notes
    assert "speakers_missing" in [entry.name for entry in ledger.events("t", "j")]
    assert b"meetmemo_jobs_without_speakers_total 1.0" in await cluster.coordinator.metrics()


async def test_a_fault_of_ours_costs_the_speakers_only(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Its owner reads no more of it than its kind."""
    cluster = InProcessCluster(ledger, store)
    cluster.diarizer.fail = ZeroDivisionError("secret")
    job = await run(cluster, diarize="auto")
    assert succeeded([job])
    assert job.notes[0].values == {"why": "ZeroDivisionError"}


async def test_a_transcript_without_its_speakers_is_no_other_jobs(ledger: MemoryLedger, store: MemoryStore) -> None:
    """The next job with the same recording is transcribed anew, and has them; the one after takes its transcript."""
    cluster = InProcessCluster(ledger, store, weights="w")
    cluster.diarizer.fail = ModelUnavailable("cannot read the weights")
    await cluster.coordinator.start()
    try:
        await cluster.ended(cluster.submit("lacking", NUMBERS, diarize="auto"))
        cluster.diarizer.fail = None
        (whole,) = await cluster.ended(cluster.submit("whole", NUMBERS, diarize="auto"))
        (third,) = await cluster.ended(cluster.submit("third", NUMBERS, diarize="auto"))
        (plain,) = await cluster.ended(cluster.submit("plain", NUMBERS))
    finally:
        await cluster.coordinator.stop()
        cluster.let_go()
    assert [job.reused_from for job in (whole, third, plain)] == ["", "whole", ""]
    assert cluster.said(third) == in_turns(NUMBERS)


async def test_a_known_voice_has_its_name(ledger: MemoryLedger, store: MemoryStore) -> None:
    """In segments and documents; the other keeps its number. No other job takes the transcript, nor it another's."""
    cluster = InProcessCluster(ledger, store, weights="w")
    bob = RecognisedVoice(channel=0, speaker=1, name="Bob Lee", profile="p", similarity=0.8)
    await cluster.coordinator.start()
    try:
        (unknown,) = await cluster.ended(cluster.submit("unknown", NUMBERS, diarize="auto"))
        store.put(TenantKeys(tenant="t").voice("p"), b"{}")
        cluster.diarizer.known = (bob,)
        (known,) = await cluster.ended(cluster.submit("known", NUMBERS, diarize="auto"))
        (again,) = await cluster.ended(cluster.submit("again", NUMBERS, diarize="auto"))
        store.delete(TenantKeys(tenant="t").voice("p"))
        cluster.diarizer.known = ()
        (forgotten,) = await cluster.ended(cluster.submit("forgotten", NUMBERS, diarize="auto"))
    finally:
        await cluster.coordinator.stop()
        cluster.let_go()
    assert [job.reused_from for job in (known, again, forgotten)] == ["", "", "unknown"]
    assert cluster.said(unknown) == cluster.said(forgotten) == in_turns(NUMBERS)
    for job in (known, again):
        assert {speaker for speaker, _ in cluster.said(job)} == {"Speaker 1", "Bob Lee"}
        first, second = cluster.transcript(job).speakers
        assert (first.name, first.source) == ("Speaker 1", NameSource.UNNAMED)
        assert (second.label, second.source, second.profile) == ("Speaker 2", NameSource.PROFILE, "p")
    assert b"Bob Lee: w5 w6 w7 w8" in store.get(JobKeys(tenant="t", job_id="known").result("transcript.txt"))


class Dying(CodedDiarizer):
    """Loses the first call for each span."""

    async def hear(self, request: VoicesRequest) -> float:
        cpu_s = await super().hear(request)
        if self.n_calls <= N_SPANS:
            raise ReplicaLost("ActorDiedError")
        return cpu_s


async def test_a_lost_call_is_made_again(ledger: MemoryLedger, store: MemoryStore) -> None:
    """A Diarizer that died after it had stored a span's voices does not hear them again."""
    diarizer = Dying(store)
    cluster = InProcessCluster(ledger, store, diarizer=diarizer)
    job = await run(cluster, diarize="auto")
    assert job.notes == ()
    assert cluster.said(job) == in_turns(NUMBERS)
    assert set(diarizer.heard.values()) == {1}


class Deaf(CodedDiarizer):
    """Answers nothing."""

    async def hear(self, request: VoicesRequest) -> float:
        await asyncio.Event().wait()
        return 0.0


async def test_a_hanging_call_costs_the_speakers_only(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Its time is limited, and it is not made again."""
    cluster = InProcessCluster(ledger, store, diarizer=Deaf(store), voices_timeout_s=0.1)
    job = await run(cluster, diarize="auto")
    assert cluster.words(job) == list(NUMBERS)
    assert job.notes[0].values == {"why": "no voices were told within 0.1 seconds"}


async def test_a_restart_in_the_middle(ledger: MemoryLedger, store: MemoryStore) -> None:
    """The next Coordinator goes on: what was heard is not heard again."""
    first = InProcessCluster(ledger, store, owner="first")
    first.engine.gate.clear()
    await first.coordinator.start()
    job = first.submit("j", NUMBERS, diarize="auto")
    await until(lambda: len(first.diarizer.heard) == N_SPANS)
    await first.coordinator.stop()
    first.engine.gate.set()
    first.let_go()
    second = InProcessCluster(ledger, store, owner="second")
    await second.coordinator.start()
    try:
        (ended,) = await second.ended(job)
    finally:
        await second.coordinator.stop()
        second.let_go()
    assert second.said(ended) == in_turns(NUMBERS)
    assert second.diarizer.n_calls == N_SPANS
    assert not second.diarizer.heard


async def test_a_replay_keeps_the_speakers(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Chunks that were given up are decoded again; whose words they are was found before."""
    lacking = InProcessCluster(ledger, store, engine=FakeEngine(poison=(15,)), owner="first", max_attempts=1)
    job = await run(lacking, diarize="auto")
    assert job.n_failed_chunks == 1
    again = InProcessCluster(ledger, store, owner="second")
    await again.coordinator.start()
    try:
        intake = Intake(ledger=ledger, store=store, clock=lambda: 2.0, new_id=lambda: "again")
        (ended,) = await again.ended(intake.replay(job, (1,), None)[0])
    finally:
        await again.coordinator.stop()
        again.let_go()
    assert succeeded([ended])
    assert again.said(ended) == in_turns(NUMBERS)
    assert again.diarizer.n_calls == 0


async def test_a_channel_with_a_name_is_one_speaker(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Its voices are not heard; it keeps its name."""
    cluster = InProcessCluster(ledger, store)
    job = await run(cluster, diarize="auto", channels="split", speakers=("Ann",))
    assert {segment.speaker for segment in cluster.transcript(job).segments} == {"Ann"}
    assert cluster.diarizer.n_calls == 0


async def test_silence_has_no_speakers(ledger: MemoryLedger, store: MemoryStore) -> None:
    """Nobody is asked, and nothing is missing."""
    cluster = InProcessCluster(ledger, store)
    await cluster.coordinator.start()
    try:
        (job,) = await cluster.ended(cluster.submit("j", (), diarize="auto"))
    finally:
        await cluster.coordinator.stop()
    assert [note.code for note in job.notes] == [NoteCode.NO_SPEECH]
    assert cluster.diarizer.n_calls == 0


async def test_open_calls_are_bounded(
    ledger: MemoryLedger, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits, waits in the Coordinator, where waiting counts towards no timeout."""
    monkeypatch.setattr(speaker_turns, "OPEN_CALLS", 2)
    cluster = InProcessCluster(ledger, store)
    cluster.diarizer.gate.clear()
    await cluster.coordinator.start()
    try:
        job = cluster.submit("j", NUMBERS, diarize="auto")
        await until(lambda: sum(cluster.engine.batch_sizes) == N_CHUNKS)  # so that all spans are there
        assert cluster.diarizer.n_calls == 2
        cluster.diarizer.gate.set()
        assert succeeded(await cluster.ended(job))
    finally:
        await cluster.coordinator.stop()
        cluster.let_go()
    assert cluster.diarizer.n_calls == N_SPANS
