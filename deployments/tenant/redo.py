"""`TenantRedo`: one stage of a tenant's jobs done again; what that takes is told first, where that is wanted.

1. `select` finds the jobs: by id, of a batch, or with hits of a search.
2. `plan` tells what doing the stage again takes of one of them, or raises why it cannot be done.
3. `many` plans all that are selected, makes the jobs unless it is a dry run, and sums up.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deployments.artifacts import job_data
from deployments.artifacts.kept_recording import check_channels, recorded_by
from deployments.intake.redoing import Redoing
from deployments.schemas.estimates import EstimateBody
from deployments.schemas.options import MinutesOverrides, parsed
from deployments.schemas.redo import MAX_JOBS, RedoBody, RedoManyRequest, RedoneBody, RedoRequest, hours
from deployments.schemas.search import SearchQueryFields
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.audit import AuditAction, ObjectKind
from pipelines.errors import (
    AudioGone,
    JobUnknown,
    LedgerUnavailable,
    MeetMemoError,
    NotFound,
    ResultPending,
    StoreUnavailable,
    refused_option,
)
from pipelines.jobs.job import Job
from pipelines.jobs.options import JobOptions, options_of
from pipelines.jobs.prices import Prices
from pipelines.jobs.stages import STAGES, Stage, Work, kept_by
from pipelines.ledger.batch_book import BatchRepository
from pipelines.scheduling.estimate import Estimate
from pipelines.search.protocol import SearchSort
from pipelines.search.query import parse
from pipelines.storage.layout import JobKeys

PLANS_AT_ONCE = 8
MINUTES_DEFAULTS = {
    option.name: option.default for option in options_of() if option.concern == "minutes" and option.name != "minutes"
}
_HITS = 500  # of a search, read at once


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Jobs to do a stage of again, and those that are none; ``next_after`` continues a batch, None at its end."""

    jobs: tuple[Job, ...]
    missing: tuple[str, ...] = ()
    next_after: int | None = None


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What is to be done for a job: its stage again, or nothing because of an error; ``made`` has the new job."""

    job_id: str
    filename: str = ""
    redoing: Redoing | None = None
    error: MeetMemoError | None = None
    made: Job | None = None
    created: bool = False

    def body(self) -> RedoneBody:
        """Show it."""
        redoing = self.redoing if self.error is None else None
        return RedoneBody(
            job_id=self.job_id,
            filename=self.filename,
            work=redoing.work if redoing else None,
            audio_s=round(redoing.audio_s, 3) if redoing else 0.0,
            redo=self.made.id if self.made else None,
            created=self.created,
            reason=self.error.reason if self.error else None,
            detail=str(self.error) if self.error else "",
        )


@dataclass(frozen=True, kw_only=True)
class TenantRedo:
    """Does stages of one tenant's jobs again; ``book`` has its batches, None where there are none."""

    jobs: TenantJobs
    prices: Prices
    book: BatchRepository | None = None

    async def one(self, job_id: str, request: RedoRequest, key: str | None) -> tuple[Job, bool]:
        """Make the job that does a stage of another again; raises what `plan` raises, `Overloaded`, `Draining`."""
        await self.jobs.check_backlog()
        return await self.jobs.redo(await self.plan(await self.jobs.get(job_id), request), key)

    async def estimated(self, job_id: str, request: RedoRequest) -> RedoBody:
        """Tell what doing a stage of one job again would take; raises `JobUnknown`."""
        planned = await self._planned(await self.jobs.get(job_id), request)
        return await self._told(request, [planned], next_after=None)

    async def many(self, request: RedoManyRequest, key: str | None) -> RedoBody:
        """Do a stage of several jobs again, or tell what that would take.

        A job that cannot be done is told with the reason, and costs the others nothing. Each has an idempotency key
        of its own, made of the request's: a repeated request goes on where the first one was interrupted. Raises
        `NotFound` for a batch that is not there, `InvalidOptions` for a search that finds too many, `LedgerUnavailable`
        and `StoreUnavailable`.
        """
        selection = await self.select(request)
        places = asyncio.Semaphore(PLANS_AT_ONCE)

        async def planned(job: Job) -> Planned:
            async with places:
                return await self._planned(job, request)

        found = list(await asyncio.gather(*map(planned, selection.jobs)))
        if not request.dry_run:
            found = await self._made(found, key)
        unknown = (Planned(job_id=each, error=JobUnknown(f"There is no job {each!r}.")) for each in selection.missing)
        return await self._told(request, [*found, *unknown], next_after=selection.next_after)

    async def select(self, request: RedoManyRequest) -> Selection:
        """Return the jobs that a request selects, each once; see `many` for what it raises."""
        if request.jobs is not None:
            names = [(self.jobs.tenant, each) for each in dict.fromkeys(request.jobs)]
            there = await in_thread(self.jobs.ledger.get_many, names)
            missing = tuple(name[1] for name in names if name not in there)
            return Selection(jobs=tuple(there[name] for name in names if name in there), missing=missing)
        if request.batch is not None:
            return await self._of_batch(request.batch, request.after)
        assert request.search is not None
        return Selection(jobs=tuple(await self._found(request.search)))

    async def plan(self, job: Job, request: RedoRequest) -> Redoing:
        """Tell what doing a stage of a job again takes.

        Raises `IllegalTransition` for a job that did not succeed or has no transcript, `AudioGone` where its recording
        is needed and not kept, `NotFound` for no version of its transcript, `ResultPending` for documents of minutes
        that are parked, and what `JobPolicy.check` raises.
        """
        origin = await self.jobs.written(job)
        work = STAGES[request.stage].work
        if request.stage is Stage.MINUTES:
            overrides = parsed(MinutesOverrides, {**request.given(), "version": request.version})
            options = await self.jobs.policy.rewritten(job.options, overrides)
            options = replace(options, recipients=(), zh_script=origin.options.zh_script)
        else:
            options = await self.jobs.policy.redone(await self._options(job, origin, request), work)
        redoing = Redoing(job=job, stage=request.stage, options=options, audio_s=origin.progress.audio_s)
        if work is not Work.DECODE:
            redoing = replace(redoing, corrected=await self.jobs.version_name(origin, request.version))
        if work is Work.NONE:
            redo_of = await in_thread(self._laid_out, job) if request.stage is Stage.DOCUMENTS else ""
            return replace(redoing, minutes_of=origin.id, redo_of=redo_of, recording_of=job.recording_of)
        check_channels(origin)
        recording_of = await in_thread(recorded_by, self.jobs.store, replace(job, minutes_of=origin.id))
        if not recording_of:
            raise AudioGone(f"The recording of job {job.id} is not kept: {request.stage} needs it again.")
        sha256 = origin.source.sha256 if work is Work.DECODE else ""
        return replace(redoing, redo_of=origin.id, recording_of=recording_of, source_sha256=sha256)

    async def _options(self, job: Job, origin: Job, request: RedoRequest) -> JobOptions:
        """Return a job's options with those that were given; the languages stay but where they are the stage."""
        given: dict[str, Any] = request.given()
        if request.stage is Stage.LANGUAGE:
            chosen = given.pop("languages", ())
            language = given.pop("language", None) or (chosen[0] if len(chosen) == 1 else None)
            given |= {"language": language, "languages": () if language else chosen}
        elif request.stage is Stage.WORDS:
            given |= await self._languages(origin)
        elif request.stage is Stage.SPEAKERS:
            given["diarize"] = given.get("diarize") or job.options.diarize or "auto"
            if given["diarize"] == "off":
                raise refused_option("diarize", "the stage speakers tells voices apart")
        elif job.minutes is None or job.minutes.state == "failed":
            given["minutes"] = "none"
        if request.stage is Stage.DOCUMENTS:
            given["translate"] = ()
        options = replace(job.options, **given)
        return options if options.minutes != "none" else _without_minutes(options, request)

    async def _languages(self, origin: Job) -> dict[str, Any]:
        """Return the options by which the languages stay that were found."""
        if origin.options.language:
            return {}
        transcript = await in_thread(job_data.read_transcript, self.jobs.store, origin)
        found = tuple(dict.fromkeys(each.language for each in transcript.languages if each.language))
        if not found:
            return {}
        return {"language": found[0], "languages": ()} if len(found) == 1 else {"languages": found}

    def _laid_out(self, job: Job) -> str:
        """Return the id of a job whose minutes are there, or are not wanted; raises `ResultPending`. Blocks."""
        if job.minutes is not None and job.minutes.state == "parked":
            raise ResultPending(f"Job {job.id} has no minutes yet.")
        if job.minutes is not None and job.minutes.state != "failed":
            keys = JobKeys(tenant=job.tenant, job_id=job.id)
            if not self.jobs.store.exists(keys.result("minutes.json")):
                raise NotFound(f"Job {job.id} has no minutes any more.")
        return job.id

    async def _planned(self, job: Job, request: RedoRequest) -> Planned:
        known = Planned(job_id=job.id, filename=job.filename)
        try:
            return replace(known, redoing=await self.plan(job, request))
        except (LedgerUnavailable, StoreUnavailable):
            raise
        except MeetMemoError as error:
            return replace(known, error=error)

    async def _made(self, planned: Sequence[Planned], key: str | None) -> list[Planned]:
        """Make the jobs; the rest is refused once no more are taken."""
        made: list[Planned] = []
        prefix = f"redo/{hashlib.sha256(key.encode()).hexdigest()[:32]}/" if key else ""
        for each in planned:
            if each.redoing is None:
                made.append(each)
                continue
            try:
                await self.jobs.check_backlog()
                job, created = await self.jobs.redo(each.redoing, f"{prefix}{each.job_id}" if prefix else None)
                made.append(replace(each, made=job, created=created))
            except (LedgerUnavailable, StoreUnavailable):
                raise
            except MeetMemoError as error:
                made.append(replace(each, error=error))
        return made

    async def _told(self, request: RedoRequest, planned: Sequence[Planned], *, next_after: int | None) -> RedoBody:
        done = [each.redoing for each in planned if each.redoing is not None and each.error is None]
        return RedoBody(
            stage=request.stage,
            dry_run=request.dry_run,
            kept=list(kept_by(request.stage)),
            n_jobs=len(planned),
            n_made=sum(each.made is not None for each in planned),
            n_refused=sum(each.error is not None for each in planned),
            n_minutes=sum(each.writes_minutes for each in done),
            heard_h=hours([each.audio_s for each in done if each.work is Work.HEAR]),
            decoded=await self._estimate([each for each in done if each.work is Work.DECODE]),
            jobs=[each.body() for each in planned],
            next_after=next_after,
        )

    async def _estimate(self, decoded: Sequence[Redoing]) -> EstimateBody:
        """Estimate what is decoded, by model and class, as if it were submitted now."""
        lengths_s: defaultdict[tuple[str, bool], float] = defaultdict(float)
        for each in decoded:
            lengths_s[each.options.model, each.options.priority_class == "economy"] += each.audio_s
        parts = [
            EstimateBody.of(
                await self._estimated(model, audio_s, economy),
                self.prices,
                audio_s=audio_s,
                economy=economy,
                n_probed=0,
            )
            for (model, economy), audio_s in (lengths_s or {("", False): 0.0}).items()
        ]
        return EstimateBody(
            audio_h=hours([each.audio_s for each in decoded]),
            n_probed=len(decoded),
            n_unknown=0,
            n_unreadable=0,
            wall_s=_sum(each.wall_s for each in parts),
            cost_usd=_sum(each.cost_usd for each in parts),
            device_s=_sum(each.device_s for each in parts),
            device_cost_usd=_sum(each.device_cost_usd for each in parts),
            typical_error=parts[0].typical_error,
        )

    async def _estimated(self, model: str, audio_s: float, economy: bool) -> Estimate | None:
        if not audio_s:
            return Estimate(wall_s=0.0, device_s=0.0)
        return await self.jobs.coordinator_client.estimate(
            tenant=self.jobs.tenant, model=model, audio_s=audio_s, economy=economy
        )

    async def _of_batch(self, batch_id: str, after: int) -> Selection:
        if self.book is None:
            raise NotFound("There are no batches here.")
        tenant = self.jobs.tenant
        await in_thread(self.book.get, tenant, batch_id)
        entries = await in_thread(self.book.entries, tenant, batch_id, after=after, limit=MAX_JOBS, state=None)
        there = {entry.job.id: entry.job for entry in entries if entry.job}
        next_after = entries[-1].seq if len(entries) == MAX_JOBS else None
        return Selection(jobs=tuple(there.values()), next_after=next_after)

    async def _found(self, query: SearchQueryFields) -> list[Job]:
        """Return the jobs with hits, of versions of one recording the newest; raises `InvalidOptions` for too many."""
        searched = self.jobs.deed(AuditAction.SEARCH, self.jobs.tenant, ObjectKind.TENANT, within="redo")
        await self.jobs.trail.record(searched)
        terms, wanted = parse(query.q), query.to_domain()
        newest: dict[str, Job] = {}
        after: str | None = None
        while True:
            page = await in_thread(
                self.jobs.ledger.search.find,
                self.jobs.tenant,
                terms,
                wanted,
                sort=SearchSort.NEWEST,
                limit=_HITS,
                after=after,
            )
            for hit in page.hits:
                newest.setdefault(_recording(hit.job), hit.job)
            if len(newest) > MAX_JOBS:
                raise refused_option("search", f"more than {MAX_JOBS} recordings are found: narrow it, by date for one")
            after = page.next_cursor
            if after is None:
                return list(newest.values())


def _without_minutes(options: JobOptions, request: RedoRequest) -> JobOptions:
    """Return options in which nothing is said of minutes; raises `InvalidOptions` where the request says something."""
    if said := [name for name in MINUTES_DEFAULTS if request.given().get(name)]:
        raise refused_option(said[0], "there are no minutes")
    return replace(options, **MINUTES_DEFAULTS)


def _recording(job: Job) -> str:
    """Return what all versions of one recording have in common, as far as they say."""
    return job.recording_of or job.minutes_of or job.redo_of or job.replay_of or job.id


def _sum(parts: Iterable[float | None]) -> float | None:
    """Return the sum; None where one part is not known."""
    known = list(parts)
    return None if any(part is None for part in known) else round(sum(part for part in known if part is not None), 4)
