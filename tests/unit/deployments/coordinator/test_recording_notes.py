"""What is to be known of a recording reaches its transcript, its job and every job that takes its transcript."""

import pytest

from deployments.artifacts import job_data
from deployments.ports import Cut, StitchRequest, WrittenResults
from pipelines.codec import decode
from pipelines.core import BlobRef, ModelInfo, SourceSummary, Transcript
from pipelines.errors import BlobMissing
from pipelines.jobs.job import Job, JobOptions
from pipelines.notes import Note, NoteCode
from pipelines.storage.layout import JobKeys
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster, NoDocuments, succeeded

SILENT = Note(code=NoteCode.NO_SPEECH)


async def test_jobs_tell_of_silence() -> None:
    """A recording without speech, and a second job that takes its transcript, have the note; others have none."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore(), weights="w")
    await cluster.coordinator.start()
    try:
        jobs = [*await cluster.ended(cluster.submit("silent", [])), *await cluster.ended(cluster.submit("again", []))]
        jobs += await cluster.ended(cluster.submit("spoken", range(1, 5)))
    finally:
        await cluster.coordinator.stop()
    assert succeeded(jobs)
    assert jobs[1].reused_from == "silent"
    assert [job.notes for job in jobs] == [(SILENT,), (SILENT,), ()]
    assert [cluster.transcript(job).notes for job in jobs] == [job.notes for job in jobs]


def job(job_id: str) -> Job:
    source = BlobRef(key=f"t/{job_id}/source", n_bytes=1)
    options = JobOptions(model="m")
    return Job(id=job_id, tenant="t", options=options, source=source, filename="a.wav", created_at_s=1.0)


def test_notes_of_the_recording_are_kept() -> None:
    """What the Segmenter found stands beside what the text lacks, each once, also in a copy."""
    store = MemoryStore()
    found = Note(code=NoteCode.NO_SPEECH, values={"of": "the recording"})
    summary = SourceSummary(duration_s=5.0, n_channels=1, n_spans=0, n_chunks=0, notes=(found,))
    cut = Cut(summary=summary, spans=())
    request = StitchRequest(job=job("a"), cut=cut, outcomes=(), votes={}, model=ModelInfo(name="m"))
    transcript, _ = job_data.stitch_job(store, request)
    assert transcript.notes == (SILENT,)  # the recording's own word about its text is not taken
    assert job_data.copy_transcript(store, job("b"), "a") == transcript.notes
    assert decode(Transcript, store.get(JobKeys(tenant="t", job_id="b").transcript)).notes == transcript.notes
    with pytest.raises(BlobMissing):
        job_data.copy_transcript(store, job("c"), "nobody")


async def test_notes_of_documents_stand_beside_those_of_the_recording() -> None:
    """The MinutesWriter's notes reach the job when results are stored, and also when minutes follow later."""
    told = Note(code=NoteCode.UNPRINTABLE_CHARACTERS, values={"n_characters": 1, "characters": "x"})
    store = MemoryStore()
    cluster = InProcessCluster(MemoryLedger(), store, minutes_writer=NoDocuments(store, (told,)))
    await cluster.coordinator.start()
    try:
        (ended,) = await cluster.ended(cluster.submit("silent", []))
        assert ended.notes == (SILENT, told)
        later = Note(code=NoteCode.UNPRINTABLE_CHARACTERS, values={"n_characters": 2, "characters": "x, y"})
        written = WrittenResults(names=("transcript.json", "minutes.pdf"), notes=(told, later))
        await cluster.coordinator.minutes_followed(ended.tenant, ended.id, written)
        assert cluster.ledger.get(ended.tenant, ended.id).notes == (SILENT, told, later)
    finally:
        await cluster.coordinator.stop()
