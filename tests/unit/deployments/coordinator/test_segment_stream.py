"""The Segmenter's stream goes on over everything that may break it; each span arrives once."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from deployments.artifacts.storage_retry import StorageRetry
from deployments.coordinator import segment_stream
from deployments.coordinator.segment_stream import spans_of
from deployments.ports import MaskedCopyRequest, SegmentRequest
from deployments.telemetry.reports import SegmentReport
from pipelines.backoff import Backoff
from pipelines.core import BlobRef, SourceSummary, Span
from pipelines.errors import CorruptAudio, ReplicaLost, SourceUnreachable, StoreUnavailable, TimedOut
from pipelines.jobs.batch import Probe
from pipelines.jobs.job import JobState
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster
from tests.support.virtual_time import run_in_virtual_time
from tests.support.waiting import until

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
        self.first_times: list[bool] = []

    async def segment(self, request: SegmentRequest) -> AsyncIterator[Found]:
        self.n_calls += 1
        self.first_times.append(request.first_time)
        fault = next(self._breaks)
        for index in range(4):
            if fault is not None and fault[0] == index:
                raise fault[1]
            yield span(index)
        yield SUMMARY

    async def keep_masked(self, request: MaskedCopyRequest) -> None:
        raise NotImplementedError

    async def probe(self, tenant: str, url: str) -> Probe:
        raise NotImplementedError


async def collect(
    segmenter: Breaking, max_attempts: int = 3, request: SegmentRequest = REQUEST
) -> list[Found | SegmentReport]:
    storage_retry = StorageRetry(Backoff(first_s=0.0, longest_s=0.0))
    return [
        found async for found in spans_of(segmenter, request, storage_retry, max_attempts=max_attempts, pause_s=0.0)
    ]


@pytest.mark.parametrize("error", [ReplicaLost("dead"), TimedOut("hangs"), StoreUnavailable("away")])
async def test_each_span_once(error: Exception) -> None:
    """A stream that breaks off starts again and what was seen is not told twice."""
    segmenter = Breaking((0, error), (2, error), (1, error), (3, error), None)
    assert await collect(segmenter, max_attempts=3) == [*map(span, range(4)), SUMMARY]
    assert segmenter.n_calls == 5


@pytest.mark.parametrize("error", [ReplicaLost("dead"), TimedOut("hangs"), StoreUnavailable("away")])
async def test_only_the_first_call_is_the_first_time(error: Exception) -> None:
    """The store may hold what a call that broke off has made."""
    segmenter = Breaking((2, error), (1, error), None)
    await collect(segmenter, request=replace(REQUEST, first_time=True))
    assert segmenter.first_times == [True, False, False]


def test_a_restart_loses_nothing() -> None:
    """While all Segmenters are being replaced, which takes half a minute on a busy machine, calls are made again."""
    segmenter = Breaking(*[(0, ReplicaLost("dead"))] * 4, None)

    async def program() -> list[Found | SegmentReport]:
        retry = StorageRetry(Backoff(first_s=0.0, longest_s=0.0))
        return [found async for found in spans_of(segmenter, REQUEST, retry, max_attempts=5)]

    found, at_s = run_in_virtual_time(program())
    assert found == [*map(span, range(4)), SUMMARY]
    assert at_s >= 29.0


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


ABSENT = SourceUnreachable("the server answered 404", may_come=True)


def awaited(segmenter: Breaking, patience_s: float) -> tuple[list[Any], list[str], float]:
    """Collect a stream in virtual time; return what came, what was told of the waiting, and when the stream ended."""
    told: list[str] = []

    async def waits(error: SourceUnreachable) -> None:
        told.append(str(error))

    async def program() -> list[Any]:
        found: list[Any] = []
        stream = spans_of(segmenter, REQUEST, StorageRetry(), max_attempts=1, patience_s=patience_s, waits=waits)
        try:
            async for each in stream:
                found.append(each)
        except SourceUnreachable as error:
            found.append(error)
        return found

    came, at_s = run_in_virtual_time(program())
    return came, told, at_s


def test_a_source_that_comes_is_waited_for() -> None:
    """A recorder that tells of its recording before it can be fetched loses nothing, and is told of once."""
    found, told, at_s = awaited(Breaking(*[(0, ABSENT)] * 4, None), patience_s=600.0)
    assert found == [*map(span, range(4)), SUMMARY]
    assert told == ["the server answered 404"]
    assert 0 < at_s < 100


def test_patience_ends() -> None:
    """A source that never comes fails with its reason when the time is up, after attempts minutes apart at most."""
    segmenter = Breaking(*[(0, ABSENT)] * 1000)
    found, _, at_s = awaited(segmenter, patience_s=600.0)
    assert found == [ABSENT]
    assert at_s == pytest.approx(600.0)
    assert 10 < segmenter.n_calls < 200


@pytest.mark.parametrize(("error", "patience_s"), [(ABSENT, 0.0), (SourceUnreachable("not a safe place"), 600.0)])
def test_what_will_not_come_is_not_waited_for(error: SourceUnreachable, patience_s: float) -> None:
    """Without patience, or where no later attempt could help, the first answer counts."""
    segmenter = Breaking((0, error), None)
    assert awaited(segmenter, patience_s) == ([error], [], 0.0)
    assert segmenter.n_calls == 1


async def test_a_job_tells_that_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its history says that its source is awaited and why; then it goes on, with no attempt counted against it."""
    monkeypatch.setattr(segment_stream, "SOURCE_PAUSES", Backoff(first_s=0.01, longest_s=0.01))
    ledger, store = MemoryLedger(), MemoryStore()
    cluster = InProcessCluster(ledger, store)
    cluster.segmenter.fail = ABSENT
    await cluster.coordinator.start()
    try:
        job = cluster.submit("j", [1, 2, 3])
        await until(lambda: "source_awaited" in [event.name for event in ledger.events("t", "j")])
        cluster.segmenter.fail = None
        (ended,) = await cluster.ended(job)
        assert ended.state is JobState.SUCCEEDED
        (event,) = [event for event in ledger.events("t", "j") if event.name == "source_awaited"]
        assert event.detail == "the server answered 404"
    finally:
        await cluster.coordinator.stop()


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
