"""The routes that tell what work would take before it is submitted: ``/v1/estimate``, ``/v1/capacity``."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from deployments.http.dependencies import Reader, Writer
from deployments.http.errors.documentation import ESTIMATE, QUERY, documented
from deployments.http.json_bodies import documented_json, json_body
from deployments.intake.backlog_bound import full_backlog
from deployments.schemas.estimates import (
    CAPACITY_PATH,
    ESTIMATE_PATH,
    CapacityBody,
    EstimateRequest,
    ProbeBody,
    RecordingsEstimate,
    done_at,
)
from deployments.schemas.options import Options
from deployments.sources.fetch import check_url
from deployments.tenant.backend import Backend
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.errors import MeetMemoError, ReplicaLost
from pipelines.jobs.batch import Probe

PROBES_AT_ONCE = 4


def estimate_routes(backend: Backend) -> APIRouter:
    """Build the routes."""
    router = APIRouter(tags=["jobs"])
    places = asyncio.Semaphore(PROBES_AT_ONCE)

    async def look(jobs: TenantJobs, source: str) -> Probe:
        async with places:
            try:
                return await backend.coordinator_client.probe(jobs.tenant, source)
            except MeetMemoError as error:
                return Probe(audio_s=None, detail=f"{error.reason}: {error}")

    @router.post(
        ESTIMATE_PATH,
        summary="Estimate what recordings would take",
        description=(
            "Hours, seconds until they are done at what the cluster has to do now, and the price by hours of audio and "
            "by measured time of the device. Nothing is submitted. A recording of several channels that are "
            "transcribed each on its own (`channels=split`) counts once for each: give its length so often."
        ),
        openapi_extra=documented_json(EstimateRequest),
        responses=documented(*ESTIMATE),
    )
    async def estimate(
        jobs: Writer, wanted: Annotated[EstimateRequest, Depends(json_body(EstimateRequest))]
    ) -> RecordingsEstimate:
        options = await jobs.policy.check(Options.parse(wanted.options))
        for source in wanted.sources:
            check_url(source, backend.limits.sources, jobs.tenant)
        probes = await asyncio.gather(*(look(jobs, source) for source in wanted.sources))
        known = [*wanted.audio_s, *(probe.audio_s for probe in probes if probe.audio_s is not None)]
        n_unreadable = sum(bool(probe.detail) for probe in probes)
        economy, audio_s = options.priority_class == "economy", sum(known)
        found = await backend.coordinator_client.estimate(
            tenant=jobs.tenant, model=options.model, audio_s=audio_s, economy=economy
        )
        return RecordingsEstimate.of(
            found,
            backend.prices,
            audio_s=audio_s,
            economy=economy,
            n_probed=len(known),
            n_unknown=len(probes) - n_unreadable - (len(known) - len(wanted.audio_s)),
            n_unreadable=n_unreadable,
            model=options.model,
            priority_class=options.priority_class,
            done_at=done_at(backend.intake.clock(), found.wall_s if found else None),
            recordings=[ProbeBody.of(source, probe) for source, probe in zip(wanted.sources, probes, strict=True)],
        )

    @router.get(
        CAPACITY_PATH,
        summary="How much the cluster has to do",
        description="Over all tenants: speed, backlog, free share, and how long a job of `hours` would take.",
        responses=documented(*QUERY),
    )
    async def capacity(
        jobs: Reader,
        hours: Annotated[float, Query(gt=0, le=1_000_000, description="Hours of audio of the job asked about.")] = 1.0,
    ) -> CapacityBody:
        client, model = backend.coordinator_client, backend.policy.default_model
        now, standard, economy = await asyncio.gather(
            client.capacity(),
            client.estimate(tenant=jobs.tenant, model=model, audio_s=hours * 3600, economy=False),
            client.estimate(tenant=jobs.tenant, model=model, audio_s=hours * 3600, economy=True),
        )
        full = await in_thread(full_backlog, backend.ledger, backend.limits.bound)
        if now is None or standard is None or economy is None:
            raise ReplicaLost("The coordinator does not answer; try again in a few seconds.")
        return CapacityBody(
            speed=round(now.speed, 2) if now.speed > 0 else None,
            backlog_audio_h=round(now.backlog_audio_s / 3600, 4),
            n_live_jobs=now.n_live_jobs,
            n_queued_jobs=now.n_queued_jobs,
            free_share=round(now.free_share, 3),
            full=full is not None,
            retry_after_s=full.retry_after_s(now.speed) if full else None,
            hours=hours,
            wall_s=None if standard.wall_s is None else round(standard.wall_s, 1),
            economy_wall_s=None if economy.wall_s is None else round(economy.wall_s, 1),
            typical_error=None if standard.typical_error is None else round(standard.typical_error, 3),
        )

    return router
