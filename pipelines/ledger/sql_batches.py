"""`SqlBatches`: batches in the ledger's database, where their jobs are."""

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipelines.codec import decode, encode
from pipelines.core import BlobRef
from pipelines.errors import IdempotencyConflict, IllegalTransition, LedgerError, LedgerUnavailable, NotFound
from pipelines.jobs.batch import Batch, BatchCounts, BatchState, Entry, EntryState, Probe, moved
from pipelines.jobs.job import Job, JobOptions, JobState
from pipelines.jobs.reference import NO_REFERENCE, Reference
from pipelines.ledger.database import Database
from pipelines.ledger.protocol import Clock, Lease, NewJob
from pipelines.ledger.rows import filled, has_prefix, insert_new, job_of
from pipelines.ledger.rules import storable, storable_reference
from pipelines.ledger.schema import batch_entries, batches, jobs, probing
from pipelines.ledger.sql_leases import require_fence
from pipelines.storage.layout import JobKeys

_ROWS_PER_INSERT = 1_000
_LIVE = [state.value for state in JobState if not state.final]
_RETRIED = [JobState.FAILED.value, JobState.CANCELLED.value]


def blank_entries(connection: Connection, job: Job) -> None:
    """Leave of the entries that became a job only their numbers and states: the job is erased."""
    words = {"source": "", "filename": "", "custom_id": "", "detail": ""}
    connection.execute(
        update(batch_entries)
        .where(batch_entries.c.job_id == job.id)
        .values(
            **words,
            options=encode(JobOptions(model=job.options.model)).decode(),
            reference=encode(NO_REFERENCE).decode(),
        )
    )


