"""Is the process alive, is the whole ready, and what can it do: ``/healthz``, ``/readyz``, ``/v1/models``."""

import asyncio
import functools
import time
from collections.abc import Callable
from typing import Annotated

import anyio
import anyio.to_thread
import structlog
from fastapi import APIRouter, Depends, Response

from deployments.http.dependencies import Reader, inspects
from deployments.http.errors.documentation import documented_speech
from deployments.intake.backlog_bound import FullBacklog, full_backlog
from deployments.ports import ClusterStatus
from deployments.schemas.openai_names import DEFAULT_MODEL_NAMES
from deployments.schemas.service import AliveBody, ComponentBody, ModelBody, ModelCard, ModelList, ReadyBody, Status
from deployments.tenant.backend import Backend
from pipelines.errors import MeetMemoError, Reason

log = structlog.get_logger(__name__)

CHECK_TIMEOUT_S = 5.0
_WORST_FIRST: tuple[Status, ...] = ("down", "degraded", "ok")
FRESH_S = 2.0  # several probes at once share one check, which writes to the store and the ledger


class Readiness:
    """Checks every component, each within a time-out. Belongs to one event loop."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lock = asyncio.Lock()
        self._latest: ReadyBody | None = None
        self._latest_s = 0.0
        self._down: set[str] = set()
        # A store that hangs holds its threads: these checks must not take those of the other requests.
        self._threads = anyio.CapacityLimiter(4)

    retry_after_s: int | None = None
    """When to come again, where the last check found the backlog full."""

    async def check(self) -> ReadyBody:
        """Describe every component; ``down`` as soon as one that jobs need is down."""
        async with self._lock:
            if self._latest is None or time.monotonic() - self._latest_s > FRESH_S:
                self._latest = await self._check()
                self._latest_s = time.monotonic()
            return self._latest

    async def _check(self) -> ReadyBody:
        ledger, store, status, full = await asyncio.gather(
            self._answers(self._backend.ledger.check),
            self._answers(self._backend.store.check),
            self._backend.coordinator_client.status(),
            self._full(),
        )
        components = {
            "ledger": ledger,
            "store": store,
            **_cluster(status, self._backend.policy.models),
            "llm_key": self._llm_key(),
        }
        if self._backend.limits.bound.is_set:
            components["backlog"] = (
                ComponentBody(status="down", detail=full.what) if full else ComponentBody(status="ok")
            )
        self.retry_after_s = full.retry_after_s(status.speed if status else 0.0) if full else None
        found = {component.status for component in components.values()}
        overall = next((status for status in _WORST_FIRST if status in found), _WORST_FIRST[-1])
        self._tell({name: component for name, component in components.items() if component.status == "down"})
        return ReadyBody(status=overall, version=self._backend.version, components=components)

    def _tell(self, down: dict[str, ComponentBody]) -> None:
        """Log the components that are down when that changes: clients may not see the details."""
        if set(down) != self._down:
            self._down = set(down)
            log.warning("readiness", action="ready", down={name: component.detail for name, component in down.items()})

    async def _full(self) -> FullBacklog | None:
        """Return what fills the backlog; None where there is room, or the ledger does not say."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                look = functools.partial(full_backlog, self._backend.ledger, self._backend.limits.bound)
                return await anyio.to_thread.run_sync(look, limiter=self._threads, abandon_on_cancel=True)
        except (MeetMemoError, TimeoutError):
            return None  # what the ledger is worth its own check says

    async def _answers(self, check: Callable[[], None]) -> ComponentBody:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                await anyio.to_thread.run_sync(check, limiter=self._threads, abandon_on_cancel=True)
        except MeetMemoError as error:
            return ComponentBody(status="down", detail=str(error))
        except TimeoutError:
            return ComponentBody(status="down", detail=f"no answer within {CHECK_TIMEOUT_S:g} seconds")
        return ComponentBody(status="ok")

    def _llm_key(self) -> ComponentBody:
        if self._backend.policy.llm_configured:
            return ComponentBody(status="ok")
        return ComponentBody(status="ok", detail="no key is set: minutes are extractive")


