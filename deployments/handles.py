"""Ray Serve handles behind the ports: calls go out, MeetMemo's own errors come back as they were raised."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar, cast

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from deployments.ports import ClusterStatus, JobView, MinutesRequest, Outcome, SegmentRequest, WrittenResults
from pipelines.core import ModelInfo, SourceSummary, Span
from pipelines.errors import InputError, MeetMemoError
from pipelines.scheduling import WorkItem

T = TypeVar("T")
FindHandle = Callable[[], DeploymentHandle[Any]]


def _as_raised(error: RayTaskError) -> BaseException:
    """The error a replica raised, without Ray's wrapping, when it is one of ours."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, MeetMemoError) else error


async def _answer(response: Awaitable[T]) -> T:
    try:
        return await response
    except RayTaskError as error:
        raise _as_raised(error) from None


class CoordinatorHandle:
    """Calls the Coordinator, looked up at the first call: deployments cannot be bound to each other in a ring."""

    def __init__(self, find: FindHandle) -> None:
        self._find = find
        self._found: DeploymentHandle[Any] | None = None

    @property
    def _handle(self) -> DeploymentHandle[Any]:
        if self._found is None:
            self._found = self._find()
        return self._found

    async def wake(self) -> None:
        await _answer(self._handle.wake.remote())

    async def watch(self, tenant: str, job_id: str, seen_version: int, timeout_s: float) -> JobView:
        view: JobView = await _answer(self._handle.watch.remote(tenant, job_id, seen_version, timeout_s))
        return view

    async def eta(self, job_ids: tuple[str, ...]) -> dict[str, float | None]:
        found: dict[str, float | None] = await _answer(self._handle.eta.remote(job_ids))
        return found

    async def status(self) -> ClusterStatus:
        status: ClusterStatus = await _answer(self._handle.status.remote())
        return status

    async def claim(self, ticket: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        items: tuple[WorkItem, ...] = await _answer(self._handle.claim.remote(ticket, replica, max_items))
        return items

    async def complete(self, ticket: str, replica: ModelInfo, outcomes: tuple[Outcome, ...]) -> None:
        await _answer(self._handle.complete.remote(ticket, replica, outcomes))


class TranscriberHandle:
    """Calls the Transcribers of one model; Serve picks the replica."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def work(self, ticket: str) -> int:
        n_rows: int = await _answer(self._handle.work.remote(ticket))
        return n_rows


class SegmenterHandle:
    """Calls the Segmenters. A stream whose replica dies starts again: spans are cut and named the same every time.

    An `InputError` arrives as the stream's last element and is raised here.
    """

    def __init__(self, handle: DeploymentHandle[Any], max_attempts: int = 3) -> None:
        self._handle: DeploymentHandle[Any] = handle.options(stream=True)
        self._max_attempts = max_attempts

    async def segment(self, request: SegmentRequest) -> AsyncIterator[Span | SourceSummary]:
        n_seen = 0
        for attempt in range(1, self._max_attempts + 1):
            try:
                position = 0
                stream = cast(DeploymentResponseGenerator[Any], self._handle.segment.remote(request))
                async for found in stream:
                    if isinstance(found, InputError):
                        raise found
                    position += 1
                    if position > n_seen:
                        n_seen = position
                        yield found
            except RayActorError:
                if attempt == self._max_attempts:
                    raise
            except RayTaskError as error:
                raise _as_raised(error) from None
            else:
                return


class MinutesHandle:
    """Calls the MinutesWriter; writing is repeatable, so a call whose replica died is made again."""

    def __init__(self, handle: DeploymentHandle[Any], max_attempts: int = 3) -> None:
        self._handle = handle
        self._max_attempts = max_attempts

    async def write(self, request: MinutesRequest) -> WrittenResults:
        for _ in range(self._max_attempts - 1):
            try:
                return await self._write(request)
            except RayActorError:
                continue
        return await self._write(request)

    async def _write(self, request: MinutesRequest) -> WrittenResults:
        written: WrittenResults = await _answer(self._handle.write.remote(request))
        return written
