"""The Segmenter as a deployment."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import structlog

from cluster.serve.deployment_versions import LimitTuning
from cluster.serve.replica_process import begin_process
from cluster.settings.settings import Settings
from cluster.wiring.limits import decode_limits, source_limits
from deployments.handles import BEGUN, CUT_TOGETHER_BYTES, TakesLong
from deployments.ports import MaskedCopyRequest, SegmentRequest
from deployments.workers.bundles import bundled, merged
from deployments.workers.segmenter import Segmenter, SegmenterOptions
from pipelines.audio.sandbox import IsolatedDecoder
from pipelines.core import BlobRef
from pipelines.errors import MeetMemoError
from pipelines.storage.open import open_store

# A span waits so long for what comes after it, later ones longer: by then there is something to decode.
LINGER_S = 0.1
MAX_LINGER_S = 0.5
# And one of a recording that was sent with others, whose end tells all of it at once.
SHARED_LINGER_S = 0.3
# And the end of such a one, while others of the call are being cut.
END_LINGER_S = 0.2
# A source may take so long to come in a call that is shared.
SHARED_FETCH_S = 5.0

log = structlog.get_logger()


class SegmenterReplica(Segmenter):
    """Runs a Segmenter over the configured store: ``at_once`` recordings at a time, the others wait in the replica."""

    def __init__(self, settings: Settings, at_once: int) -> None:
        begin_process(settings)
        self._settings = settings
        super().__init__(
            store=open_store(settings.store_url),
            options=SegmenterOptions(
                max_duration_s=settings.limits.max_duration_h * 3600,
                max_channels=settings.limits.max_channels,
                tenants={name: decode_limits(settings.limits.of(name)) for name in settings.limits.tenants},
                span_timeout_s=settings.coordinator.span_timeout_s,
                sources=source_limits(settings),
            ),
            decode=IsolatedDecoder(),
        )
        self._room = asyncio.Semaphore(at_once)

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        limits = LimitTuning.model_validate(user_config).limits
        self.limit(
            max_duration_s=limits.max_duration_h * 3600,
            max_channels=limits.max_channels,
            tenants={name: decode_limits(limits.of(name)) for name in limits.tenants},
            sources=source_limits(self._settings.model_copy(update={"limits": limits})),
        )

    async def probe(self, tenant: str, url: str) -> Any:
        """Probe like `Segmenter.probe`, but return the error of a recording that cannot be read."""
        try:
            return await super().probe(tenant, url)
        except MeetMemoError as error:
            return error

    async def keep_masked(self, request: MaskedCopyRequest) -> Any:
        """Make the copy like `Segmenter.keep_masked`, but return the error that it raised on purpose."""
        async with self._room:
            try:
                await super().keep_masked(request)
            except MeetMemoError as error:
                return error
        return None

    async def segment(self, request: SegmentRequest) -> AsyncGenerator[Any]:
        """Yield `BEGUN`, then tuples of what `Segmenter.segment` yields, at last the error that it raised on purpose.

        A bad recording or a dead URL is an answer: Serve logs what is raised as a fault of ours, with its traceback.
        Each yield costs a message of Ray's, so all of a short recording goes in one.
        """
        async with self._room:
            yield BEGUN
            clock = asyncio.get_running_loop().time
            began_s = clock()

            def linger_s(_: Any) -> float:
                return min(MAX_LINGER_S, max(LINGER_S, (clock() - began_s) / 2))

            async with contextlib.aclosing(bundled(self._answers(request), linger_s)) as bundles:
                async for bundle in bundles:
                    yield bundle

    async def segment_all(self, requests: tuple[SegmentRequest, ...]) -> AsyncGenerator[Any]:
        """Yield tuples of a request's place and what `segment` yields for it; None follows at its end.

        Recordings of one call wait for their turns as if each had its own; a fault of one leaves the others alone.
        Several short ones are told in one message: `BEGUN`, too, goes with the end, or with that of another. A process
        that dies before that lets them all be cut alone, where it is told at once.
        """
        turns = [self._turn(request) for request in requests]
        answers = bundled(merged(turns), lambda answer: SHARED_LINGER_S if answer[1] is not None else END_LINGER_S)
        async with contextlib.aclosing(answers) as bundles:
            async for bundle in bundles:
                yield bundle

    async def _turn(self, request: SegmentRequest) -> AsyncGenerator[Any]:
        async with self._room:
            yield BEGUN
            try:
                async with contextlib.aclosing(self._answers(request)) as answers:
                    first = await _fetched(answers) if request.source_url else None
                    if first is not None:
                        yield first
                    if not isinstance(first, TakesLong):
                        async for found in answers:
                            yield found
            except Exception as error:  # a fault of ours, which Serve would log if it were not for the others
                log.exception("cutting failed", action="segment", job_id=request.job_id)
                yield RuntimeError(f"{type(error).__name__}: {error}")
        yield None

    async def _answers(self, request: SegmentRequest) -> AsyncGenerator[Any]:
        try:
            async with contextlib.aclosing(super().segment(request)) as stream:
                async for found in stream:
                    yield found
        except MeetMemoError as error:
            yield error


async def _fetched(answers: AsyncGenerator[Any]) -> Any:
    """Return the first answer to a request whose source lies elsewhere, or that it takes long."""
    try:
        async with asyncio.timeout(SHARED_FETCH_S):
            found = await anext(answers)
    except TimeoutError:
        return TakesLong()
    return TakesLong(source=found) if isinstance(found, BlobRef) and found.n_bytes > CUT_TOGETHER_BYTES else found
