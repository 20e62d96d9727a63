"""Versions of corrected transcripts in the ledger's database: `SqlCorrections`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, bindparam, insert, select

from pipelines.audit import Deed
from pipelines.ledger.database import Database
from pipelines.ledger.index.search_rows import mark
from pipelines.ledger.keeping.audit_rows import enter
from pipelines.ledger.protocol import Clock
from pipelines.ledger.rows import enter_event, filled, known_row
from pipelines.ledger.rules import storable
from pipelines.ledger.schema import corrections
from pipelines.transcript.corrections import Correction, judge_correction

_OF_JOBS = (
    select(corrections)
    .where(corrections.c.job_id.in_(bindparam("ids", expanding=True)))
    .order_by(corrections.c.job_id, corrections.c.version)
)


class SqlCorrections:
    """Implements `pipelines.transcript.corrections.CorrectionRepository` by SQL; ``clock`` gives Unix seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def add(self, tenant: str, job_id: str, correction: Correction, deed: Deed | None = None) -> Correction:
        """Make a version count; see `pipelines.transcript.corrections.CorrectionRepository.add`."""
        now_s = self._clock()
        with self._database.writing() as connection:
            known_row(connection, tenant, job_id, lock=True)
            same = judge_correction(_of_job(connection, job_id), correction, job_id)
            if same is not None:
                return same
            kept = replace(correction, at_s=now_s, author=storable(correction.author), note=storable(correction.note))
            connection.execute(insert(corrections), [vars(kept) | {"job_id": job_id}])
            enter_event(connection, job_id, now_s, "corrected", f"version {kept.version}")
            mark(connection, [job_id], now_s)
            if deed is not None:
                enter(connection, [deed], now_s)
            return kept

    def of_job(self, tenant: str, job_id: str) -> Sequence[Correction]:
        """Return a job's versions, oldest first; raises `JobUnknown`."""
        with self._database.reading() as connection:
            known_row(connection, tenant, job_id)
            return _of_job(connection, job_id)

    def newest(self, job_ids: Collection[str]) -> Mapping[str, Correction]:
        """Return the newest version of each job that has one, by its id."""
        with self._database.reading() as connection:
            rows = connection.execute(_OF_JOBS, {"ids": list(job_ids)})
            return {row.job_id: filled(Correction, row) for row in rows}  # the last of each job stays


def _of_job(connection: Connection, job_id: str) -> list[Correction]:
    query = select(corrections).where(corrections.c.job_id == job_id).order_by(corrections.c.version)
    return [filled(Correction, row) for row in connection.execute(query)]
