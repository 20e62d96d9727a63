"""What a job hides is nowhere: a walk through every blob and row that a job leaves, running or ended, and its logs."""

# ruff: noqa: SIM905  (a text is easier to read)

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from deployments.artifacts.partial_transcript import PartialTranscript
from deployments.artifacts.search_indexer import SearchIndexer
from deployments.ports import MaskedCopyRequest
from deployments.tenant.transcript_versions import TranscriptVersions
from deployments.workers.scratch import scratch_folder
from pipelines.audio.playback import PlaybackCopy, muted, samples_between
from pipelines.audit import AuditAction, Deed, ObjectKind
from pipelines.codec import decode
from pipelines.core import SAMPLE_RATE, ChunkResult
from pipelines.errors import ReplicaLost
from pipelines.jobs.job import RESULT_FORMATS, Job, JobState
from pipelines.ledger.open import open_ledger
from pipelines.search.protocol import SearchFilter
from pipelines.search.query import parse
from pipelines.storage.layout import JobKeys
from pipelines.transcript.corrections import Edits, SegmentEdit
from pipelines.transcript.masked_audio import MaskedAudio
from pipelines.whisper.options import DecodeRequest
from tests.fakes.engine import PAUSE_S, WORD_S, FakeEngine, coded_pcm
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import CodedSegmenter, InProcessCluster
from tests.support.waiting import until

SAID: list[str] = (
    "Hello my name is Tabitha Quillworth and I live in Reykjavik. Please call 07700 900461 by Friday. "
    "Bullshit said he. We decided that Quillworth will send the report."
).split()
SECRETS = ("Tabitha", "Quillworth", "Reykjavik", "900461", "07700")
HIDDEN = ("names", "places", "phones")
NUMBERS = range(1, len(SAID) + 1)


class SpeakingEngine(FakeEngine):
    """Says the words of `SAID` for the numbers from 1 on, in the order of its passages."""

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        """Put words in the place of the numbers that were read."""
        return [self._spoken(result) for result in super().transcribe(rows)]

    @staticmethod
    def _spoken(result: ChunkResult) -> ChunkResult:
        def word(text: str) -> str:
            return f" {SAID[int(text.strip().lstrip('w')) - 1]}"

        segments = []
        for segment in result.segments:
            words = tuple(replace(each, text=word(each.text)) for each in segment.words)
            text = "".join(word(each) for each in segment.text.split())
            segments.append(replace(segment, text=text, words=words))
        return replace(result, segments=tuple(segments))


class KeepingSegmenter(CodedSegmenter):
    """Keeps copies as the real one does; fails the first ``n_lost`` calls."""

    n_lost = 0

    async def keep_masked(self, request: MaskedCopyRequest) -> None:
        await super().keep_masked(request)
        if len(self.masked) <= self.n_lost:
            raise ReplicaLost("gone")
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        numbers = [int(word) for word in self._store.get(keys.source).split()]
        stretches = decode(MaskedAudio, self._store.get(keys.masked_audio)).stretches
        words = coded_pcm([1] * len(numbers))  # where words are, a tone: a codec passes no constant
        loud = (words * 8_000 * np.sin(np.arange(len(words)) * 0.17)).astype(np.int16)[None]
        with scratch_folder() as folder:
            with PlaybackCopy(folder / "audio") as copy:
                list(copy.listen(muted([loud], stretches, request.sound)))
            self._store.put(keys.peaks, copy.peaks.encoded())
            self._store.put_file(keys.playback, folder / "audio")


def leaks(store: MemoryStore, database: Path | None = None) -> Iterator[str]:
    """Yield the keys of blobs, and the files of a database, in which something stands that must not."""
    blobs = {key: store.get(key) for key in list(store.list(""))}
    if database is not None:
        blobs |= {path.name: path.read_bytes() for path in database.parent.iterdir() if path.is_file()}
    for name, content in blobs.items():
        for secret in SECRETS:
            if secret.lower().encode() in content.lower():
                yield f"{name}: {secret}"


async def run(cluster: InProcessCluster, job_id: str = "j", **options: Any) -> Job:
    job = cluster.submit(job_id, NUMBERS, keep_audio=True, word_timestamps=True, **options)
    (ended,) = await cluster.ended(job)
    await cluster.at_rest()
    await until(lambda: not list(cluster.store.list(JobKeys(tenant=job.tenant, job_id=job.id).work)))
    return ended


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.mark.parametrize("poison", [(), (20,)], ids=["whole", "with a chunk given up"])
async def test_nothing_that_is_hidden_is_anywhere(tmp_path, store, poison, caplog, capfd):
    """Transcript, documents, minutes, quarantine, corrections, search, review, ledger and logs hold none of it."""
    caplog.set_level(logging.DEBUG)
    database = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{database}")
    segmenter = KeepingSegmenter(store)
    cluster = InProcessCluster(ledger, store, engine=SpeakingEngine(poison=poison), segmenter=segmenter, max_attempts=1)
    await cluster.coordinator.start()
    job = await run(cluster, mask=HIDDEN)
    assert job.state is JobState.SUCCEEDED
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    text = " ".join(segment.text for segment in cluster.transcript(job).segments)
    assert "[name]" in text
    assert "[phone]" in text or poison
    assert set(job.results) == set(RESULT_FORMATS)
    assert bool(list(store.list(keys.quarantine))) == bool(poison)
    assert not [key for key in store.list(keys.quarantine) if key.endswith(".wav")]

    versions = TranscriptVersions(jobs=_jobs(cluster, job))
    edits = Edits(segments=(SegmentEdit(id=0, text="My name is Tabitha Quillworth, I said."),))
    await versions.save(job.id, 0, edits, author="ann", note="It was Tabitha Quillworth")
    assert SearchIndexer(ledger, store).index_some() == 1
    assert ledger.search.find(job.tenant, parse("report"), SearchFilter()).hits
    await cluster.coordinator.stop()
    ledger.close()

    assert list(leaks(store, database)) == []
    assert not store.exists(keys.source)
    logged = caplog.text + "".join(capfd.readouterr())
    assert not [secret for secret in SECRETS if secret in logged]


