"""`ModelOffices`: the `TicketOffice` of each model, and which model's chunks another one decodes."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import structlog

from deployments.coordinator.dispatcher import TicketOffice
from deployments.coordinator.options import CoordinatorOptions
from deployments.ports import TranscriberPort
from deployments.telemetry.counters import CoordinatorMetrics
from pipelines.models.routing import ModelRoute, misfit
from pipelines.scheduling.work_item import WorkItem

DEFAULT_TICKETS = 16

log = structlog.get_logger()


class ModelOffices(Mapping[str, TicketOffice]):
    """Offices by model. Belongs to one event loop."""

    def __init__(
        self,
        transcribers: Mapping[str, TranscriberPort],
        options: CoordinatorOptions,
        measures: CoordinatorMetrics,
        *,
        give_up: Callable[[str, WorkItem, str], None],
    ) -> None:
        """``give_up(model, item, why)`` is called for an item whose attempts by a model are used up."""
        self._options = options
        self._measures = measures
        self._asked: Sequence[ModelRoute] = ()
        self._routes: Sequence[ModelRoute] = ()
        self._offices = {
            model: TicketOffice(
                model,
                transcriber,
                give_up=functools.partial(give_up, model),
                max_tickets=options.max_tickets.get(model, DEFAULT_TICKETS),
                batch_size=options.batch_size,
                max_attempts=options.max_attempts,
                lanes=options.lanes.get(model, 1),
                pause_s=options.pause_s,
                wait_timeout_s=options.batch_patience_s,
                measures=measures,
            )
            for model, transcriber in transcribers.items()
        }

    def __getitem__(self, model: str) -> TicketOffice:
        return self._offices[model]

    def __iter__(self) -> Iterator[str]:
        return iter(self._offices)

    def __len__(self) -> int:
        return len(self._offices)

    @property
    def backlog_s(self) -> float:
        """Audio seconds that wait or are being transcribed."""
        return sum(office.queue.backlog_s + office.leased_s for office in self.values())

    def follow(self, routes: Sequence[ModelRoute]) -> None:
        """Queue chunks by these routes from now on, as far as both models are there and fit."""
        if routes == self._asked:
            return
        usable = []
        for route in routes:
            why = f"there is no model {route.to!r}" if route.to not in self else ""
            why = why or misfit(self._options.profile_of(route.of), self._options.profile_of(route.to))
            if why:
                log.error("route not followed", action="route", model=route.of, stand_in=route.to, detail=why)
            else:
                log.info("route", action="route", model=route.of, stand_in=route.to, share=route.share)
                usable.append(route)
        self._asked, self._routes = routes, usable

    def route_of(self, model: str) -> ModelRoute | None:
        """Where chunks of jobs for this model go, if anywhere else."""
        return next((route for route in self._routes if route.of == model), None)

    def add(self, model: str, items: Sequence[WorkItem]) -> None:
        """Queue items of jobs for a model, with the one that stands in for it where a route says so."""
        route = self.route_of(model)
        by_model: dict[str, list[WorkItem]] = {}
        for item in items:
            goes = route is not None and route.takes(item.job_id, item.chunk.index)
            by_model.setdefault(route.to if route and goes else model, []).append(item)
        if route:
            self._measures.routed(model, route.to, len(by_model.get(route.to, [])))
        for name, own in by_model.items():
            self[name].add(own)

    def hand_back(self, model: str, item: WorkItem, *, stand_in: str, why: str) -> None:
        """Queue an item that a stand-in has given up with the job's own model, as if nobody had tried."""
        log.warning("stand-in gave up", action="route", job_id=item.job_id, stand_in=stand_in, error=why)
        self._measures.retried(stand_in, "item")
        self[model].add([replace(item, attempt=0, errors=(), alone=False)])

    def drop(self, tenant: str, job_id: str) -> None:
        """Forget a job's items, whoever has them."""
        for office in self.values():
            office.drop(tenant, job_id)

    async def close(self) -> None:
        """Cancel all open tickets."""
        for office in self.values():
            await office.close()
