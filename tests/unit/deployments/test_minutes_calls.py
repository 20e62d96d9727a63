"""Calls of the MinutesWriter over Serve: documents without minutes share calls, and none is lost with another's."""

import asyncio
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from ray.exceptions import RayActorError

from deployments.ports import Cut, EndedJob, MinutesRequest, Stitched, StitchRequest, WrittenResults
from pipelines.backoff import Backoff
from pipelines.core import BlobRef, ModelInfo, SourceSummary
from pipelines.errors import BlobMissing
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.jobs.usage import JobUsage
from tests.support.virtual_time import run_in_virtual_time

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
    from ray.serve.handle import DeploymentHandle

    from deployments.handles import FEW_CHUNKS, MinutesHandle

RESTART_S = 29.0
SOURCE = BlobRef(key="t/a/source", n_bytes=1)
PLAIN = MinutesRequest(tenant="t", job_id="a", title="", minutes="none", language=None)


class Writers:
    """A handle that notes the jobs of each call; ``lost`` calls fail first, as when a replica dies."""

    def __init__(self, lost: int = 0) -> None:
        self.calls: list[list[str]] = []
        self.missing: set[str] = set()
        self._lost = float(lost)
        self.write = _Remote(self._write)
        self.write_all = _Remote(self._write_all)
        self.stitch = _Remote(self._stitch)
        self.stitch_all = _Remote(self._stitch_all)
        self.clean_up = _Remote(lambda ended: self._clean_up_all([ended]))
        self.clean_up_all = _Remote(self._clean_up_all)

    def go_away(self) -> None:
        self._lost = math.inf

    def come_back(self) -> None:
        self._lost = 0

    async def _write(self, request: MinutesRequest) -> WrittenResults:
        (found,) = await self._write_all([request])
        if isinstance(found, Exception):
            raise found
        return found

    async def _stitch(self, request: StitchRequest) -> Stitched:
        (found,) = await self._stitch_all([request])
        return found

    async def _stitch_all(self, requests: Sequence[StitchRequest]) -> tuple[Stitched, ...]:
        self._call([request.job.id for request in requests])
        return tuple(Stitched(usage=JobUsage(result_bytes=len(each.job.id)), notes=()) for each in requests)

    async def _clean_up_all(self, ended: Sequence[EndedJob]) -> tuple[Exception | None, ...]:
        self._call([each.job_id for each in ended])
        return tuple(BlobMissing(each.job_id) if each.job_id in self.missing else None for each in ended)

    async def _write_all(self, requests: Sequence[MinutesRequest]) -> tuple[WrittenResults | Exception, ...]:
        self._call([request.job_id for request in requests])
        return tuple(
            BlobMissing(each.job_id) if each.job_id in self.missing else WrittenResults(names=(each.job_id,))
            for each in requests
        )

    def _call(self, names: list[str]) -> None:
        self.calls.append(names)
        if self._lost:
            self._lost -= 1
            raise RayActorError()


class _Remote:
    def __init__(self, call: Any) -> None:
        self.remote = call


async def write(writers: Writers, *requests: MinutesRequest) -> list[WrittenResults | BaseException]:
    handle = MinutesHandle(cast(DeploymentHandle[Any], writers), 3, Backoff(first_s=0.0, longest_s=0.0))
    return await asyncio.gather(*map(handle.write, requests), return_exceptions=True)


def plain(*names: str) -> list[MinutesRequest]:
    return [replace(PLAIN, job_id=name) for name in names]


async def test_documents_share_calls() -> None:
    """What comes at once goes in one call, and each job hears of its own."""
    writers = Writers()
    writers.missing = {"h"}
    *written, failed = await write(writers, *plain(*"abcdefgh"))
    assert written == [WrittenResults(names=(name,)) for name in "abcdefg"]
    assert isinstance(failed, BlobMissing)
    assert writers.calls == [list("abcdefgh")]


async def test_what_was_lost_with_others_is_written_alone() -> None:
    writers = Writers(lost=1)
    assert await write(writers, *plain(*"abcde")) == [WrittenResults(names=(name,)) for name in "abcde"]
    assert sorted(writers.calls) == [["a"], list("abcde"), ["b"], ["c"], ["d"], ["e"]]


@pytest.mark.parametrize("wish", [{"minutes": "llm"}, {"translate": ("de",)}], ids=["minutes", "translations"])
async def test_what_may_take_long_has_a_call_of_its_own(wish: dict[str, Any]) -> None:
    writers = Writers()
    await write(writers, *(replace(request, **wish) for request in plain("a", "b", "c")))
    assert sorted(writers.calls) == [["a"], ["b"], ["c"]]


async def test_a_cancelled_job_leaves_the_others() -> None:
    writers = Writers()
    handle = MinutesHandle(cast(DeploymentHandle[Any], writers))
    writing = [asyncio.create_task(handle.write(request)) for request in plain("a", "b", "c")]
    await asyncio.sleep(0)
    writing[0].cancel()
    assert await asyncio.gather(*writing[1:]) == [WrittenResults(names=(name,)) for name in "bc"]


def test_a_restart_loses_nothing() -> None:
    """While the only replica is being replaced, which takes half a minute on a busy machine, a call is made again."""
    writers = Writers()

    async def program() -> WrittenResults:
        asyncio.get_running_loop().call_later(RESTART_S, writers.come_back)
        return await MinutesHandle(cast(DeploymentHandle[Any], writers)).write(plain("a")[0])

    writers.go_away()
    written, _ = run_in_virtual_time(program())
    assert written == WrittenResults(names=("a",))


def to_stitch(job_id: str, n_chunks: int = 1) -> StitchRequest:
    options = JobOptions(model="m", minutes="none")
    job = Job(id=job_id, tenant="t", options=options, source=SOURCE, filename="a.wav", created_at_s=1.0)
    summary = SourceSummary(duration_s=1.0, n_channels=1, n_spans=0, n_chunks=n_chunks)
    outcomes = tuple((index, "0") for index in range(n_chunks))
    return StitchRequest(
        job=job, cut=Cut(summary=summary, spans=()), outcomes=outcomes, votes={}, model=ModelInfo(name="m")
    )


async def test_short_transcripts_are_put_together_in_shared_calls() -> None:
    """A long one has a call of its own."""
    writers = Writers()
    handle = MinutesHandle(cast(DeploymentHandle[Any], writers), 3, Backoff(first_s=0.0, longest_s=0.0))
    requests = [to_stitch("a"), to_stitch("long", FEW_CHUNKS + 1), to_stitch("b"), to_stitch("c")]
    stitched = await asyncio.gather(*map(handle.stitch, requests))
    assert [found.usage.result_bytes for found in stitched] == [1, 4, 1, 1]
    assert sorted(writers.calls) == [["a", "b", "c"], ["long"]]


async def test_ended_jobs_are_cleaned_up_together() -> None:
    writers = Writers()
    writers.missing = {"b"}
    handle = MinutesHandle(cast(DeploymentHandle[Any], writers))
    ended = [EndedJob(tenant="t", job_id=name, state=JobState.SUCCEEDED) for name in "abc"]
    found = await asyncio.gather(*map(handle.clean_up, ended), return_exceptions=True)
    assert writers.calls == [["a", "b", "c"]]
    assert [type(each) for each in found] == [type(None), BlobMissing, type(None)]