def _cluster(status: ClusterStatus | None, configured: tuple[str, ...]) -> dict[str, ComponentBody]:
    if status is None:
        unknown = ComponentBody(status="down", detail="unknown while the coordinator does not answer")
        return {
            "coordinator": ComponentBody(status="down", detail="does not answer"),
            "model": unknown,
            "device": unknown,
        }
    coordinator = ComponentBody(status="ok", detail=f"{status.backlog_audio_s:.0f} s of audio wait")
    if status.draining:
        coordinator = ComponentBody(status="down", detail="draining")
    elif not (status.ledger_ok and status.store_ok):
        missing = [name for name, ok in (("ledger", status.ledger_ok), ("store", status.store_ok)) if not ok]
        coordinator = ComponentBody(status="down", detail=f"cannot reach the {' and the '.join(missing)}")
    ready = {model.name: model.detail for model in status.models if model.ready}
    asleep = {model.name for model in status.models if model.scaled_to_zero}
    usable = ready.keys() | asleep
    states = {name: "ready" if name in ready else "asleep" if name in asleep else "not ready" for name in configured}
    words = "; ".join(
        f"{name}: {state}{f' ({ready[name]})' if ready.get(name) else ''}" for name, state in states.items()
    )
    complete = usable >= set(configured)
    devices = sorted(set(ready.values()) - {""})
    return {
        "coordinator": coordinator,
        "model": ComponentBody(status="down" if not usable else "ok" if complete else "degraded", detail=words),
        "device": ComponentBody(status="ok" if usable else "down", detail=", ".join(devices)),
    }


def _without_details(body: ReadyBody) -> ReadyBody:
    """Remove the details of components: they may name hosts, buckets and folders."""
    components = {name: ComponentBody(status=component.status) for name, component in body.components.items()}
    return body.model_copy(update={"components": components})


def service_routes(backend: Backend) -> APIRouter:
    """Build the routes that describe the service."""
    router = APIRouter(tags=["service"])
    readiness = Readiness(backend)

    @router.get("/healthz", summary="Is the process alive")
    async def alive() -> AliveBody:
        return AliveBody(version=backend.version)

    @router.get(
        "/readyz",
        summary="Are all components ready",
        description=(
            "`degraded` still takes jobs and answers 200; `down` answers 503, with `Retry-After` where the bound on "
            "what may wait is reached. Details are told only to those who have the scope `metrics` or `admin`."
        ),
        responses={503: {"model": ReadyBody, "description": "A component that jobs need is down."}},
    )
    async def ready(response: Response, detailed: Annotated[bool, Depends(inspects)]) -> ReadyBody:
        body = await readiness.check()
        response.status_code = 503 if body.status == "down" else 200
        if readiness.retry_after_s is not None:
            response.headers["retry-after"] = str(readiness.retry_after_s)
        return body if detailed else _without_details(body)

    @router.get("/v1/models/", include_in_schema=False)  # no model has an empty name
    @router.get("/v1/models", summary="List the models a job may name", responses=documented_speech())
    async def models(reader: Reader) -> ModelList:
        status = await backend.coordinator_client.status()
        known = {model.name: model for model in status.models} if status else {}
        return ModelList(
            models=[
                ModelBody(
                    name=name,
                    default=name == backend.policy.default_model,
                    ready=known[name].ready if name in known else None,
                    detail=known[name].detail if name in known else "",
                )
                for name in backend.policy.models
            ],
            data=[ModelCard(id=name) for name in dict.fromkeys((*backend.policy.models, *DEFAULT_MODEL_NAMES))],
        )

    @router.get("/v1/models/{name:path}", summary="Show a model", responses=documented_speech(Reason.MODEL_UNKNOWN))
    async def model(name: str, reader: Reader) -> ModelCard:
        name = name.rstrip("/")
        if name not in DEFAULT_MODEL_NAMES:
            backend.policy.check_model(name)
        return ModelCard(id=name)

    return router
