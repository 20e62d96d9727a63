"""Calls of the Segmenters over Serve: recordings wait for their turn; what is lost meanwhile costs no attempt."""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from ray.exceptions import RayActorError

from cluster.settings.settings import Settings
from deployments.ports import SegmentRequest
from deployments.telemetry.reports import SegmentReport
from pipelines.backoff import Backoff
from pipelines.core import BlobRef, Span
from pipelines.errors import CorruptAudio, ReplicaLost
from pipelines.storage.layout import JobKeys
from pipelines.storage.open import open_store

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
    from ray.serve.handle import DeploymentHandle

    from cluster.serve import replica_process
    from cluster.serve.segmenter import SegmenterReplica
    from deployments.handles import BEGUN, SegmenterHandle

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


@pytest.fixture
def replica(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SegmenterReplica]:
    """It cuts two at a time, of the four recordings in its store."""
    monkeypatch.setattr(replica_process, "observe", lambda settings: None)
    settings = Settings(store_url=f"file://{tmp_path}")
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
