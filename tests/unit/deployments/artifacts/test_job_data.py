"""Stitching a job: what its Coordinator knows is not read again."""

from dataclasses import replace
from typing import Literal

import pytest

from deployments.artifacts.job_data import stitch_job
from deployments.ports import Cut, StitchRequest
from pipelines.codec import decode, encode
from pipelines.core import (
    BlobRef,
    Chunk,
    ChunkResult,
    CoverageStatus,
    DecodedSegment,
    ModelInfo,
    SourceSummary,
    Span,
    SpeechInterval,
    Transcript,
    Word,
)
from pipelines.jobs.job import Job, JobOptions
from pipelines.notes import NoteCode
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from tests.fakes.store import MemoryStore

KEYS = JobKeys(tenant="t", job_id="j")
SECOND = 16_000
N_CHUNKS = 3
JOB = Job(
    id="j",
    tenant="t",
    options=JobOptions(model="m", language="en"),
    source=BlobRef(key=KEYS.source, n_bytes=1),
    filename="a.wav",
    created_at_s=1.0,
)
CHUNKS = tuple(
    Chunk(index=i, channel=0, span=0, pieces=(SpeechInterval(start=i * SECOND, end=(i + 1) * SECOND),))
    for i in range(N_CHUNKS)
)
CUT = Cut(
    summary=SourceSummary(duration_s=N_CHUNKS, n_channels=1, n_spans=1, n_chunks=N_CHUNKS),
    spans=(
        Span(
            index=0,
            channel=0,
            start=0,
            end=N_CHUNKS * SECOND,
            pcm=BlobRef(key=KEYS.pcm(0, 0), n_bytes=2 * N_CHUNKS * SECOND),
            chunks=CHUNKS,
        ),
    ),
)


class NotingStore(MemoryStore):
    """Notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get(self, key: str) -> bytes:
        self.asked.append(f"get {key}")
        return super().get(key)

    def list(self, prefix: str, *, after: str = ""):
        self.asked.append(f"list {prefix}")
        return super().list(prefix, after=after)


def items(chunks) -> list[WorkItem]:
    return [WorkItem(tenant="t", job_id="j", chunk=chunk, language="en") for chunk in chunks]


def result(index: int, error: str = "") -> ChunkResult:
    segment = DecodedSegment(start_s=0.0, end_s=1.0, text=f" word {index}")
    return ChunkResult(
        index=index,
        language="en",
        segments=() if error else (segment,),
        avg_logprob=0.0,
        no_speech_prob=0.0,
        compression_ratio=1.0,
        temperature=0.0,
        error=error,
    )


@pytest.fixture
def store() -> NotingStore:
    """It holds a result of every chunk, and how the recording was cut."""
    store = NotingStore()
    store.put(KEYS.summary, encode(CUT.summary))
    store.put(KEYS.span(0), encode(CUT.spans[0]))
    for item in items(CHUNKS):
        store.put(KEYS.chunk(item.chunk.index, item.input_digest), encode(result(item.chunk.index)))
    return store


REQUEST = StitchRequest(
    job=JOB,
    cut=CUT,
    outcomes=tuple((item.chunk.index, item.input_digest) for item in items(CHUNKS)),
    votes={},
    model=ModelInfo(name="m"),
    first_time=True,
)


def stitched(store: NotingStore, request: StitchRequest = REQUEST) -> Transcript:
    transcript, _ = stitch_job(store, request)
    assert transcript == decode(Transcript, MemoryStore.get(store, KEYS.transcript))
    return transcript


def test_a_job_that_was_watched_from_its_beginning_reads_its_results_only(store: NotingStore) -> None:
    transcript = stitched(store)
    assert [segment.text.strip() for segment in transcript.segments] == [f"word {i}" for i in range(N_CHUNKS)]
    results = [f"get {KEYS.chunk(item.chunk.index, item.input_digest)}" for item in items(CHUNKS)]
    assert sorted(store.asked) == results


def test_a_chunk_that_was_given_up_is_told(store: NotingStore) -> None:
    """Its mark stands where its result would be."""
    lost = items(CHUNKS)[1]
    store.delete(KEYS.chunk(1, lost.input_digest))
    store.put(KEYS.failure(1, lost.input_digest), encode(result(1, "poisoned")))
    transcript = stitched(store)
    assert [interval.health for interval in transcript.coverage].count(CoverageStatus.FAILED) == 1
    assert store.exists(KEYS.kept)


def misheard(index: int) -> ChunkResult:
    words = (
        Word(text=" Call", start_s=0.0, end_s=0.5, probability=0.95),
        Word(text=" Smyth", start_s=0.5, end_s=1.0, probability=0.2),
    )
    segment = DecodedSegment(start_s=0.0, end_s=1.0, text=" Call Smyth", words=words)
    return replace(result(index), segments=(segment,))


@pytest.mark.parametrize(("use", "word_timestamps"), [("match", False), ("both", True), ("prompt", True)])
def test_terms_are_matched_after_decoding(
    store: NotingStore, use: Literal["prompt", "match", "both"], word_timestamps: bool
) -> None:
    """Where the job says so; words are kept only where it asks for their times."""
    for item in items(CHUNKS):
        store.put(KEYS.chunk(item.chunk.index, item.input_digest), encode(misheard(item.chunk.index)))
    options = replace(JOB.options, vocabulary=("Smith",), vocabulary_use=use, word_timestamps=word_timestamps)
    segment = stitched(store, replace(REQUEST, job=replace(JOB, options=options))).segments[0]
    assert segment.text == ("Call Smyth" if use == "prompt" else "Call Smith")
    assert [match.heard for match in segment.matches] == ([] if use == "prompt" else ["Smyth"])
    assert bool(segment.words) is word_timestamps


def test_what_a_model_does_not_know_is_noted(store: NotingStore) -> None:
    """The note of a limit that the text's mean log-probability is below comes with the transcript and the job."""
    assert stitched(store).notes == ()
    for item in items(CHUNKS):
        unsure = replace(result(item.chunk.index), avg_logprob=-0.9)
        store.put(KEYS.chunk(item.chunk.index, item.input_digest), encode(unsure))
    assert stitched(store).notes == ()
    notes = stitched(store, replace(REQUEST, min_avg_logprob=-0.5)).notes
    assert [note.code for note in notes] == [NoteCode.UNLIKE_TRAINING]
