"""Ray Serve handles behind the ports: calls go out, MeetMemo's own errors come back as they were raised."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import structlog
from ray.exceptions import RayError, RayTaskError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle, DeploymentResponseGenerator

from deployments.call_groups import CallGroups
from deployments.ports import (
    Capacity,
    ClusterStatus,
    DiarizationRequest,
    DrainStatus,
    EndedJob,
    EnrolmentRequest,
    JobView,
    MaskedCopyRequest,
    MinutesRequest,
    Outcome,
    SealedVoice,
    SegmentRequest,
    Settled,
    Stitched,
    StitchRequest,
    StoryEntry,
    VoicesRequest,
    WrittenResults,
)
from deployments.shared_calls import SharedCalls
from deployments.telemetry.reports import BatchReport, SegmentReport
from pipelines.backoff import Backoff, between_lost_calls
from pipelines.core import MIB, BlobRef, ModelInfo, SourceSummary, Span
from pipelines.errors import MeetMemoError, ReplicaLost
from pipelines.jobs.batch import Probe
from pipelines.scheduling.estimate import NO_LOAD, Estimate, Load
from pipelines.scheduling.work_item import WorkItem
from pipelines.speakers.voices import Diarization

log = structlog.get_logger()

R = TypeVar("R")
T = TypeVar("T")
FindHandle = Callable[[], DeploymentHandle[Any]]
AFTER_LOSS = Backoff(first_s=1.0, longest_s=8.0)


def _as_raised(error: RayTaskError) -> BaseException:
    """Return the error a replica raised, without Ray's wrapping, when it is one of ours."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, MeetMemoError) else error


def _lost(error: RayError | RayServeException) -> ReplicaLost:
    return ReplicaLost(f"{type(error).__name__}: {error}".splitlines()[0])