class SqlBatches:
    """Keeps batches in SQLite or PostgreSQL; the ledger brings the tables up to date."""

    def __init__(self, url: str, *, clock: Clock = time.time) -> None:
        self._database = Database(url)
        self._clock = clock

    def create(
        self, batch: Batch, entries: Iterable[Entry], *, key: str | None, fingerprint: str
    ) -> tuple[Batch, bool]:
        """Store a batch with its entries; see `BatchRepository.create`."""
        try:
            with self._database.writing() as connection:
                if key is not None and (known := self._by_key(connection, batch.tenant, key)) is not None:
                    return self._same(known, fingerprint), False
                values = {"idempotency_key": key, "fingerprint": fingerprint}
                connection.execute(insert(batches).values(**_columns(batch), **values))
                rows = (_row_of(batch.id, entry) for entry in entries)
                while some := [*itertools.islice(rows, _ROWS_PER_INSERT)]:
                    connection.execute(insert(batch_entries), some)
                return batch, True
        except IntegrityError:  # another writer used the key after we looked
            with self._database.reading() as connection:
                known = self._by_key(connection, batch.tenant, key)
            if known is None:
                raise LedgerUnavailable("another writer uses the same idempotency key") from None
            return self._same(known, fingerprint), False

    def get(self, tenant: str, batch_id: str) -> Batch:
        """Return a batch; raises `NotFound`."""
        with self._database.reading() as connection:
            return _batch_of(_known(connection, tenant, batch_id))

    def list(self, tenant: str, limit: int, id_prefix: str = "") -> Sequence[Batch]:
        """Return the newest batches whose id begins so."""
        query = select(batches).where(batches.c.tenant == tenant)
        if id_prefix:
            query = query.where(has_prefix(batches.c.id, id_prefix))
        query = query.order_by(batches.c.created_at_s.desc(), batches.c.id.desc()).limit(limit)
        with self._database.reading() as connection:
            return [_batch_of(row) for row in connection.execute(query)]

    def counts(self, tenant: str, batch_id: str) -> BatchCounts:
        """Count what became of a batch's entries; see `BatchRepository.counts`."""
        with self._database.reading() as connection:
            known = _known(connection, tenant, batch_id)
            return _tallies(connection, tenant, [known.id])[known.id]

    def counts_of(self, tenant: str, batch_ids: Collection[str]) -> dict[str, BatchCounts]:
        """Count what became of the entries of several batches; see `BatchRepository.counts_of`."""
        with self._database.reading() as connection:
            return _tallies(connection, tenant, batch_ids)

    def entries(
        self, tenant: str, batch_id: str, *, after: int = -1, limit: int = 500, state: EntryState | None = None
    ) -> Sequence[Entry]:
        """Return entries after a number, with their jobs."""
        entry = batch_entries.c
        query = select(batch_entries).where(entry.batch_id == batch_id, entry.seq > after)
        if state is not None:
            query = query.where(entry.state == state.value)
        with self._database.reading() as connection:
            _known(connection, tenant, batch_id)
            found = [_entry_of(row) for row in connection.execute(query.order_by(entry.seq).limit(limit))]
            ids = [found_entry.job_id for found_entry in found if found_entry.job_id]
            rows = connection.execute(select(jobs).where(jobs.c.id.in_(ids))) if ids else ()
            by_id = {row.id: job_of(row) for row in rows}
        return [replace(entry, job=by_id.get(entry.job_id or "")) for entry in found]

    def change_state(self, tenant: str, batch_id: str, move: str) -> Batch:
        """Pause, resume or cancel; see `BatchRepository.change_state`."""
        with self._database.writing() as connection:
            batch = _batch_of(_known(connection, tenant, batch_id, lock=True))
            after = replace(batch, state=moved(batch.state, move), updated_at_s=self._clock())
            self._write(connection, after)
            if move == "cancel":
                open_ = [EntryState.PENDING.value, EntryState.UPLOADING.value]
                dropping = update(batch_entries).where(batch_entries.c.batch_id == batch_id)
                connection.execute(
                    dropping.where(batch_entries.c.state.in_(open_)).values(state=EntryState.DROPPED.value)
                )
            return after

    def live_jobs(self, tenant: str, batch_id: str) -> Sequence[str]:
        """Return ids of a batch's jobs that have not ended."""
        with self._database.reading() as connection:
            _known(connection, tenant, batch_id)
            return [row.id for row in connection.execute(_jobs_in(batch_id, _LIVE))]

    def retry(self, tenant: str, batch_id: str) -> int:
        """Take entries whose jobs failed or were cancelled on again; see `BatchRepository.retry`."""
        with self._database.writing() as connection:
            batch = _batch_of(_known(connection, tenant, batch_id, lock=True))
            if batch.state not in (BatchState.RUNNING, BatchState.PAUSED):
                raise IllegalTransition(f"A batch that is {batch.state} cannot be retried.")
            ended = _jobs_in(batch_id, _RETRIED)
            again = update(batch_entries).where(batch_entries.c.batch_id == batch_id, batch_entries.c.job_id.in_(ended))
            n_retried = 0
            for uploaded, state in ((True, EntryState.UPLOADING), (False, EntryState.PENDING)):
                source = batch_entries.c.source == "" if uploaded else batch_entries.c.source != ""
                values = {"state": state.value, "job_id": None, "attempt": batch_entries.c.attempt + 1}
                n_retried += connection.execute(again.where(source).values(**values)).rowcount
            self._write(connection, replace(batch, updated_at_s=self._clock()))
            return n_retried

    def attach(self, tenant: str, batch_id: str, seq: int, job_id: str) -> None:
        """Enter the job that an upload became; see `BatchRepository.attach`."""
        with self._database.writing() as connection:
            _known(connection, tenant, batch_id)
            entry = batch_entries.c
            mine = update(batch_entries).where(entry.batch_id == batch_id, entry.seq == seq)
            waiting = mine.where(entry.state == EntryState.UPLOADING.value)
            done = connection.execute(waiting.values(state=EntryState.SUBMITTED.value, job_id=job_id)).rowcount
            held = select(entry.job_id).where(entry.batch_id == batch_id, entry.seq == seq)
            if not done and connection.execute(held).scalar_one_or_none() != job_id:
                raise IllegalTransition(f"Entry {seq} of batch {batch_id} waits for no upload.")

    def emptied(self, updated_before_s: float) -> Sequence[Batch]:
        """Return batches without jobs that nobody touched since; see `BatchRepository.emptied`."""
        entry = batch_entries.c
        mine = entry.batch_id == batches.c.id
        with_job = select(entry.seq).join(jobs, jobs.c.id == entry.job_id).where(mine).exists()
        pending = select(entry.seq).where(mine, entry.state == EntryState.PENDING.value).exists()
        going_on = batches.c.state.in_([BatchState.RUNNING.value, BatchState.PAUSED.value]) & pending
        query = select(batches).where(batches.c.updated_at_s < updated_before_s, ~with_job, ~going_on)
        with self._database.reading() as connection:
            return [_batch_of(row) for row in connection.execute(query.order_by(batches.c.created_at_s))]

    def delete(self, tenant: str, batch_id: str) -> None:
        """Forget a batch and its entries; raises `NotFound`."""
        with self._database.writing() as connection:
            _known(connection, tenant, batch_id, lock=True)
            connection.execute(delete(batches).where(batches.c.id == batch_id))
            self._database.note_deletion(connection)

    def create_jobs(self, lease: Lease, per_batch: int, new_id: Callable[[], str]) -> int:
        """Make jobs of pending entries; see `BatchRepository.create_jobs`."""
        with self._database.reading() as connection:
            ids = [row.id for row in connection.execute(_batches_with_pending()) if lease.shard.owns(row.id)]
        n_made = 0
        for batch_id in ids:
            with suppress(IntegrityError), self._database.writing() as connection:  # a race for an id: the next turn
                require_fence(connection, lease)
                n_made += self._feed_one(connection, batch_id, per_batch, new_id)
        return n_made

    def to_probe(self, limit: int) -> Sequence[tuple[Batch, Entry]]:
        """Return entries of batches that are being probed, and are not yet."""
        entry = batch_entries.c
        joined = batch_entries.join(batches, batches.c.id == entry.batch_id)
        query = select(batch_entries).select_from(joined).where(probing())
        query = query.where(~entry.probed).order_by(batches.c.created_at_s, entry.batch_id, entry.seq)
        with self._database.reading() as connection:
            rows = [*connection.execute(query.limit(limit))]
            wanted = select(batches).where(batches.c.id.in_({row.batch_id for row in rows}))
            by_id = {row.id: _batch_of(row) for row in connection.execute(wanted)} if rows else {}
        return [(by_id[row.batch_id], _entry_of(row)) for row in rows]

    def probed(self, batch_id: str, seq: int, probe: Probe) -> None:
        """Enter what probing found; see `BatchRepository.probed`."""
        entry = batch_entries.c
        with self._database.writing() as connection:
            connection.execute(
                update(batch_entries)
                .where(entry.batch_id == batch_id, entry.seq == seq)
                .values(probed=True, audio_s=probe.audio_s, detail=storable(probe.detail))
            )
            left = select(func.count()).where(entry.batch_id == batch_id, ~entry.probed)
            if connection.execute(left).scalar_one() == 0:
                batch = _batch_of(connection.execute(select(batches).where(batches.c.id == batch_id)).one())
                if batch.state is BatchState.PROBING:
                    after = replace(batch, state=moved(batch.state, "estimate"), updated_at_s=self._clock())
                    self._write(connection, after)

    def close(self) -> None:
        """Give up all connections."""
        self._database.close()

    def _feed_one(self, connection: Connection, batch_id: str, per_batch: int, new_id: Callable[[], str]) -> int:
        row = connection.execute(select(batches).where(batches.c.id == batch_id).with_for_update()).one_or_none()
        if row is None or row.state != BatchState.RUNNING:
            return 0
        n_live = len([*connection.execute(_jobs_in(batch_id, _LIVE))])
        room = per_batch - n_live
        if room <= 0:
            return 0
        entry = batch_entries.c
        waiting = select(batch_entries).where(entry.batch_id == batch_id, entry.state == EntryState.PENDING.value)
        found = [_entry_of(item) for item in connection.execute(waiting.order_by(entry.seq).limit(room))]
        now_s = round(self._clock(), 3)
        made = [(entry_, _job(_batch_of(row), entry_, new_id(), now_s)) for entry_ in found]
        outcomes = insert_new(connection, [NewJob(job=job) for _, job in made], now_s)
        for (entry_, _), outcome in zip(made, outcomes, strict=True):
            mine = update(batch_entries).where(entry.batch_id == batch_id, entry.seq == entry_.seq)
            if isinstance(outcome, LedgerError):  # its external id belongs to another recording
                connection.execute(mine.values(state=EntryState.DROPPED.value, detail=f"{outcome.reason}: {outcome}"))
            else:
                connection.execute(mine.values(state=EntryState.SUBMITTED.value, job_id=outcome[0].id))
        return sum(not isinstance(outcome, LedgerError) and outcome[1] for outcome in outcomes)

    def _write(self, connection: Connection, batch: Batch) -> None:
        connection.execute(update(batches).where(batches.c.id == batch.id).values(**_columns(batch)))

    @staticmethod
    def _by_key(connection: Connection, tenant: str, key: str | None) -> Row[Any] | None:
        query = select(batches).where(batches.c.tenant == tenant, batches.c.idempotency_key == key)
        return connection.execute(query).one_or_none()

    @staticmethod
    def _same(row: Row[Any], fingerprint: str) -> Batch:
        if row.fingerprint != fingerprint:
            raise IdempotencyConflict(f"idempotency key {row.idempotency_key!r} was used for another batch")
        return _batch_of(row)