async def test_the_walk_finds_what_is_not_hidden(tmp_path, store):
    """Without the option the same job leaves all of it in many places: the walk above would see it."""
    database = tmp_path / "ledger.db"
    ledger = open_ledger(f"sqlite:///{database}")
    cluster = InProcessCluster(ledger, store, engine=SpeakingEngine(), segmenter=KeepingSegmenter(store))
    await cluster.coordinator.start()
    await run(cluster)
    SearchIndexer(ledger, store).index_some()
    await cluster.coordinator.stop()
    ledger.close()
    found = list(leaks(store, database))
    assert len(found) > 20
    assert [name for name in found if name.startswith("ledger.db")]


@pytest.mark.parametrize("n_lost", [0, 1])
async def test_the_kept_audio_is_silent_where_words_are_masked(store, n_lost):
    """The copy is made once it is known what to hide, again where a replica was lost; other words are heard."""
    segmenter = KeepingSegmenter(store)
    segmenter.n_lost = n_lost
    cluster = InProcessCluster(MemoryLedger(), store, engine=SpeakingEngine(), segmenter=segmenter)
    await cluster.coordinator.start()
    job = await run(cluster, mask=HIDDEN)
    await cluster.coordinator.stop()
    assert len(segmenter.masked) == 1 + n_lost
    with store.open(JobKeys(tenant=job.tenant, job_id=job.id).playback) as copy:
        heard = samples_between(copy, 0.0, 60.0)[0].astype(int)
    for i, word in enumerate(SAID):
        start = round((i * (WORD_S + PAUSE_S) + 0.2) * SAMPLE_RATE)
        loudest = np.abs(heard[start : start + 1_600]).max()
        if any(secret in word for secret in SECRETS):
            assert loudest < 300, word
    spoken = SAID.index("report.")
    start = round((spoken * (WORD_S + PAUSE_S) + 0.2) * SAMPLE_RATE)
    assert np.abs(heard[start : start + 1_600]).max() > 3_000


async def test_a_copy_that_cannot_be_made_costs_no_transcript(store):
    """The job succeeds without its audio, and its history says so."""
    segmenter = KeepingSegmenter(store)
    segmenter.n_lost = 99
    ledger = MemoryLedger()
    cluster = InProcessCluster(ledger, store, engine=SpeakingEngine(), segmenter=segmenter, max_attempts=1)
    await cluster.coordinator.start()
    job = await run(cluster, mask=HIDDEN)
    await cluster.coordinator.stop()
    assert job.state is JobState.SUCCEEDED
    assert not store.exists(JobKeys(tenant=job.tenant, job_id=job.id).playback)
    assert "audio_missing" in [event.name for event in ledger.events(job.tenant, job.id)]


@pytest.mark.parametrize(
    ("options", "asked"),
    [({"mask": HIDDEN, "mask_audio": "off"}, []), ({}, []), ({"mask": HIDDEN, "mask_audio": "beep"}, ["beep"])],
)
async def test_who_asks_for_no_silence_gets_none(store, options, asked):
    """`off` keeps the copy that is made while the recording is cut; without anything to mask it is that anyway."""
    segmenter = KeepingSegmenter(store)
    cluster = InProcessCluster(MemoryLedger(), store, engine=SpeakingEngine(), segmenter=segmenter)
    await cluster.coordinator.start()
    await run(cluster, **options)
    await cluster.coordinator.stop()
    assert [request.sound for request in segmenter.masked] == asked


async def test_a_running_job_tells_nothing_either(store):
    """What is streamed while a job runs holds no profanity; of one that hides more nothing is streamed."""
    held: dict[str, PartialTranscript] = {}
    told = {"profanity": "", "phones": "", "names": ""}

    class Watching(SpeakingEngine):
        def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
            for job_id, partial in held.items():
                told[job_id] += " ".join(segment.text for segment in partial.read())
            return super().transcribe(rows)

    cluster = InProcessCluster(MemoryLedger(), store, engine=Watching(), segmenter=KeepingSegmenter(store))
    jobs = {kind: cluster.submit(kind, [*NUMBERS] * 4, mask=(kind,)) for kind in told}
    held |= {kind: PartialTranscript(store, job) for kind, job in jobs.items()}
    await cluster.coordinator.start()
    await cluster.ended(*jobs.values())
    await cluster.coordinator.stop()
    assert "Hello" in told["profanity"]
    assert "Bullshit" not in told["profanity"]
    assert "B*******" in told["profanity"]
    assert told["phones"] == told["names"] == ""


def _jobs(cluster: InProcessCluster, job: Job) -> Any:
    """What `TranscriptVersions` needs of the jobs of a tenant."""

    async def get(job_id: str) -> Job:
        return cluster.ledger.get(job.tenant, job_id)

    async def transcribed(wanted: Job) -> Job:
        return wanted

    def deed(action: AuditAction, object_id: str, /, **detail: str | int) -> Deed:
        return Deed(
            tenant=job.tenant,
            action=action,
            actor="",
            kind=ObjectKind.JOB,
            object_id=object_id,
            detail=tuple(detail.items()),
        )

    return SimpleNamespace(get=get, transcribed=transcribed, ledger=cluster.ledger, store=cluster.store, deed=deed)
