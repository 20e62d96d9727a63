"""The steps of a job that read and write the blob store for the Coordinator. They block: run them in a thread."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pipelines.codec import decode, encode
from pipelines.core import ChunkResult, LanguageVote, ModelInfo, SourceSummary, Span, Transcript
from pipelines.jobs import Job
from pipelines.keys import JobKeys
from pipelines.scheduling import WorkItem
from pipelines.stitching import stitch
from pipelines.storage import BlobStore

_READERS = 8  # a remote store answers in milliseconds each; a ten-hour job has 1,200 chunk results

T = TypeVar("T")


def stored_chunks(store: BlobStore, keys: JobKeys) -> frozenset[int]:
    """Indices of the chunks whose outcome is stored."""
    return frozenset(int(key.removeprefix(keys.chunks).removesuffix(".json")) for key in store.list(keys.chunks))


def stored_languages(store: BlobStore, keys: JobKeys) -> list[LanguageVote]:
    """The languages that were voted before."""
    return list(_read_all(store, LanguageVote, store.list(keys.languages)))


def store_language(store: BlobStore, keys: JobKeys, vote: LanguageVote) -> None:
    """Keep a vote: after a restart the rest of the channel is decoded in the same language."""
    store.put(keys.language(vote.channel), encode(vote))


def store_failure(store: BlobStore, item: WorkItem, why: str) -> None:
    """Write the outcome of a chunk that was given up: its interval becomes ``failed`` in the coverage ledger."""
    keys = JobKeys(tenant=item.tenant, job_id=item.job_id)
    result = ChunkResult(
        index=item.chunk.index,
        language=item.language or "",
        segments=(),
        avg_logprob=0.0,
        no_speech_prob=0.0,
        compression_ratio=0.0,
        temperature=0.0,
        error=why or "unknown",
    )
    store.put(keys.chunk(item.chunk.index), encode(result))


def stitch_job(store: BlobStore, job: Job, model: ModelInfo, votes: Mapping[int, LanguageVote]) -> Transcript:
    """Put a job's chunk results on one clock and store the transcript."""
    keys = JobKeys(tenant=job.tenant, job_id=job.id)
    summary = decode(SourceSummary, store.get(keys.summary))
    spans = sorted(_read_all(store, Span, store.list(keys.spans)), key=lambda span: span.index)
    results = {result.index: result for result in _read_all(store, ChunkResult, store.list(keys.chunks))}
    transcript = stitch(
        spans,
        results,
        duration_s=summary.duration_s,
        n_channels=summary.n_channels,
        languages=_votes(votes, results, spans),
        model=model,
        speakers=job.options.speakers,
    )
    store.put(keys.transcript, encode(transcript))
    return transcript


def discard(store: BlobStore, item: WorkItem) -> None:
    """Delete the outcome of a chunk whose job ended while it was decoded: nobody else would."""
    store.delete(JobKeys(tenant=item.tenant, job_id=item.job_id).chunk(item.chunk.index))


def clean_up(store: BlobStore, keys: JobKeys) -> None:
    """Delete what a job needed only while it ran."""
    store.delete_prefix(keys.work)
    store.delete(keys.source)


def _votes(
    votes: Mapping[int, LanguageVote], results: Mapping[int, ChunkResult], spans: Sequence[Span]
) -> list[LanguageVote]:
    """Votes of the channels that speak; a language that was given, not voted, has probability 1."""
    found: dict[int, LanguageVote] = {}
    for span in spans:
        for chunk in span.chunks:
            result = results.get(chunk.index)
            if result is not None and result.language and chunk.channel not in found:
                given = LanguageVote(channel=chunk.channel, language=result.language, probability=1.0)
                found[chunk.channel] = votes.get(chunk.channel, given)
    return [found[channel] for channel in sorted(found)]


def _read_all(store: BlobStore, kind: type[T], keys: Iterable[str]) -> Iterator[T]:
    with ThreadPoolExecutor(_READERS) as pool:
        yield from (decode(kind, data) for data in pool.map(store.get, list(keys)))
