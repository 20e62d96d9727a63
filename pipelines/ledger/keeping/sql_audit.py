"""The audit log in the ledger's database: `SqlAudit`."""

from collections.abc import Sequence

from sqlalchemy import delete, func, select, update

from pipelines.audit import ALL_ENTRIES, AuditEntry, AuditFilter, AuditHead, AuditPage, Deed
from pipelines.ledger.database import Database
from pipelines.ledger.keeping.audit_rows import enter, entry_of, lock_head
from pipelines.ledger.protocol import Clock
from pipelines.ledger.rows import filled
from pipelines.ledger.rules import check_limit, parse_number, storable
from pipelines.ledger.schema import audit_entries, audit_heads


class SqlAudit:
    """Implements `pipelines.audit.AuditLog` by SQL; ``clock`` gives Unix seconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def append(self, deeds: Sequence[Deed]) -> None:
        """Enter deeds in one transaction, in their order."""
        if deeds:
            with self._database.writing() as connection:
                enter(connection, deeds, self._clock())

    def list(
        self, tenant: str, wanted: AuditFilter = ALL_ENTRIES, *, limit: int = 50, after: str | None = None
    ) -> AuditPage:
        """Return one page of entries, newest first; see `pipelines.audit.AuditLog.list`."""
        check_limit(limit)
        entry = audit_entries.c
        query = select(audit_entries).where(entry.tenant == storable(tenant))
        if wanted.action is not None:
            query = query.where(entry.action == wanted.action.value)
        if wanted.actor is not None:
            query = query.where(entry.actor == storable(wanted.actor))
        if wanted.object_id:
            query = query.where(entry.object_id == storable(wanted.object_id))
        if wanted.from_s is not None:
            query = query.where(entry.at_s >= wanted.from_s)
        if wanted.before_s is not None:
            query = query.where(entry.at_s < wanted.before_s)
        if after is not None:
            query = query.where(entry.seq < parse_number(after))
        with self._database.reading() as connection:
            found = [entry_of(row) for row in connection.execute(query.order_by(entry.seq.desc()).limit(limit + 1))]
        shown = found[:limit]
        return AuditPage(entries=tuple(shown), next_cursor=str(shown[-1].seq) if len(found) > limit else None)

    def walk(self, tenant: str, *, after_seq: int = 0, limit: int = 1000) -> Sequence[AuditEntry]:
        """Return a tenant's entries after a number, oldest first."""
        entry = audit_entries.c
        query = select(audit_entries).where(entry.tenant == storable(tenant), entry.seq > after_seq)
        with self._database.reading() as connection:
            return [entry_of(row) for row in connection.execute(query.order_by(entry.seq).limit(limit))]

    def head(self, tenant: str) -> AuditHead:
        """Return the ends of a tenant's log."""
        query = select(audit_heads).where(audit_heads.c.tenant == storable(tenant))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
            return filled(AuditHead, row) if row else AuditHead()

    def prune(self, before_s: float) -> int:
        """Remove old entries; see `pipelines.audit.AuditLog.prune`."""
        n_removed = 0
        entry = audit_entries.c
        with self._database.reading() as connection:
            tenants = list(connection.scalars(select(entry.tenant).where(entry.at_s < before_s).distinct()))
        for tenant in sorted(tenants):
            own = entry.tenant == tenant
            with self._database.writing() as connection:
                head = lock_head(connection, tenant)
                first_kept = select(func.min(entry.seq)).where(own, entry.at_s >= before_s)
                kept = connection.execute(first_kept).scalar_one()
                last = head.seq if kept is None else kept - 1
                if last <= head.pruned_seq:
                    continue
                digest = connection.execute(select(entry.digest).where(own, entry.seq == last)).scalar_one_or_none()
                if digest is None:
                    continue  # the chain is broken there: `check` tells
                n_removed += connection.execute(delete(audit_entries).where(own, entry.seq <= last)).rowcount
                ends = update(audit_heads).where(audit_heads.c.tenant == tenant)
                connection.execute(ends.values(pruned_seq=last, pruned_digest=digest))
        return n_removed
