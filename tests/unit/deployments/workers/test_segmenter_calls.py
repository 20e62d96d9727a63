"""Calls of the Segmenters over Serve: recordings wait for their turn; what is lost meanwhile costs no attempt."""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from ray.exceptions import RayActorError

from cluster.settings.sections import LimitSettings
from cluster.settings.settings import Settings
from deployments.ports import SegmentRequest
from deployments.sources.fetch import Fetched, fetch_recording
from deployments.telemetry.reports import SegmentReport
from deployments.workers.segmenter import Segmenter
from pipelines.backoff import Backoff
from pipelines.core import BlobRef, Span
from pipelines.errors import BlobMissing, CorruptAudio, ReplicaLost
from pipelines.storage.layout import JobKeys
from pipelines.storage.open import open_store
from tests.support.virtual_time import run_in_virtual_time

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
    from ray.serve.handle import DeploymentHandle

    from cluster.serve import replica_process, segmenter
    from cluster.serve.segmenter import SegmenterReplica
    from deployments.handles import BEGUN, CUT_TOGETHER_BYTES, SegmenterHandle, TakesLong

RECORDING = Path(__file__).parents[3] / "data" / "short.mp3"
REQUEST = SegmentRequest(tenant="t", job_id="j1", split_channels=False)
SPAN = Span(index=0, channel=0, start=0, end=1, pcm=BlobRef(key="p", n_bytes=0))


class Replicas:
    """A handle whose n-th call yields the n-th script and raises the exceptions in it; answers come in tuples."""

    def __init__(self, *scripts: Sequence[object]) -> None:
        self._scripts = iter(scripts)
        self.segment = self
        self.n_calls = 0

    def options(self, **_: bool) -> "Replicas":
        return self

    async def remote(self, request: SegmentRequest) -> AsyncIterator[object]:
        self.n_calls += 1
        for found in next(self._scripts):
            if isinstance(found, Exception):
                raise found
            yield found


async def collect(called: Replicas) -> list[Any]:
    handle = SegmenterHandle(cast(DeploymentHandle[Any], called), Backoff(first_s=0.0, longest_s=0.0))
    return [found async for found in handle.segment(REQUEST)]


async def test_a_call_lost_before_its_turn_is_made_again() -> None:
    called = Replicas(*[[RayActorError()]] * 20, [BEGUN, (SPAN,)])
    assert await collect(called) == [SPAN]
    assert called.n_calls == 21


async def test_a_call_lost_in_its_turn_is_an_attempt() -> None:
    called = Replicas([BEGUN, RayActorError()], [BEGUN, (SPAN,)])
    with pytest.raises(ReplicaLost):
        await collect(called)
    assert called.n_calls == 1


async def test_a_bad_recording_is_raised() -> None:
    with pytest.raises(CorruptAudio):
        await collect(Replicas([BEGUN, (SPAN, CorruptAudio("torn"))]))


class SharedReplicas:
    """A handle whose n-th shared call yields the n-th script, by job; calls of one recording yield its span."""

    def __init__(self, *scripts: Sequence[object]) -> None:
        self._scripts = iter(scripts)
        self.together: list[list[str]] = []
        self.alone: list[str] = []
        self.sources: dict[str, BlobRef | None] = {}
        self.then: Sequence[object] = ()  # at the end of every shared call
        self.segment = _Remote(self._segment)
        self.segment_all = _Remote(self._segment_all)

    def options(self, **_: bool) -> "SharedReplicas":
        return self

    async def _segment(self, request: SegmentRequest) -> AsyncIterator[object]:
        self.alone.append(request.job_id)
        self.sources[request.job_id] = request.source
        yield BEGUN
        yield (SPAN,)

    async def _segment_all(self, requests: Sequence[SegmentRequest]) -> AsyncIterator[object]:
        self.together.append([request.job_id for request in requests])
        for found in [*next(self._scripts), *self.then]:
            if isinstance(found, Exception):
                raise found
            yield found


class _Remote:
    def __init__(self, call: Callable[[Any], AsyncIterator[object]]) -> None:
        self.remote = call


def short(job_id: str, n_bytes: int = 1000, **options: Any) -> SegmentRequest:
    source = BlobRef(key=f"t/{job_id}/source", n_bytes=n_bytes)
    return SegmentRequest(tenant="t", job_id=job_id, split_channels=False, source=source, **options)


