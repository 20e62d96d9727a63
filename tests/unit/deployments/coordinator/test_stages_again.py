"""One stage of an ended job done again: what is decoded, what is kept, with everything but Ray in between."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pipelines.codec import decode, encode
from pipelines.core import Coverage, CoverageStatus, Minutes, Usage
from pipelines.errors import ModelUnavailable, Reason
from pipelines.jobs.job import RESULT_FORMATS, Job, JobState
from pipelines.jobs.stages import Stage
from pipelines.notes import Note, NoteCode
from pipelines.storage.layout import JobKeys
from tests.fakes.diarizer import in_turns
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until

NUMBERS = range(1, 75)  # three spans
FIRST = JobKeys(tenant="t", job_id="first")


@pytest.fixture
async def cluster():
    cluster = InProcessCluster(MemoryLedger(), MemoryStore(), weights="a" * 64)
    await cluster.coordinator.start()
    yield cluster
    await cluster.coordinator.stop()
    cluster.let_go()


async def first(cluster: InProcessCluster, **options: Any) -> Job:
    (job,) = await cluster.ended(cluster.submit("first", NUMBERS, keep_audio=True, **options))
    assert succeeded([job])
    await until(lambda: not list(cluster.store.list(FIRST.work)))  # cleaned up apart from its end
    return job


async def again(cluster: InProcessCluster, stage: Stage, job_id: str = "again", **options: Any) -> Job:
    redone = {"stage": stage, "redo_of": "first", "recording_of": "first"}
    (job,) = await cluster.ended(cluster.submit(job_id, (), redone=redone, **options))
    return job


def n_decoded(cluster: InProcessCluster) -> int:
    return sum(cluster.engine.batch_sizes)


async def test_speakers_again_decode_nothing(cluster: InProcessCluster) -> None:
    """Words stay as they are, also those of another model would be; speakers are those of the voices."""
    earlier = await first(cluster, word_timestamps=True)
    before = {key: cluster.store.get(key) for key in cluster.store.list(FIRST.root)}
    decoded = n_decoded(cluster)
    job = await again(cluster, Stage.SPEAKERS, diarize="auto", word_timestamps=True)
    assert succeeded([job])
    assert n_decoded(cluster) == decoded
    assert cluster.said(job) == in_turns(NUMBERS)
    assert cluster.words(job) == cluster.words(earlier)
    assert cluster.transcript(job).coverage == cluster.transcript(earlier).coverage
    assert job.results == RESULT_FORMATS
    assert (job.usage.device_s, job.usage.cpu_s > 0) == (0.0, True)
    assert before == {key: cluster.store.get(key) for key in cluster.store.list(FIRST.root)}


async def test_speakers_of_segments_without_words(cluster: InProcessCluster) -> None:
    """A segment whose words were not kept stays whole, with all its text."""
    earlier = await first(cluster)
    job = await again(cluster, Stage.SPEAKERS, diarize="auto")
    assert succeeded([job])
    texts = [segment.text for segment in cluster.transcript(earlier).segments]
    assert [segment.text for segment in cluster.transcript(job).segments] == texts
    assert all(segment.speaker for segment in cluster.transcript(job).segments)


async def test_speakers_that_cannot_be_told_apart(cluster: InProcessCluster) -> None:
    """The stage is all that was asked for: without it the job has failed, and says why."""
    await first(cluster)
    cluster.diarizer.fail = ModelUnavailable("cannot read the weights")
    job = await again(cluster, Stage.SPEAKERS, diarize="auto")
    assert (job.state, job.reason) == (JobState.FAILED, Reason.TRANSCRIPTION_FAILED)
    assert "cannot read the weights" in job.detail


async def test_words_again(cluster: InProcessCluster) -> None:
    """They are decoded from the recording that was kept, whose damage and tracks the earlier transcript knows."""
    await first(cluster)
    transcript = cluster.transcript(first_job(cluster))
    lost = Coverage(channel=0, start_s=1.0, end_s=2.0, health=CoverageStatus.FAILED, note="damaged_audio")
    told = Note(code=NoteCode.DAMAGED_AUDIO, values={"damaged_s": 1.0, "first_s": 1.0})
    coverage = (lost, *transcript.coverage)
    cluster.store.put(FIRST.transcript, encode(replace(transcript, coverage=coverage, notes=(told,))))
    decoded = n_decoded(cluster)
    job = await again(cluster, Stage.WORDS, beam_size=2)
    assert succeeded([job])
    assert n_decoded(cluster) > decoded
    assert cluster.words(job) == list(NUMBERS)
    assert job.notes == (told,)
    damaged = [each for each in cluster.transcript(job).coverage if each.note == "damaged_audio"]
    assert [(each.start_s, each.end_s) for each in damaged] == [(1.0, 2.0)]
    keys = JobKeys(tenant="t", job_id="again")
    await until(lambda: not cluster.store.exists(keys.source))  # cleaned up apart from its end
    assert not cluster.store.exists(keys.playback)


def first_job(cluster: InProcessCluster) -> Job:
    return cluster.ledger.get("t", "first")


async def test_equal_words_are_not_decoded_twice(cluster: InProcessCluster) -> None:
    """A second redo with the same options takes the transcript of the first."""
    await first(cluster)
    one = await again(cluster, Stage.WORDS, "one", beam_size=2)
    decoded = n_decoded(cluster)
    two = await again(cluster, Stage.WORDS, "two", beam_size=2)
    assert succeeded([one, two])
    assert (one.reused_from, two.reused_from) == ("", "one")
    assert n_decoded(cluster) == decoded


async def test_words_of_a_job_that_hides_some(cluster: InProcessCluster) -> None:
    """They are hidden again, and the owner is told that the recording is silent where they were."""
    await first(cluster)
    job = await again(cluster, Stage.WORDS, mask=("numbers",), beam_size=2)
    assert succeeded([job])
    assert NoteCode.HIDDEN_WORDS_SILENT in [note.code for note in job.notes]


@pytest.mark.parametrize("stage", [Stage.WORDS, Stage.SPEAKERS])
async def test_a_recording_that_is_gone(cluster: InProcessCluster, stage: Stage) -> None:
    """Retention may be faster than the queue: the job fails with the reason."""
    await first(cluster)
    cluster.store.delete(FIRST.playback)
    job = await again(cluster, stage, diarize="auto")
    assert (job.state, job.reason) == (JobState.FAILED, Reason.AUDIO_GONE)


async def test_documents_again(cluster: InProcessCluster) -> None:
    """The same minutes by another template: nobody writes them, nothing is heard, and nothing is paid."""
    await first(cluster)
    earlier = decode(Minutes, cluster.store.get(FIRST.result("minutes.json")))
    cluster.store.put(FIRST.result("minutes.json"), encode(replace(earlier, writer="llm", usage=Usage(n_calls=3))))
    n_calls = cluster.segmenter.n_calls
    redone = {"stage": Stage.DOCUMENTS, "redo_of": "first", "minutes_of": "first"}
    options: dict[str, Any] = {
        "minutes": "llm",
        "minutes_title": "Board",
        "minutes_template": "# {{ title }}\n\nshort\n",
    }
    (job,) = await cluster.ended(cluster.submit("again", (), redone=redone, **options))
    assert (job.state, job.results) == (JobState.SUCCEEDED, RESULT_FORMATS)  # no language model is there to write
    assert cluster.segmenter.n_calls == n_calls
    keys = JobKeys(tenant="t", job_id="again")
    assert cluster.store.get(keys.result("minutes.md")).startswith(b"# Board\n\nshort\n")
    minutes = decode(Minutes, cluster.store.get(keys.result("minutes.json")))
    assert (minutes.title, minutes.summary, minutes.usage) == ("Board", earlier.summary, Usage())
    assert job.minutes is not None
    assert (job.minutes.state, job.minutes.writer) == ("written", "llm")


async def test_documents_in_another_script(cluster: InProcessCluster) -> None:
    """Transcript and minutes are written in it, quotes as well; the earlier ones stay."""
    await first(cluster)
    transcript = cluster.transcript(first_job(cluster))
    segment = replace(transcript.segments[0], text="我们讨论预算", language="zh")
    cluster.store.put(FIRST.transcript, encode(replace(transcript, language="zh", segments=(segment,))))
    earlier = decode(Minutes, cluster.store.get(FIRST.result("minutes.json")))
    cluster.store.put(FIRST.result("minutes.json"), encode(replace(earlier, language="zh", summary="讨论预算")))
    redone = {"stage": Stage.DOCUMENTS, "redo_of": "first", "minutes_of": "first"}
    (job,) = await cluster.ended(cluster.submit("again", (), redone=redone, zh_script="traditional"))
    assert succeeded([job])
    keys = JobKeys(tenant="t", job_id="again")
    assert json.loads(cluster.store.get(keys.result("minutes.json")))["summary"] == "討論預算"
    assert "我們討論預算" in cluster.store.get(keys.result("transcript.txt")).decode()
    assert "我们讨论预算" in cluster.store.get(FIRST.transcript).decode()


@pytest.mark.parametrize("stage", [Stage.WORDS, Stage.SPEAKERS])
async def test_a_coordinator_that_dies_meanwhile(stage: Stage) -> None:
    """The next one begins the stage anew, from the recording as the first one copied it."""
    ledger, store = MemoryLedger(), MemoryStore()
    cluster = InProcessCluster(ledger, store, owner="one")
    await cluster.coordinator.start()
    await first(cluster, word_timestamps=True)
    cluster.diarizer.gate.clear()
    redone = {"stage": stage, "redo_of": "first", "recording_of": "first"}
    job = cluster.submit("again", (), redone=redone, diarize="auto", word_timestamps=True, beam_size=2)
    await until(lambda: cluster.diarizer.n_calls > 0)
    await cluster.coordinator.stop()
    cluster.let_go()
    successor = InProcessCluster(ledger, store, owner="two")
    await successor.coordinator.start()
    (ended,) = await successor.ended(job)
    assert succeeded([ended])
    assert successor.said(ended) == in_turns(NUMBERS)
    await successor.coordinator.stop()
    successor.let_go()