async def _answer(response: Awaitable[T]) -> T:
    try:
        return await response
    except RayTaskError as error:
        raise _as_raised(error) from None
    except (RayError, RayServeException) as error:
        raise _lost(error) from error


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

    async def wake(self, n_arrived: int = 0, *, counts: bool = True) -> None:
        await _answer(self._handle.wake.remote(n_arrived, counts=counts))

    async def metrics(self) -> bytes:
        return await _answer(self._handle.metrics.remote())

    async def minutes_followed(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        await _answer(self._handle.minutes_followed.remote(tenant, job_id, written))

    async def watch(self, tenant: str, job_id: str, seen_version: int, timeout_s: float) -> JobView:
        return await _answer(self._handle.watch.remote(tenant, job_id, seen_version, timeout_s))

    async def eta(self, job_ids: tuple[str, ...]) -> dict[str, float | None]:
        return await _answer(self._handle.eta.remote(job_ids))

    async def status(self) -> ClusterStatus:
        return await _answer(self._handle.status.remote())

    async def capacity(self) -> Capacity:
        return await _answer(self._handle.capacity.remote())

    async def load(self) -> Load:
        return await _answer(self._handle.load.remote())

    async def estimate(
        self, *, tenant: str, model: str, audio_s: float, economy: bool, elsewhere: Load = NO_LOAD
    ) -> Estimate:
        asked = {"tenant": tenant, "model": model, "audio_s": audio_s, "economy": economy}
        return await _answer(self._handle.estimate.remote(**asked, elsewhere=elsewhere))

    async def probe(self, tenant: str, url: str) -> Probe:
        return await _answer(self._handle.probe.remote(tenant, url))

    async def story(self, job_id: str) -> tuple[StoryEntry, ...]:
        return await _answer(self._handle.story.remote(job_id))

    async def forget(self, job_id: str) -> None:
        await _answer(self._handle.forget.remote(job_id))

    async def drain(self, *, begin: bool | None = None, refuse: bool = False) -> DrainStatus:
        return await _answer(self._handle.drain.remote(begin=begin, refuse=refuse))

    async def claim(self, pull_id: str, replica: ModelInfo, max_items: int) -> tuple[WorkItem, ...]:
        return await _answer(self._handle.claim.remote(pull_id, replica, max_items))

    async def complete(
        self,
        pull_id: str,
        replica: ModelInfo,
        outcomes: tuple[Outcome, ...],
        report: BatchReport | None = None,
        *,
        max_items: int = 0,
        wait_s: float = 0.0,
    ) -> Settled:
        answer = self._handle.complete.remote(pull_id, replica, outcomes, report, max_items=max_items, wait_s=wait_s)
        return await _answer(answer)


class TranscriberHandle:
    """Calls the Transcribers of one model; Serve picks the replica."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def work(self, pull_id: str) -> int:
        return await _answer(self._handle.work.remote(pull_id))


BEGUN = "begun"
"""What a Segmenter's stream begins with, once the recording's turn has come there; tuples of answers follow."""

CUT_TOGETHER = 8
CUT_TOGETHER_BYTES = 4 * MIB
"""Of a recording that may share a call with others: it takes a moment, whatever the format."""
LONG_CUT_S = 10.0
"""A call that takes longer, for slow sources, holds back no others."""


@dataclass(frozen=True, kw_only=True)
class TakesLong:
    """A Segmenter's answer in a shared call: the recording is long, or slow to come, and needs a call of its own.

    ``source`` is what was fetched; None where it has not come yet.
    """

    source: BlobRef | None = None


@dataclass(eq=False, kw_only=True)
class _Cut:
    """A recording in a call with others, and the answers to it: at last an error, or None at the stream's end."""

    request: SegmentRequest
    answers: "asyncio.Queue[object]" = field(default_factory=asyncio.Queue)
    begun: bool = False
    ended: bool = False

    def tell(self, answer: object) -> None:
        self.begun |= answer == BEGUN
        self.ended |= answer is None or isinstance(answer, Exception)
        self.answers.put_nowait(answer)


class SegmenterHandle:
    """Calls the Segmenters. A `MeetMemoError` arrives as the stream's last element and is raised here.

    Recordings share calls that are short, or lie elsewhere, so that nobody knows yet: a call costs the caller more than
    what it says. What was lost with others goes alone. A call that was lost while it waited for its turn says nothing
    about the recording, and is made again.
    """

    def __init__(self, handle: DeploymentHandle[Any], retries: Backoff = AFTER_LOSS, *, open_calls: int = 4) -> None:
        """Take how many shared calls may be open: enough to keep all Segmenters busy."""
        self._handle: DeploymentHandle[Any] = handle.options(stream=True)
        self._calls = handle
        self._retries = retries
        self._groups = CallGroups(self._cut_together, at_once=open_calls, largest=CUT_TOGETHER, counts_s=LONG_CUT_S)

    async def probe(self, tenant: str, url: str) -> Probe:
        found: Probe | MeetMemoError = await _answer(self._calls.probe.remote(tenant, url))
        if isinstance(found, MeetMemoError):
            raise found
        return found

    async def keep_masked(self, request: MaskedCopyRequest) -> None:
        failed: MeetMemoError | None = await _answer(self._calls.keep_masked.remote(request))
        if failed is not None:
            raise failed

    async def segment(self, request: SegmentRequest) -> AsyncIterator[BlobRef | Span | SourceSummary | SegmentReport]:
        if _shares_call(request):
            cut = _Cut(request=request)
            self._groups.add(cut)
            try:
                while (found := await cut.answers.get()) is not None:
                    if isinstance(found, TakesLong):
                        if found.source:
                            request = replace(request, source=found.source, first_time=False)
                        break
                    if isinstance(found, Exception):
                        if not cut.begun:
                            break
                        raise found
                    if found != BEGUN:
                        yield cast(BlobRef | Span | SourceSummary | SegmentReport, found)
                else:
                    return
            finally:
                if not cut.ended:
                    self._groups.discard(cut)
        async with contextlib.aclosing(self._cut_alone(request)) as answers:
            async for answer in answers:
                yield answer

    async def _cut_together(self, cuts: tuple[_Cut, ...]) -> None:
        """Have recordings cut in one call, and hand each its answers."""
        try:
            requests = tuple(cut.request for cut in cuts)
            stream = cast(DeploymentResponseGenerator[Any], self._handle.segment_all.remote(requests))
            async for bundle in stream:
                for place, found in bundle:
                    cuts[place].tell(found)
            fault: Exception = ReplicaLost("the stream ended before the recording")
        except RayTaskError as error:
            raised = _as_raised(error)
            fault = raised if isinstance(raised, Exception) else error
        except (RayError, RayServeException) as error:
            fault = _lost(error)
        except Exception as error:
            fault = error
        for cut in cuts:
            if not cut.ended:
                cut.tell(fault)

    async def _cut_alone(
        self, request: SegmentRequest
    ) -> AsyncGenerator[BlobRef | Span | SourceSummary | SegmentReport]:
        for n_lost in itertools.count(1):
            begun = False
            try:
                stream = cast(DeploymentResponseGenerator[Any], self._handle.segment.remote(request))
                async for found in stream:
                    if found == BEGUN:
                        begun = True
                        continue
                    for each in found:
                        if isinstance(each, MeetMemoError):
                            raise each
                        yield each
                return
            except RayTaskError as error:
                raise _as_raised(error) from None
            except (RayError, RayServeException) as error:
                if begun:
                    raise _lost(error) from error
                log.warning("lost before its turn", action="segment", job_id=request.job_id, error=str(_lost(error)))
                await asyncio.sleep(self._retries.delay_s(n_lost))


def _shares_call(request: SegmentRequest) -> bool:
    """Return whether a recording is short, as far as is known, and was not lost before."""
    if request.keep_audio or request.recording_of or request.attempt:
        return False
    n_bytes = request.source.n_bytes if request.source else 0
    return bool(request.source_url) if not n_bytes else n_bytes <= CUT_TOGETHER_BYTES


class DiarizerHandle:
    """Calls the Diarizers; Serve picks the replica."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def hear(self, request: VoicesRequest) -> float:
        return await _answer(self._handle.hear.remote(request))

    async def tell_apart(self, request: DiarizationRequest) -> Diarization:
        return await _answer(self._handle.tell_apart.remote(request))

    async def enrol(self, request: EnrolmentRequest) -> SealedVoice:
        """Enrol a voice; the error of a clip that is none arrives as the answer, and is raised here."""
        answer: SealedVoice | MeetMemoError = await _answer(self._handle.enrol.remote(request))
        if isinstance(answer, MeetMemoError):
            raise answer
        return answer


WRITTEN_TOGETHER = 16
WRITING_CALLS = 2
"""One keeps the writer busy while the other's answers are on their way; what comes meanwhile shares the next."""
FEW_CHUNKS = 16
"""Of a transcript that may be put together in a call with others: it takes a moment."""
WRITING_GATHER_S = 0.1
"""What comes so soon after a call waits for company: seconds that a job takes longer while many others are done."""
CLEANED_TOGETHER = 64
CLEANING_CALLS = 1
CLEANING_GATHER_S = 1.0


class MinutesHandle:
    """Calls the MinutesWriter; all that it does is repeatable, so a call whose replica died is made again.

    What takes a moment shares calls: short transcripts, documents without minutes, working data to delete. What was
    lost with others goes alone.
    """

    def __init__(self, handle: DeploymentHandle[Any], max_attempts: int = 5, retries: Backoff | None = None) -> None:
        self._handle = handle
        self._max_attempts = max_attempts
        self._retries = retries or between_lost_calls()
        self._stitches: SharedCalls[StitchRequest, Stitched] = SharedCalls(
            lambda requests: _answer(handle.stitch_all.remote(requests)),
            at_once=WRITING_CALLS,
            largest=WRITTEN_TOGETHER,
            gather_s=WRITING_GATHER_S,
        )
        self._documents: SharedCalls[MinutesRequest, WrittenResults] = SharedCalls(
            lambda requests: _answer(handle.write_all.remote(requests)),
            at_once=WRITING_CALLS,
            largest=WRITTEN_TOGETHER,
            gather_s=WRITING_GATHER_S,
        )
        self._cleaning: SharedCalls[EndedJob, None] = SharedCalls(
            lambda ended: _answer(handle.clean_up_all.remote(ended)),
            at_once=CLEANING_CALLS,
            largest=CLEANED_TOGETHER,
            gather_s=CLEANING_GATHER_S,
        )

    async def stitch(self, request: StitchRequest) -> Stitched:
        shares = len(request.outcomes) <= FEW_CHUNKS
        return await self._repeated(request, self._handle.stitch, self._stitches if shares else None)

    async def write(self, request: MinutesRequest) -> WrittenResults:
        return await self._repeated(request, self._handle.write, self._documents if request.renders_only else None)

    async def clean_up(self, ended: EndedJob) -> None:
        await self._repeated(ended, self._handle.clean_up, self._cleaning)

    async def _repeated(self, request: R, alone: Any, shared: SharedCalls[R, T] | None) -> T:
        """Make a call until its replica lives to answer, ``max_attempts`` times; raises `ReplicaLost` after the last.

        The first may be ``shared`` with others.
        """
        for n_lost in range(1, self._max_attempts):
            try:
                if shared is not None and n_lost == 1:
                    return await shared.answer(request)
                return cast(T, await self._alone(request, alone))
            except ReplicaLost:
                await asyncio.sleep(self._retries.steady_delay_s(n_lost))
        return cast(T, await self._alone(request, alone))

    @staticmethod
    async def _alone(request: object, alone: Any) -> Any:
        return await _answer(alone.remote(request))
