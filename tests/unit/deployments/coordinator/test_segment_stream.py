"""The Segmenter's stream goes on over everything that may break it; each span arrives once."""

from collections.abc import AsyncIterator

import pytest

from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator.segment_stream import spans_of
from deployments.ports import SegmentRequest
from deployments.telemetry.reports import SegmentReport
from pipelines.backoff import Backoff
from pipelines.core import BlobRef, SourceSummary, Span
from pipelines.errors import CorruptAudio, ReplicaLost, StoreUnavailable, TimedOut
from pipelines.jobs.batch import Probe

REQUEST = SegmentRequest(tenant="t", job_id="j", split_channels=False)
Found = BlobRef | Span | SourceSummary
SUMMARY = SourceSummary(duration_s=4.0, n_channels=1, n_spans=4, n_chunks=0)


def span(index: int) -> Span:
    return Span(index=index, channel=0, start=index, end=index + 1, pcm=BlobRef(key=f"p{index}", n_bytes=0))


class Breaking:
    """A Segmenter whose n-th call raises the n-th error after that many spans; None lets it come to its end."""

    def __init__(self, *breaks: tuple[int, Exception] | None) -> None:
        self._breaks = iter(breaks)
        self.n_calls = 0

    async def segment(self, request: SegmentRequest) -> AsyncIterator[Found]:
        self.n_calls += 1
        fault = next(self._breaks)
        for index in range(4):
            if fault is not None and fault[0] == index:
                raise fault[1]
            yield span(index)
        yield SUMMARY

    async def probe(self, tenant: str, url: str) -> Probe:
        raise NotImplementedError


async def collect(segmenter: Breaking, max_attempts: int = 3) -> list[Found | SegmentReport]:
    storage_retry = StorageRetry(Backoff(first_s=0.0, longest_s=0.0))
    return [
        found async for found in spans_of(segmenter, REQUEST, storage_retry, max_attempts=max_attempts, pause_s=0.0)
    ]


@pytest.mark.parametrize("error", [ReplicaLost("dead"), TimedOut("hangs"), StoreUnavailable("away")])
async def test_each_span_once(error: Exception) -> None:
    """A stream that breaks off starts again and what was seen is not told twice."""
    segmenter = Breaking((0, error), (2, error), (1, error), (3, error), None)
    assert await collect(segmenter, max_attempts=3) == [*map(span, range(4)), SUMMARY]
    assert segmenter.n_calls == 5


@pytest.mark.parametrize("error", [ReplicaLost("dead"), TimedOut("hangs")])
async def test_attempts_without_progress_are_capped(error: Exception) -> None:
    """A recording that kills or hangs every Segmenter at the same place ends with an enumerated reason."""
    segmenter = Breaking((2, error), (2, error), (2, error), None)
    with pytest.raises(type(error)):
        await collect(segmenter, max_attempts=2)
    assert segmenter.n_calls == 2


async def test_outages_are_waited_for() -> None:
    """A store that is away for long costs no attempts."""
    segmenter = Breaking(*[(1, StoreUnavailable("away"))] * 20, None)
    assert len(await collect(segmenter, max_attempts=1)) == 5


async def test_a_bad_recording_is_not_tried_again() -> None:
    """What the Segmenter says about the recording is final."""
    segmenter = Breaking((1, CorruptAudio("torn")), None)
    with pytest.raises(CorruptAudio):
        await collect(segmenter)
    assert segmenter.n_calls == 1


async def test_what_was_fetched_is_told_to_the_next_call() -> None:
    """A call that takes the place of a broken one knows the fetched source, which it need not hash again."""
    source = BlobRef(key="t/j/source", n_bytes=5, sha256="fetched")
    requests: list[SegmentRequest] = []

    class Fetching(Breaking):
        async def segment(self, request: SegmentRequest) -> AsyncIterator[Found]:
            requests.append(request)
            yield source
            async for found in super().segment(request):
                yield found

    assert await collect(Fetching((2, ReplicaLost("dead")), None)) == [source, *map(span, range(4)), SUMMARY]
    assert [request.source for request in requests] == [None, source]