async def cut_all(called: SharedReplicas, *requests: SegmentRequest) -> list[list[object] | BaseException]:
    """Cut recordings at the same time; return what came of each."""
    handle = SegmenterHandle(cast(DeploymentHandle[Any], called), Backoff(first_s=0.0, longest_s=0.0), open_calls=1)

    async def cut(request: SegmentRequest) -> list[object]:
        return [found async for found in handle.segment(request)]

    return await asyncio.gather(*map(cut, requests), return_exceptions=True)


async def test_short_recordings_share_a_call() -> None:
    """Each hears its own answers, and a bad one costs the others nothing."""
    bad = CorruptAudio("torn")
    called = SharedReplicas([[(0, BEGUN), (1, BEGUN)], [(1, bad), (0, SPAN)], [(1, None), (0, None)]])
    assert await cut_all(called, short("a"), short("b")) == [[SPAN], bad]
    assert called.together == [["a", "b"]]
    assert called.alone == []


async def test_what_was_lost_with_others_goes_alone() -> None:
    """One whose turn had not come does so by itself; one that had begun is an attempt, and its next one is alone."""
    called = SharedReplicas([[(0, BEGUN), (0, SPAN), (0, None), (1, BEGUN)], RayActorError()])
    done, begun, waiting = await cut_all(called, short("a"), short("b"), short("c"))
    assert done == waiting == [SPAN]
    assert isinstance(begun, ReplicaLost)
    assert called.alone == ["c"]
    assert await cut_all(called, short("b", attempt=1)) == [[SPAN]]
    assert called.alone == ["c", "b"]


@pytest.mark.parametrize(
    "request_",
    [short("a", CUT_TOGETHER_BYTES + 1), short("a", keep_audio=True), short("a", 0, recording_of="b")],
    ids=["long", "kept", "heard again"],
)
async def test_what_takes_long_has_a_call_of_its_own(request_: SegmentRequest) -> None:
    called = SharedReplicas()
    assert await cut_all(called, request_) == [[SPAN]]
    assert called.alone == ["a"]


@pytest.fixture
def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SegmenterReplica]:
    """It cuts two at a time, of the four recordings in its store."""
    monkeypatch.setattr(replica_process, "observe", lambda settings: None)
    settings = Settings(
        store_url=f"file://{tmp_path}", limits=LimitSettings(source_files_below=(tmp_path / "elsewhere",))
    )
    store = open_store(settings.store_url)
    for number in range(4):
        store.put(JobKeys(tenant="t", job_id=f"j{number}").source, RECORDING.read_bytes())
    before = os.umask(0o022)
    yield SegmenterReplica(settings, 2)
    os.umask(before)


async def test_what_a_replica_writes_is_private(replica: SegmenterReplica) -> None:
    """Also on a node whose Ray was started with another umask."""
    assert os.umask(0o077) == 0o077


