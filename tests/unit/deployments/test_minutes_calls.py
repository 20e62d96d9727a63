"""Calls of the MinutesWriter over Serve: documents without minutes share calls, and none is lost with another's."""

import asyncio
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from ray.exceptions import RayActorError

from deployments.ports import MinutesRequest, WrittenResults
from pipelines.backoff import Backoff
from pipelines.errors import BlobMissing
from tests.support.virtual_time import run_in_virtual_time

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
    from ray.serve.handle import DeploymentHandle

    from deployments.handles import MinutesHandle

RESTART_S = 29.0
PLAIN = MinutesRequest(tenant="t", job_id="a", title="", minutes="none", language=None)


class Writers:
    """A handle that notes the jobs of each call; ``lost`` calls fail first, as when a replica dies."""

    def __init__(self, lost: int = 0) -> None:
        self.calls: list[list[str]] = []
        self.missing: set[str] = set()
        self._lost = float(lost)
        self.write = _Remote(self._write)
        self.write_all = _Remote(self._write_all)

    def go_away(self) -> None:
        self._lost = math.inf

    def come_back(self) -> None:
        self._lost = 0

    async def _write(self, request: MinutesRequest) -> WrittenResults:
        (found,) = await self._write_all([request])
        if isinstance(found, Exception):
            raise found
        return found

    async def _write_all(self, requests: Sequence[MinutesRequest]) -> tuple[WrittenResults | Exception, ...]:
        self.calls.append([request.job_id for request in requests])
        if self._lost:
            self._lost -= 1
            raise RayActorError()
        return tuple(
            BlobMissing(each.job_id) if each.job_id in self.missing else WrittenResults(names=(each.job_id,))
            for each in requests
        )


class _Remote:
    def __init__(self, call: Any) -> None:
        self.remote = call


async def write(writers: Writers, *requests: MinutesRequest) -> list[WrittenResults | BaseException]:
    handle = MinutesHandle(cast(DeploymentHandle[Any], writers), 3, Backoff(first_s=0.0, longest_s=0.0))
    return await asyncio.gather(*map(handle.write, requests), return_exceptions=True)


def plain(*names: str) -> list[MinutesRequest]:
    return [replace(PLAIN, job_id=name) for name in names]


async def test_documents_share_calls() -> None:
    """What comes at once is divided among some calls, and each job hears of its own."""
    writers = Writers()
    writers.missing = {"h"}
    *written, failed = await write(writers, *plain(*"abcdefgh"))
    assert written == [WrittenResults(names=(name,)) for name in "abcdefg"]
    assert isinstance(failed, BlobMissing)
    assert writers.calls == [["a", "b", "c", "d"], ["e", "f", "g", "h"]]


async def test_what_was_lost_with_others_is_written_alone() -> None:
    writers = Writers(lost=1)
    assert await write(writers, *plain(*"abcde")) == [WrittenResults(names=(name,)) for name in "abcde"]
    assert sorted(writers.calls) == [["a"], ["a", "b", "c"], ["b"], ["c"], ["d", "e"]]


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
