"""`Dispatchers`: the `Dispatcher` of each model, and which model's chunks another one decodes."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import structlog

from deployments.coordinator.dispatcher import Dispatcher
from deployments.coordinator.options import CoordinatorOptions
from deployments.ports import TranscriberPort
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.models.routing import ModelRoute, misfit
from pipelines.scheduling.work_item import WorkItem

DEFAULT_MAX_PULLS = 16

log = structlog.get_logger()


class Dispatchers(Mapping[str, Dispatcher]):
    """Maps each model to its dispatcher. Belongs to one event loop."""

    def __init__(
        self,
        transcribers: Mapping[str, TranscriberPort],
        options: CoordinatorOptions,
        counters: CoordinatorMetrics,
        *,
        give_up: Callable[[str, WorkItem, str], None],
        lost: Callable[[str, str, WorkItem, str], None],
        expects_more: Callable[[], bool],
    ) -> None:
        """Take ``give_up(model, item, why)``, called for an item whose attempts by a model are used up.

        ``lost(model, pull_id, item, why)`` is called for one whose call ended without its outcome.
        """
        self._options = options
        self._counters = counters
        self._asked: Sequence[ModelRoute] = ()
        self._routes: Sequence[ModelRoute] = ()
        self._dispatchers = {
            model: Dispatcher(
                model,
                transcriber,
                give_up=functools.partial(give_up, model),
                lost=functools.partial(lost, model),
                max_pulls=options.max_pulls.get(model, DEFAULT_MAX_PULLS),
                batch_size=options.batch_size,
                max_attempts=options.max_attempts,
                decode_slots=options.decode_slots.get(model, 1),
                shard=options.shard,
                pause_s=options.pause_s,
                wait_timeout_s=options.batch_patience_s,
                counters=counters,
                expects_more=expects_more,
            )
            for model, transcriber in transcribers.items()
        }

    def __getitem__(self, model: str) -> Dispatcher:
        return self._dispatchers[model]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dispatchers)

    def __len__(self) -> int:
        return len(self._dispatchers)

    @property
    def backlog_s(self) -> float:
        """Audio seconds that wait or are being transcribed."""
        return sum(dispatcher.queue.backlog_s + dispatcher.leased_s for dispatcher in self.values())

    def apply_routes(self, routes: Sequence[ModelRoute]) -> None:
        """Apply these routes to chunks queued from now on, where both models exist and fit."""
        if routes == self._asked:
            return
        usable = []
        for route in routes:
            why = f"there is no model {route.to!r}" if route.to not in self else ""
            why = why or misfit(self._options.profile_of(route.of), self._options.profile_of(route.to))
            if why:
                log.error("route not followed", action="route", model=route.of, canary_model=route.to, detail=why)
            else:
                log.info("route", action="route", model=route.of, canary_model=route.to, share=route.share)
                usable.append(route)
        self._asked, self._routes = routes, usable

    def route_of(self, model: str) -> ModelRoute | None:
        """Return where chunks of jobs for this model go, if anywhere else."""
        return next((route for route in self._routes if route.of == model), None)

    def add(self, model: str, items: Sequence[WorkItem]) -> None:
        """Queue items of jobs for a model, some of them with its canary model where a route says so."""
        route = self.route_of(model)
        by_model: dict[str, list[WorkItem]] = {}
        for item in items:
            goes = route is not None and route.takes(item.job_id, item.chunk.index)
            by_model.setdefault(route.to if route and goes else model, []).append(item)
        if route:
            self._counters.routed(model, route.to, len(by_model.get(route.to, [])))
        for name, own in by_model.items():
            self[name].add(own)

    def hand_back(self, model: str, item: WorkItem, *, canary_model: str, why: str) -> None:
        """Queue an item that the canary model gave up with the job's own model, its attempts counted anew."""
        log.warning("canary model gave up", action="route", job_id=item.job_id, canary_model=canary_model, error=why)
        self._counters.retried(canary_model, "item")
        self[model].add([replace(item, attempt=0, errors=(), alone=False)])

    def promote(self, tenant: str, job_id: str) -> None:
        """Queue an economy job's items as standard ones from now on."""
        for dispatcher in self.values():
            dispatcher.queue.promote(tenant, job_id)

    def drop(self, tenant: str, job_id: str) -> None:
        """Forget a job's items, queued or leased, at every model."""
        for dispatcher in self.values():
            dispatcher.drop(tenant, job_id)

    async def close(self) -> None:
        """Cancel all open pulls."""
        for dispatcher in self.values():
            await dispatcher.close()
