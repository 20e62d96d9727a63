"""Quarantine: what is kept of chunks that were given up, and how a later job decodes them again.

Under ``{tenant}/{job}/quarantine/``:

    kept.json             `Kept`: what stitching the job again takes besides the chunks that failed
    000012/chunk.json     `Quarantined`: the chunk, the error of each attempt
    000012/samples.pcm    the model's input, from the chunk's first to its last sample
    000012/clip.wav       the same for people, levelled, unless the job hides what was said

All functions block: run them in a thread.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.codec import decode, encode
from pipelines.core import SAMPLE_BYTES, SAMPLE_RATE, ChunkResult, LanguageVote, ModelInfo, SourceSummary, Span
from pipelines.errors import StorageError, StoreUnavailable
from pipelines.jobs.job import Job
from pipelines.scheduling.work_item import WorkItem
from pipelines.speakers.voices import Diarization
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """A chunk that was given up at ``at_s`` (Unix seconds); ``item.errors`` says what each attempt met.

    ``start_s``/``end_s`` are on the recording's clock; ``has_clip`` is false where its samples could not be read. A job
    that hides what was said has samples, to decode them again, and no clip: nobody knows what would be heard.
    """

    item: WorkItem
    error: str
    at_s: float
    start_s: float
    end_s: float
    model: ModelInfo
    has_clip: bool


@dataclass(frozen=True, kw_only=True)
class Kept:
    """All of a job's stitching but the chunks that failed: its spans, the results of the others, its votes, its voices.

    ``diarization`` None: nobody wanted voices told apart.
    """

    summary: SourceSummary
    spans: tuple[Span, ...]
    results: tuple[ChunkResult, ...]
    votes: tuple[LanguageVote, ...]
    diarization: Diarization | None = None


def keep_chunk(
    store: BlobStore, item: WorkItem, why: str, *, model: ModelInfo, at_s: float, audible: bool = True
) -> None:
    """Put a chunk into quarantine, its description last; nobody hears one that is not ``audible``."""
    keys = JobKeys(tenant=item.tenant, job_id=item.job_id)
    folder = keys.quarantined(item.chunk.index)
    pcm = _samples(store, keys, item)
    if pcm is not None:
        store.put(f"{folder}samples.pcm", pcm)
    if pcm is not None and audible:
        # Imported with the first chunk that fails: nothing else in the Coordinator needs pydub.
        from pipelines.audio.clips import wav_clip

        store.put(f"{folder}clip.wav", wav_clip(pcm))
    described = Quarantined(
        item=item,
        error=why,
        at_s=at_s,
        start_s=item.chunk.start / SAMPLE_RATE,
        end_s=item.chunk.end / SAMPLE_RATE,
        model=model,
        has_clip=pcm is not None,
    )
    store.put(f"{folder}chunk.json", encode(described))


def keep_rest(store: BlobStore, job: Job, kept: Kept, failed: Sequence[int]) -> None:
    """Bring a job's quarantine up to date when it is stitched: ``failed`` chunks and what stitching again takes.

    Chunks that came right after all leave; a replay takes over what it was not asked to decode.
    """
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    present = set(_indices(store, keys))
    for index in present - set(failed):
        store.delete_prefix(keys.quarantined(index))
    if job.replay_of:
        origin = JobKeys(tenant=job.tenant, job_id=job.replay_of)
        for index in set(failed) - present:
            for key in list(store.list(origin.quarantined(index))):
                store.put(keys.quarantined(index) + key.rpartition("/")[2], store.get(key))
    if failed:
        store.put(keys.kept, encode(kept))
    else:
        store.delete(keys.kept)


def read_kept(store: BlobStore, keys: JobKeys) -> Kept:
    """Return what a job kept for stitching again; raises `BlobMissing`."""
    return decode(Kept, store.get(keys.kept))


def read_chunk(store: BlobStore, keys: JobKeys, index: int) -> Quarantined:
    """Return a chunk in quarantine; raises `BlobMissing`."""
    return decode(Quarantined, store.get(f"{keys.quarantined(index)}chunk.json"))


def chunks_in(store: BlobStore, keys: JobKeys) -> list[Quarantined]:
    """Return a job's chunks in quarantine, in order."""
    return [read_chunk(store, keys, index) for index in sorted(_indices(store, keys))]


def prepare_replay(store: BlobStore, job: Job) -> tuple[list[Span], Kept]:
    """Lay out a replay's working data: spans whose samples are those of the chunks to decode, the rest zero.

    Returns the spans as stored for this job, and what its origin kept. Raises `BlobMissing` when that is gone.
    """
    origin = JobKeys(tenant=job.tenant, job_id=job.replay_of)
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    kept = read_kept(store, origin)
    spans = [_replay_span(store, origin, keys, span, job.replay_chunks) for span in kept.spans]
    store.put(keys.summary, encode(kept.summary))
    return spans, kept


def results_of(kept: Kept, job: Job) -> dict[int, ChunkResult]:
    """Return the kept results that a replay does not make anew."""
    return {result.index: result for result in kept.results if result.index not in job.replay_chunks}


def failed_in(results: Mapping[int, ChunkResult]) -> frozenset[int]:
    """Return the indices of the chunks that were given up."""
    return frozenset(index for index, result in results.items() if result.error)


def _replay_span(store: BlobStore, origin: JobKeys, keys: JobKeys, span: Span, replayed: Sequence[int]) -> Span:
    chunks = [chunk for chunk in span.chunks if chunk.index in replayed]
    samples = bytearray((span.end - span.start) * SAMPLE_BYTES if chunks else 0)
    for chunk in chunks:
        pcm = store.get(f"{origin.quarantined(chunk.index)}samples.pcm")
        at = (chunk.start - span.start) * SAMPLE_BYTES
        samples[at : at + len(pcm)] = pcm
    ref = replace(span.pcm, key=keys.pcm(span.channel, span.index), n_bytes=len(samples), sha256="")
    if chunks:
        ref = store.put(ref.key, bytes(samples))
    stored = replace(span, pcm=ref)
    store.put(keys.span(span.index), encode(stored))
    return stored


def _samples(store: BlobStore, keys: JobKeys, item: WorkItem) -> bytes | None:
    chunk = item.chunk
    try:
        span = decode(Span, store.get(keys.span(chunk.span)))
        at, n_samples = chunk.start - span.start, chunk.end - chunk.start
        return store.get_range(span.pcm.key, at * SAMPLE_BYTES, n_samples * SAMPLE_BYTES)
    except StoreUnavailable:
        raise
    except StorageError:
        return None


def _indices(store: BlobStore, keys: JobKeys) -> Iterator[int]:
    for key in store.list(keys.quarantine):
        folder, _, name = key.removeprefix(keys.quarantine).partition("/")
        if name == "chunk.json":
            yield int(folder)
