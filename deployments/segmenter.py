"""The Segmenter: streams a source through decoding and voice activity, stores spans, names them as they are stored."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from deployments.limits import SourceLimits
from deployments.ports import SegmentRequest
from deployments.sources import fetch
from pipelines.audio import decode_audio
from pipelines.codec import encode
from pipelines.core import SAMPLE_RATE, BlobRef, SourceSummary, Span
from pipelines.keys import JobKeys
from pipelines.segmentation import SegmentationOptions, SpanDraft, split_audio
from pipelines.storage import BlobStore


@dataclass(frozen=True, kw_only=True)
class SegmenterOptions:
    """How to cut, and what is too much to decode."""

    max_duration_s: float
    segmentation: SegmentationOptions = field(default=SegmentationOptions())
    sources: SourceLimits = field(default=SourceLimits())


class Segmenter:
    """Splits one source per call; memory holds one span, whatever the recording's length."""

    def __init__(self, *, store: BlobStore, options: SegmenterOptions) -> None:
        self._store = store
        self._options = options

    async def segment(self, request: SegmentRequest) -> AsyncIterator[Span | SourceSummary]:
        """Yield each span once it is stored, at last the summary. Raises `InputError` and `StoreUnavailable`.

        The same source is cut the same way every time, so a repeated call rewrites what is there.
        """
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        if request.source_url:
            await self._fetch(request.source_url, keys)
        steps = self._split(keys, request)
        while (found := await asyncio.to_thread(next, steps, None)) is not None:
            yield found

    async def _fetch(self, url: str, keys: JobKeys) -> None:
        """Pull the source into the store, unless an earlier call did."""
        if await asyncio.to_thread(self._store.exists, keys.source):
            return
        with tempfile.TemporaryDirectory(prefix="meetmemo-") as folder:
            path = Path(folder) / "source"
            await fetch(url, path, self._options.sources)
            await asyncio.to_thread(self._store.put_file, keys.source, path)

    def _split(self, keys: JobKeys, request: SegmentRequest) -> Iterator[Span | SourceSummary]:
        segmentation = replace(self._options.segmentation, window_s=request.window_s)
        n_chunks = n_channels = end = 0
        with self._store.open(keys.source) as source:
            blocks = decode_audio(
                source,
                channels="split" if request.split_channels else "mix",
                max_duration_s=self._options.max_duration_s,
            )
            for draft in split_audio(blocks, segmentation):
                span = self._store_span(keys, draft)
                n_chunks += len(span.chunks)
                n_channels = max(n_channels, span.channel + 1)
                end = max(end, span.end)
                yield span
        summary = SourceSummary(duration_s=end / SAMPLE_RATE, n_channels=n_channels, n_chunks=n_chunks)
        self._store.put(keys.summary, encode(summary))
        yield summary

    def _store_span(self, keys: JobKeys, draft: SpanDraft) -> Span:
        pcm_key = keys.pcm(draft.channel, draft.index)
        pcm = self._store.put(pcm_key, draft.pcm.tobytes()) if draft.chunks else BlobRef(key=pcm_key, n_bytes=0)
        span = Span(
            index=draft.index,
            channel=draft.channel,
            start=draft.start,
            end=draft.end,
            pcm=pcm,
            chunks=draft.chunks,
        )
        self._store.put(keys.span(span.index), encode(span))
        return span