async def turns() -> None:
    """Let everything go on that waits for nothing but its turn."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_so_many_are_cut_at_a_time(replica: SegmenterReplica) -> None:
    """The next recording begins when one has come to its end or was given up."""
    requests = [SegmentRequest(tenant="t", job_id=f"j{number}", split_channels=False) for number in range(4)]
    streams = [replica.segment(request) for request in requests]
    ended, given_up = streams[:2]
    assert [await anext(stream) for stream in (ended, given_up)] == [BEGUN, BEGUN]
    waiting = [asyncio.ensure_future(anext(stream)) for stream in streams[2:]]
    await turns()
    assert not any(turn.done() for turn in waiting)
    answers = [found async for found in ended]
    assert isinstance(answers[-1][-1], SegmentReport)
    assert await waiting[0] == BEGUN
    await turns()
    assert not waiting[1].done()
    await given_up.aclose()
    assert await waiting[1] == BEGUN


async def test_a_shared_call_keeps_to_the_turns(replica: SegmenterReplica) -> None:
    """Its recordings are cut two at a time, each begins with its turn, and what is wrong with one is its answer."""
    names = ("j0", "missing", "j1", "j2")
    requests = tuple(SegmentRequest(tenant="t", job_id=name, split_channels=False) for name in names)
    told: dict[int, list[object]] = {place: [] for place in range(4)}
    async for bundle in replica.segment_all(requests):
        for place, found in bundle:
            told[place].append(found)
        assert sum(BEGUN in found and None not in found for found in told.values()) <= 2
    assert all(found[0] == BEGUN and found[-1] is None for found in told.values())
    assert [isinstance(told[place][-2], SegmentReport) for place in range(4)] == [True, False, True, True]
    assert isinstance(told[1][-2], BlobMissing)


async def test_a_fault_of_ours_costs_others_nothing(replica: SegmenterReplica, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = Segmenter.segment

    async def faulty(self: Segmenter, request: SegmentRequest) -> AsyncIterator[object]:
        if request.job_id == "j1":
            raise ZeroDivisionError("ours")
        async for found in segment(self, request):
            yield found

    monkeypatch.setattr(Segmenter, "segment", faulty)
    requests = tuple(SegmentRequest(tenant="t", job_id=f"j{number}", split_channels=False) for number in range(2))
    told = [found async for bundle in replica.segment_all(requests) for found in bundle]
    assert "ZeroDivisionError: ours" in [str(found) for place, found in told if place == 1]
    assert any(isinstance(found, SegmentReport) for place, found in told if place == 0)


async def test_what_turns_out_long_goes_alone() -> None:
    """A recording that lies elsewhere shares a call until it is known to be long, or slow; others are not held up."""
    blob = BlobRef(key="t/a/source", n_bytes=CUT_TOGETHER_BYTES + 1, sha256="0")
    called = SharedReplicas([[(0, BEGUN), (1, BEGUN), (2, BEGUN)], [(0, TakesLong(source=blob)), (1, TakesLong())]])
    called.then = [[(2, SPAN), (2, None)]]
    requests = [short(name, 0, source_url=f"https://a.example/{name}") for name in "abc"]
    assert await cut_all(called, *requests) == [[SPAN], [SPAN], [SPAN]]
    assert called.together == [["a", "b", "c"]]
    assert sorted(called.alone) == ["a", "b"]
    assert called.sources["a"] == blob


@pytest.fixture
def lying(tmp_path: Path) -> list[str]:
    """Recordings that lie elsewhere: a short one, a long one (of noise that nobody cuts), another short one."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    paths = [folder / f"{name}.mp3" for name in ("a", "long", "b")]
    for path in paths:
        path.write_bytes(RECORDING.read_bytes())
    paths[1].write_bytes(RECORDING.read_bytes() + bytes(CUT_TOGETHER_BYTES))
    return [path.as_uri() for path in paths]


def fetching(urls: Sequence[str]) -> tuple[SegmentRequest, ...]:
    return tuple(
        SegmentRequest(tenant="t", job_id=f"f{place}", split_channels=False, source_url=url)
        for place, url in enumerate(urls)
    )


async def told_of(replica: SegmenterReplica, requests: tuple[SegmentRequest, ...]) -> dict[int, list[object]]:
    told: dict[int, list[object]] = {place: [] for place in range(len(requests))}
    async for bundle in replica.segment_all(requests):
        for place, found in bundle:
            told[place].append(found)
    return told


async def test_a_shared_call_fetches_and_leaves_out_what_is_long(replica: SegmenterReplica, lying: list[str]) -> None:
    told = await told_of(replica, fetching(lying))
    assert [isinstance(told[place][-2], SegmentReport) for place in range(3)] == [True, False, True]
    begun, long, end = told[1]
    assert (begun, end) == (BEGUN, None)
    assert isinstance(long, TakesLong)
    assert long.source is not None
    assert long.source.sha256  # it is stored, and need not be fetched again


async def test_a_slow_source_leaves_a_shared_call(
    replica: SegmenterReplica, lying: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segmenter, "SHARED_FETCH_S", 0.05)

    async def slow(url: str, *where: Any) -> Fetched:
        if url == lying[0]:
            await asyncio.Event().wait()
        return await fetch_recording(url, *where)

    monkeypatch.setattr("deployments.workers.segmenter.fetch_recording", slow)
    told = await told_of(replica, fetching(lying[::2]))
    assert told[0] == [BEGUN, TakesLong(), None]
    assert isinstance(told[1][-2], SegmentReport)


def test_later_spans_of_a_long_recording_wait_longer(
    replica: SegmenterReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first ones are told soon, so that there is something to decode; then a message holds several."""

    async def spans(self: Segmenter, request: SegmentRequest) -> AsyncIterator[Span]:
        for _ in range(100):
            await asyncio.sleep(0.05)
            yield SPAN

    async def program() -> list[int]:
        return [len(bundle) async for bundle in replica.segment(REQUEST) if bundle != BEGUN]

    monkeypatch.setattr(Segmenter, "segment", spans)
    told, _ = run_in_virtual_time(program())
    assert sum(told) == 100
    assert told[0] <= 3
    assert max(told) > 2 * told[0]
    assert len(told) < 25
