"""Rows of the audit log, inside the caller's transaction.

A tenant's head is locked before anything is entered, and last of all rows: two writers cannot wait for each other.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from pipelines.audit import AuditAction, AuditEntry, AuditHead, Deed, ObjectKind, chain
from pipelines.ledger.rows import filled
from pipelines.ledger.rules import storable
from pipelines.ledger.schema import audit_entries, audit_heads


def lock_head(connection: Connection, tenant: str) -> AuditHead:
    """Lock a tenant's head and return it; who else enters deeds of the tenant, or begins an erasure, waits."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    first = dialect.insert(audit_heads).values(tenant=storable(tenant), **vars(AuditHead()))
    connection.execute(first.on_conflict_do_nothing())
    query = select(audit_heads).where(audit_heads.c.tenant == storable(tenant)).with_for_update()
    return filled(AuditHead, connection.execute(query).one())


def enter(connection: Connection, deeds: Sequence[Deed], now_s: float) -> None:
    """Enter deeds, those of a tenant in their order."""
    for tenant, own in groupby(sorted(deeds, key=_tenant), key=_tenant):
        head = lock_head(connection, tenant)
        entries, head = chain((storable_deed(deed) for deed in own), head, now_s)
        connection.execute(insert(audit_entries), [_columns(entry) for entry in entries])
        place = update(audit_heads).where(audit_heads.c.tenant == storable(tenant))
        connection.execute(place.values(seq=head.seq, digest=head.digest))


def storable_deed(deed: Deed) -> Deed:
    """Return a deed as a database keeps it: its digest is of what is kept."""
    return replace(
        deed,
        tenant=storable(deed.tenant),
        actor=storable(deed.actor),
        object_id=storable(deed.object_id),
        request_id=storable(deed.request_id),
        detail=tuple((name, storable(value) if isinstance(value, str) else value) for name, value in deed.detail),
    )


def entry_of(row: Row[Any]) -> AuditEntry:
    """Return the entry that a row holds."""
    deed = Deed(
        tenant=row.tenant,
        action=AuditAction(row.action),
        actor=row.actor,
        kind=ObjectKind(row.kind),
        object_id=row.object_id,
        request_id=row.request_id,
        detail=tuple((name, value) for name, value in json.loads(row.detail)),
        n_times=row.n_times,
    )
    return AuditEntry(seq=row.seq, at_s=row.at_s, deed=deed, digest=row.digest)


def _tenant(deed: Deed) -> str:
    return deed.tenant


def _columns(entry: AuditEntry) -> dict[str, Any]:
    deed = entry.deed
    return {
        "tenant": deed.tenant,
        "seq": entry.seq,
        "at_s": entry.at_s,
        "action": deed.action.value,
        "actor": deed.actor,
        "kind": deed.kind.value,
        "object_id": deed.object_id,
        "request_id": deed.request_id,
        "detail": json.dumps(deed.detail),
        "n_times": deed.n_times,
        "digest": entry.digest,
    }
