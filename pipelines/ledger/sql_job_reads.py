"""`SqlJobReads`: reads jobs from the database, for SQLite and PostgreSQL alike."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Select, and_, false, func, literal, or_, select, tuple_

from pipelines.jobs.job import Job, JobState
from pipelines.ledger.database import Database
from pipelines.ledger.job_filter import ALL_JOBS, JobFilter
from pipelines.ledger.protocol import Backlog, JobEvent, JobName, Page, QueuedJobs
from pipelines.ledger.rows import filled, has_prefix, is_economy_row, job_of, known_row, rows_by_id
from pipelines.ledger.rules import check_limit, fold, next_cursor, parse_cursor, storable
from pipelines.ledger.schema import events, jobs, lost_chunks, of_shard, queued, started
from pipelines.scheduling.shards import WHOLE, Shard


class SqlJobReads:
    """Lists, counts and shows jobs for `pipelines.ledger.protocol.Ledger`; `SqlLedger` adds the writes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, tenant: str, job_id: str) -> Job:
        """Return a job; raises `JobUnknown`."""
        with self._database.reading() as connection:
            return job_of(known_row(connection, tenant, job_id))

    def get_many(self, names: Collection[JobName]) -> Mapping[JobName, Job]:
        """Return those of the jobs that exist; see `pipelines.ledger.protocol.Ledger.get_many`."""
        wanted = frozenset(names)
        with self._database.reading() as connection:
            rows = rows_by_id(connection, {storable(job_id) for _, job_id in wanted})
        return {(row.tenant, row.id): job_of(row) for row in rows.values() if (row.tenant, row.id) in wanted}

    def list(
        self, tenant: str | None, wanted: JobFilter = ALL_JOBS, *, limit: int = 50, after: str | None = None
    ) -> Page:
        """Return one page of jobs, newest first; see `pipelines.ledger.protocol.Ledger.list`."""
        query = select(jobs)
        if tenant is not None:
            query = query.where(jobs.c.tenant == tenant)
        if wanted.states:
            query = query.where(jobs.c.state.in_([state.value for state in wanted.states]))
        if wanted.filename_contains:
            query = query.where(jobs.c.filename_folded.contains(fold(wanted.filename_contains), autoescape=True))
        if wanted.external_id:
            query = query.where(jobs.c.external_id == storable(wanted.external_id))
        if wanted.id_prefix:
            query = query.where(has_prefix(jobs.c.id, wanted.id_prefix))
        if wanted.created_from_s is not None:
            query = query.where(jobs.c.created_at_s >= wanted.created_from_s)
        if wanted.created_before_s is not None:
            query = query.where(jobs.c.created_at_s < wanted.created_before_s)
        if wanted.with_failed_chunks:
            query = query.where(lost_chunks())
        return self._page(query, limit, after)

    def changed(self, since_s: Mapping[str, float], *, limit: int, after: str | None = None) -> Page:
        """Return one page of jobs that were written lately; see `pipelines.ledger.protocol.Ledger.changed`."""
        of_tenants = [
            and_(jobs.c.tenant == tenant, jobs.c.updated_at_s >= from_s) for tenant, from_s in since_s.items()
        ]
        return self._page(select(jobs).where(or_(false(), *of_tenants)), limit, after)

    def _page(self, query: Select[Any], limit: int, after: str | None) -> Page:
        check_limit(limit)
        query = query.order_by(jobs.c.created_at_s.desc(), jobs.c.id.desc()).limit(limit + 1)
        if after is not None:
            created_at_s, job_id = parse_cursor(after)
            query = query.where(tuple_(jobs.c.created_at_s, jobs.c.id) < tuple_(literal(created_at_s), literal(job_id)))
        with self._database.reading() as connection:
            rows = connection.execute(query).all()
        found = [job_of(row) for row in rows]  # outside: a transaction that waits for a busy processor is ended
        return Page(jobs=tuple(found[:limit]), next_cursor=next_cursor(found, limit))

    def counts(self, tenant: str | None = None) -> dict[JobState, int]:
        """Count jobs by state; see `pipelines.ledger.protocol.Ledger.counts`."""
        query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        if tenant is not None:
            query = query.where(jobs.c.tenant == tenant)
        with self._database.reading() as connection:
            found = {JobState(state): n for state, n in connection.execute(query)}
        return {state: found.get(state, 0) for state in JobState}

    def counts_by_tenant(self, tenants: Collection[str]) -> dict[str, dict[JobState, int]]:
        """Count several tenants' jobs by state; see `pipelines.ledger.protocol.Ledger.counts_by_tenant`."""
        query = (
            select(jobs.c.tenant, jobs.c.state, func.count())
            .where(jobs.c.tenant.in_(tenants))
            .group_by(jobs.c.tenant, jobs.c.state)
        )
        counts = {tenant: dict.fromkeys(JobState, 0) for tenant in tenants}
        with self._database.reading() as connection:
            for tenant, state, n_jobs in connection.execute(query):
                counts[tenant][JobState(state)] = n_jobs
        return counts

    def queued_jobs(self, shard: Shard = WHOLE) -> tuple[QueuedJobs, ...]:
        """Count waiting jobs; see `pipelines.ledger.protocol.Ledger.queued_jobs`."""
        query = (
            select(jobs.c.tenant, jobs.c.model, func.count().label("n_jobs"))
            .add_columns(func.min(jobs.c.created_at_s).label("oldest_created_at_s"))
            .add_columns(func.count().filter(is_economy_row()).label("n_economy"))
            .where(queued(), *of_shard(shard))
            .group_by(jobs.c.tenant, jobs.c.model)
            .order_by(jobs.c.tenant, jobs.c.model)
        )
        with self._database.reading() as connection:
            return tuple(filled(QueuedJobs, row) for row in connection.execute(query))

    def backlog(self, tenant: str | None) -> Backlog:
        """Sum up a tenant's jobs (everybody's for None) that have not ended."""
        query = select(func.count(), func.coalesce(func.sum(jobs.c.audio_s - jobs.c.done_s), 0.0)).where(
            or_(queued(), started())
            if tenant is None
            else and_(jobs.c.tenant == tenant, jobs.c.state.in_([state.value for state in JobState if not state.final]))
        )
        with self._database.reading() as connection:
            n_jobs, audio_s = connection.execute(query).one()
        return Backlog(n_jobs=n_jobs, audio_s=max(0.0, audio_s))

    def same_content(self, tenant: str, content_key: str) -> Job | None:
        """Find an earlier job; see `pipelines.ledger.protocol.Ledger.same_content`."""
        query = (
            select(jobs)
            .where(jobs.c.tenant == tenant, jobs.c.content_key == content_key, jobs.c.state == JobState.SUCCEEDED.value)
            .order_by(jobs.c.created_at_s.desc(), jobs.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else job_of(row)

    def events(self, tenant: str, job_id: str) -> Sequence[JobEvent]:
        """Return a job's history, oldest first; raises `JobUnknown`."""
        query = select(events).where(events.c.job_id == job_id).order_by(events.c.seq)
        with self._database.reading() as connection:
            known_row(connection, tenant, job_id)
            return [filled(JobEvent, row) for row in connection.execute(query)]