def _batches_with_pending() -> Select[Any]:
    """Select running batches that have pending entries, oldest first."""
    pending = select(batch_entries.c.batch_id).where(batch_entries.c.state == EntryState.PENDING.value).distinct()
    query = select(batches.c.id).where(batches.c.state == BatchState.RUNNING.value, batches.c.id.in_(pending))
    return query.order_by(batches.c.created_at_s, batches.c.id)


def _tallies(connection: Connection, tenant: str, batch_ids: Collection[str]) -> dict[str, BatchCounts]:
    entry = batch_entries.c
    query = (
        select(
            batches.c.id,
            entry.state,
            jobs.c.state.label("job_state"),
            func.count(entry.seq).label("n"),
            func.coalesce(func.sum(jobs.c.audio_s), 0.0).label("audio_s"),
            func.coalesce(func.sum(jobs.c.done_s), 0.0).label("done_s"),
            func.coalesce(func.sum(entry.audio_s), 0.0).label("probed_s"),
            func.count(entry.audio_s).label("n_probed"),
            func.count(case((_of_unknown_length(), 1))).label("n_unknown"),
            func.count(func.nullif(entry.detail, "")).label("n_unreadable"),
        )
        .select_from(
            batches.outerjoin(batch_entries, entry.batch_id == batches.c.id).outerjoin(jobs, jobs.c.id == entry.job_id)
        )
        .where(batches.c.tenant == tenant, batches.c.id.in_(batch_ids))
        .group_by(batches.c.id, entry.state, jobs.c.state)
    )
    found: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(query):
        found.setdefault(row.id, []).append(row)
    return {batch_id: _tally_of([row for row in rows if row.n]) for batch_id, rows in found.items()}


