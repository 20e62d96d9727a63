"""The Segmenter on a real recording: what an earlier call stored is not made again."""

import asyncio
import time
from pathlib import Path

import pytest

from deployments.ports import SegmentRequest
from deployments.segmenter import Segmenter, SegmenterOptions
from pipelines.core import SourceSummary, Span
from pipelines.errors import StoreUnavailable, TimedOut
from pipelines.keys import JobKeys
from pipelines.segmentation import SegmentationOptions
from pipelines.testing.store import MemoryStore

RECORDING = Path(__file__).parents[1] / "data" / "short.mp3"
KEYS = JobKeys(tenant="t", job_id="j")
REQUEST = SegmentRequest(tenant="t", job_id="j", split_channels=False, window_s=2.0)


class CountingStore(MemoryStore):
    """Remembers what was put; refuses the puts after the ``limit``-th."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[str] = []
        self.limit = 10**9

    def put(self, key: str, data: bytes):  # type: ignore[no-untyped-def]  # as in MemoryStore
        if len(self.puts) == self.limit:
            raise StoreUnavailable("away")
        self.puts.append(key)
        return super().put(key, data)


@pytest.fixture
def store() -> CountingStore:
    store = CountingStore()
    store.put_file(KEYS.source, RECORDING)
    store.puts.clear()
    return store


async def cut(store: CountingStore) -> list[Span | SourceSummary]:
    options = SegmenterOptions(
        max_duration_s=3600.0,
        segmentation=SegmentationOptions(window_s=2.0, first_span_s=1.0, span_s=1.0, max_span_s=30.0),
    )
    return [found async for found in Segmenter(store=store, options=options).segment(REQUEST)]


async def test_a_finished_segmentation_is_read_not_made(store: CountingStore) -> None:
    """A second call yields the same without the recording."""
    first = await cut(store)
    summary = first[-1]
    assert isinstance(summary, SourceSummary)
    assert (summary.n_spans, summary.n_chunks > 0) == (len(first) - 1, True)
    n_puts = len(store.puts)
    store.delete(KEYS.source)
    assert await cut(store) == first
    assert len(store.puts) == n_puts


async def test_a_broken_segmentation_goes_on(store: CountingStore) -> None:
    """Wherever it broke off, the next call yields the same and puts only what is missing."""
    whole = CountingStore()
    whole.put_file(KEYS.source, RECORDING)
    whole.puts.clear()
    expected = await cut(whole)
    assert len(expected) > 2
    for limit in range(len(whole.puts)):
        broken = CountingStore()
        broken.put_file(KEYS.source, RECORDING)
        broken.puts.clear()
        broken.limit = limit
        with pytest.raises(StoreUnavailable):
            await cut(broken)
        tables = {key for key in broken.puts if key.startswith(KEYS.spans)}
        broken.puts.clear()
        broken.limit = 10**9
        assert await cut(broken) == expected
        assert not tables & set(broken.puts)
        assert set(broken.list(KEYS.work)) == set(whole.list(KEYS.work))


async def test_a_source_that_hangs_is_given_up(store: CountingStore) -> None:
    """A span that takes longer than it may ends the call with an enumerated reason."""

    class Hanging(CountingStore):
        def open(self, key: str):  # type: ignore[no-untyped-def]  # as in MemoryStore
            time.sleep(0.5)
            return super().open(key)

    hanging = Hanging()
    hanging.put_file(KEYS.source, RECORDING)
    segmenter = Segmenter(store=hanging, options=SegmenterOptions(max_duration_s=3600.0, span_timeout_s=0.05))
    with pytest.raises(TimedOut):
        async for _ in segmenter.segment(REQUEST):
            pass
    await asyncio.sleep(0)
