"""The HTTP application with its collaborators at hand, and a raw ASGI connection for clients that misbehave."""

import asyncio
import contextlib
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx
from fastapi import FastAPI

from deployments.artifacts.template_queue import TemplateQueue
from deployments.http.config import ApiConfig
from deployments.intake.job_policy import JobPolicy
from deployments.limits import IngestionLimits
from deployments.ports import Capacity, ClusterStatus, DrainStatus, JobView, ModelStatus, StoryEntry
from pipelines.export.templating.templates import Templates
from pipelines.jobs.batch import Probe
from pipelines.jobs.events import Event
from pipelines.jobs.job import Job
from pipelines.jobs.state_machine import transition
from pipelines.ledger.protocol import Ledger
from pipelines.scheduling.estimate import NO_LOAD, Estimate, Load

MODELS = ("mini-en", "base")


def api_config(
    limits: IngestionLimits, *, models: tuple[str, ...] = MODELS, templates: Templates | None = None, **changes: Any
) -> ApiConfig:
    """Settings of an API, also those of its `JobPolicy`; the first model is the default one."""
    wanted = {"default_model": models[0], **fields_of(JobPolicy, changes)}
    policy = JobPolicy(models=models, templates=TemplateQueue(templates), **wanted)
    return ApiConfig(**{"policy": policy, "limits": limits, "version": "1.2.3", **changes})


def fields_of(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Take the fields of a dataclass out of keyword arguments."""
    return {item.name: given.pop(item.name) for item in fields(kind) if item.name in given}


class SteeredCoordinator:
    """A Coordinator that says what the test tells it; ``broken`` makes every call fail as a dead replica does."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.broken: Exception | None = None
        self.n_wakes = 0
        self.n_arrived = 0
        self.n_watching = 0
        self.eta_s: float | None = 12.5
        self.views: dict[str, Job] = {}
        self.stories: dict[str, tuple[StoryEntry, ...]] = {}
        self.changed = asyncio.Event()
        self.probes: dict[str, Probe | Exception] = {}
        self.asked_estimates: list[tuple[str, str, float, bool]] = []
        self.told_capacity = Capacity(
            speed=2.0, backlog_audio_s=1800.0, n_live_jobs=3, n_queued_jobs=4, free_share=0.25
        )
        self.drained = DrainStatus(draining=False, refusing=False, n_live_jobs=3)
        self.cluster = ClusterStatus(
            models=tuple(ModelStatus(name=name, ready=True, detail="cpu int8") for name in MODELS),
            backlog_audio_s=90.0,
            speed=2.0,
        )

    async def wake(self, n_arrived: int = 0, *, counts: bool = True) -> None:
        self._answer()
        self.n_wakes += 1
        self.n_arrived += n_arrived

    async def metrics(self) -> bytes:
        self._answer()
        return (
            b"# HELP meetmemo_steered What the Coordinator says.\n# TYPE meetmemo_steered gauge\nmeetmemo_steered 1.0\n"
        )

    async def watch(self, tenant: str, job_id: str, seen_version: int, timeout_s: float) -> JobView:
        self._answer()
        job = self.views.get(job_id) or self.ledger.get(tenant, job_id)
        if job.version <= seen_version:
            changed = self.changed
            self.n_watching += 1
            try:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), timeout_s)
            finally:
                self.n_watching -= 1
            self._answer()
        return JobView(job=self.views.get(job_id) or self.ledger.get(tenant, job_id), eta_s=self.eta_s)

    async def eta(self, job_ids: tuple[str, ...]) -> dict[str, float | None]:
        self._answer()
        return dict.fromkeys(job_ids, self.eta_s)

    async def status(self) -> ClusterStatus:
        self._answer()
        return self.cluster

    async def capacity(self) -> Capacity:
        self._answer()
        return self.told_capacity

    async def load(self) -> Load:
        self._answer()
        return NO_LOAD

    async def estimate(
        self, *, tenant: str, model: str, audio_s: float, economy: bool, elsewhere: Load = NO_LOAD
    ) -> Estimate:
        self._answer()
        self.asked_estimates.append((tenant, model, audio_s, economy))
        factor = 10.0 if economy else 1.0
        return Estimate(wall_s=factor * audio_s / self.cluster.speed, device_s=audio_s / 10, typical_error=0.1)

    async def probe(self, tenant: str, url: str) -> Probe:
        self._answer()
        found = self.probes[url]
        if isinstance(found, Exception):
            raise found
        return found

    async def story(self, job_id: str) -> tuple[StoryEntry, ...]:
        self._answer()
        return self.stories.get(job_id, ())

    async def forget(self, job_id: str) -> None:
        self._answer()
        self.stories.pop(job_id, None)

    async def drain(self, *, begin: bool | None = None, refuse: bool = False) -> DrainStatus:
        self._answer()
        if begin is not None:
            self.drained = DrainStatus(draining=begin, refusing=begin and refuse, n_live_jobs=3)
        return self.drained

    def announce(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def _answer(self) -> None:
        if self.broken:
            raise self.broken


@dataclass
class Api:
    """An application under test."""

    app: FastAPI
    client: httpx.AsyncClient
    ledger: Any  # a fake or a real one: tests reach for the fake's outage
    store: Any
    coordinator: SteeredCoordinator
    spool_dir: Path

    @property
    def spooled(self) -> list[Path]:
        """What lies in the spool folder."""
        return list(self.spool_dir.iterdir())

    @property
    def n_spooled_bytes(self) -> int:
        """How much of uploads lies in the spool folder; a file that is renamed or deleted meanwhile counts nothing."""
        n_bytes = 0
        for path in self.spool_dir.glob("*.upload"):
            with contextlib.suppress(FileNotFoundError):
                n_bytes += path.stat().st_size
        return n_bytes

    @property
    def blobs(self) -> list[str]:
        return list(self.store.list(""))

    async def submit(self, content: bytes = b"RIFF", **params: str) -> str:
        """Upload and return the job's id; equal recordings are jobs of their own."""
        answer = await self.client.post("/v1/jobs", content=content, params={"reuse": "false", **params})
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["id"]
        return job_id

    def advance(self, job_id: str, *events: Event) -> Job:
        """Let events happen to a job, as the Coordinator would."""
        lease = self.ledger.acquire_lease("test", 60.0)
        job: Job = self.ledger.get("default", job_id)
        for event in events:
            after, _ = transition(job, event)
            job = self.ledger.apply(lease, after, job.version)
        self.coordinator.announce()
        return job


def scope_of(
    method: str, path: str, headers: Mapping[str, str] = MappingProxyType({}), query: str = ""
) -> dict[str, Any]:
    """The scope of a request as a server makes it."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


@dataclass
class Connection:
    """One request driven by hand: the body comes when the test sends it, the answer is seen as it comes."""

    app: FastAPI
    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    query: str = ""

    def __post_init__(self) -> None:
        self._incoming: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._outgoing: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        scope = scope_of(self.method, self.path, self.headers, self.query)
        self.task = asyncio.create_task(self.app(scope, self._incoming.get, self._outgoing.put))

    def send(self, data: bytes = b"", *, more: bool = True) -> None:
        self._incoming.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def disconnect(self) -> None:
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def next(self, timeout_s: float = 30.0) -> MutableMapping[str, Any]:
        """The next message of the answer."""
        async with asyncio.timeout(timeout_s):
            return await self._outgoing.get()

    async def done(self, timeout_s: float = 30.0) -> None:
        """Wait until the application has finished with the request."""
        async with asyncio.timeout(timeout_s):
            await self.task