def _of_unknown_length() -> ColumnElement[bool]:
    """Say of an entry that its recording was probed, and does not say how long it is."""
    entry = batch_entries.c
    return and_(entry.source != "", entry.probed, entry.audio_s.is_(None), entry.detail == "")


def _tally_of(rows: Sequence[Row[Any]]) -> BatchCounts:
    submitted = [row for row in rows if row.state == EntryState.SUBMITTED]
    return BatchCounts(
        entries={EntryState(row.state): row.n for row in rows if row.state != EntryState.SUBMITTED},
        jobs={JobState(row.job_state): row.n for row in submitted if row.job_state},
        gone=sum(row.n for row in submitted if not row.job_state),
        audio_s=sum(row.audio_s for row in submitted),
        done_s=sum(row.done_s for row in submitted),
        probed_s=sum(row.probed_s for row in rows),
        n_probed=sum(row.n_probed for row in rows),
        n_unknown=sum(row.n_unknown for row in rows),
        n_unreadable=sum(row.n_unreadable for row in rows),
    )


def _jobs_in(batch_id: str, states: Sequence[str]) -> Select[tuple[str]]:
    joined = batch_entries.join(jobs, jobs.c.id == batch_entries.c.job_id)
    return select(jobs.c.id).select_from(joined).where(batch_entries.c.batch_id == batch_id, jobs.c.state.in_(states))


def _known(connection: Connection, tenant: str, batch_id: str, *, lock: bool = False) -> Row[Any]:
    query = select(batches).where(batches.c.tenant == storable(tenant), batches.c.id == storable(batch_id))
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFound(f"There is no batch {batch_id}.")
    return row


def _columns(batch: Batch) -> dict[str, Any]:
    return vars(batch) | {"name": storable(batch.name), "state": batch.state.value}


def _batch_of(row: Row[Any]) -> Batch:
    return filled(Batch, row, state=BatchState(row.state))


def _row_of(batch_id: str, entry: Entry) -> dict[str, Any]:
    return {
        "batch_id": batch_id,
        "seq": entry.seq,
        "source": storable(entry.source),
        "filename": storable(entry.filename),
        "custom_id": storable(entry.custom_id),
        "options": encode(entry.options).decode(),
        "reference": encode(storable_reference(entry.reference)).decode(),
        "state": (EntryState.PENDING if entry.source else EntryState.UPLOADING).value,
        "attempt": 0,
        "probed": not entry.source,
        "detail": "",
    }


def _entry_of(row: Row[Any]) -> Entry:
    options, reference = decode(JobOptions, row.options), decode(Reference, row.reference)
    return filled(Entry, row, options=options, reference=reference, state=EntryState(row.state))


def _job(batch: Batch, entry: Entry, job_id: str, now_s: float) -> Job:
    return Job(
        id=job_id,
        tenant=batch.tenant,
        options=entry.options,
        source=BlobRef(key=JobKeys(tenant=batch.tenant, job_id=job_id).source, n_bytes=0),
        filename=entry.filename,
        source_url=entry.source,
        reference=entry.reference,
        created_at_s=now_s,
        updated_at_s=now_s,
        request_id=batch.request_id,
        traceparent=batch.traceparent,
    )
