"""The Coordinators' leases in the ledger's database, one for each shard, inside the caller's transaction.

They are taken one at a time: the row of the only shard's lease, `COORDINATOR`, is locked first. A fence is higher than
all before it, whichever shard's they were.
"""

import re
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from pipelines.errors import Fenced
from pipelines.ledger.protocol import Lease
from pipelines.ledger.schema import COORDINATOR, leases
from pipelines.scheduling.shards import WHOLE, Shard

_FENCE = select(leases.c.fence).where(leases.c.name == bindparam("lease_name")).with_for_update(read=True)
_TURN = select(leases.c.name).where(leases.c.name == COORDINATOR).with_for_update()
_NAME = re.compile(rf"{COORDINATOR}-(\d+)-of-(\d+)")


def lease_name(shard: Shard) -> str:
    """Return the name of a shard's lease."""
    return COORDINATOR if shard.is_whole else f"{COORDINATOR}-{shard.index}-of-{shard.count}"


def require_fence(connection: Connection, lease: Lease) -> None:
    """Raise `Fenced` unless the lease is the newest; on PostgreSQL nobody can acquire until the transaction ends."""
    if connection.execute(_FENCE, {"lease_name": lease_name(lease.shard)}).scalar_one_or_none() != lease.fence:
        raise fenced(lease)


def fenced(lease: Lease) -> Fenced:
    """Return the error that makes a Coordinator stop."""
    return Fenced(f"fence {lease.fence} of {lease.owner} is not the newest")


def take_lease(connection: Connection, owner: str, ttl_s: float, shard: Shard, now_s: float) -> Lease | None:
    """Take a shard's lease under a new fence; see `pipelines.ledger.protocol.Ledger.acquire_lease`.

    Leases of other numbers of shards that a job may belong to are fenced out with it.
    """
    connection.execute(_TURN).one()
    names = [name for name in connection.scalars(select(leases.c.name)) if _overlaps(name, shard)]
    rows = connection.execute(select(leases).where(leases.c.name.in_(names)).order_by(leases.c.name).with_for_update())
    if any(_is_held(row, owner, now_s) for row in rows):
        return None
    highest: int = connection.execute(select(func.max(leases.c.fence))).scalar_one()
    lease = Lease(owner=owner, fence=highest + 1, ttl_s=ttl_s, expires_at_s=now_s + ttl_s, shard=shard)
    name = lease_name(shard)
    # A fence that belongs to another name: whoever holds the old one is refused.
    gone = {"owner": "", "fence": lease.fence, "expires_at_s": 0.0}
    connection.execute(update(leases).where(leases.c.name.in_(names), leases.c.name != name).values(gone))
    held = {"owner": owner, "fence": lease.fence, "expires_at_s": lease.expires_at_s}
    if name in names:
        connection.execute(update(leases).where(leases.c.name == name).values(held))
    else:
        connection.execute(insert(leases).values(name=name, **held))
    return lease


def set_expiry(connection: Connection, lease: Lease, expires_at_s: float) -> bool:
    """Set when a lease ends, Unix seconds; False where it was lost."""
    held = update(leases).where(leases.c.name == lease_name(lease.shard), leases.c.fence == lease.fence)
    return connection.execute(held.values(expires_at_s=expires_at_s)).rowcount == 1


def _is_held(row: Row[Any], owner: str, now_s: float) -> bool:
    return bool(row.expires_at_s > now_s and row.owner != owner)


def _overlaps(name: str, shard: Shard) -> bool:
    """Return whether a row is the lease of this shard, or of one of another number that shares jobs with it."""
    match = _NAME.fullmatch(name)
    if match is None:
        return name == COORDINATOR and WHOLE.overlaps(shard)
    return Shard(int(match[1]), int(match[2])).overlaps(shard)
