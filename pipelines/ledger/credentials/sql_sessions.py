"""Sessions in the ledger's database: `SqlSessions`, for SQLite and PostgreSQL alike."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, delete, insert, or_, select, update

from pipelines.audit import Doer
from pipelines.ledger.credentials.sessions import Session, end_deed
from pipelines.ledger.database import Database
from pipelines.ledger.keeping.audit_rows import enter
from pipelines.ledger.rows import filled
from pipelines.ledger.rules import storable
from pipelines.ledger.schema import sessions


class SqlSessions:
    """Implements `pipelines.ledger.credentials.sessions.SessionStore`; the ledger's migrations create the table."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def close(self) -> None:
        """Give up all connections."""
        self._database.close()

    def add(self, session: Session) -> None:
        """Keep a new session."""
        texts = {name: storable(getattr(session, name)) for name in ("subject", "name", "email", "provider_session")}
        row = vars(session) | texts | {"groups": storable(json.dumps(session.groups))}
        with self._database.writing() as connection:
            connection.execute(insert(sessions), [row])

    def find(self, session_id: str) -> Session | None:
        """Return the session of that id."""
        with self._database.reading() as connection:
            row = connection.execute(select(sessions).where(sessions.c.id == session_id)).one_or_none()
        return None if row is None else _session_of(row)

    def list(self) -> Sequence[Session]:
        """Return all sessions, newest first."""
        query = select(sessions).order_by(sessions.c.created_at_s.desc(), sessions.c.id)
        with self._database.reading() as connection:
            return [_session_of(row) for row in connection.execute(query)]

    def end(self, session_id: str) -> bool:
        """Forget a session."""
        with self._database.writing() as connection:
            return connection.execute(delete(sessions).where(sessions.c.id == session_id)).rowcount > 0

    def end_for(self, session_id: str, by: Doer, now_s: float) -> bool:
        """Forget somebody else's session, and enter that."""
        own = sessions.c.id == session_id
        with self._database.writing() as connection:
            row = connection.execute(select(sessions).where(own).with_for_update()).one_or_none()
            if row is None:
                return False
            connection.execute(delete(sessions).where(own))
            enter(connection, [end_deed(_session_of(row), by)], now_s)
            return True

    def touch(self, session_id: str, now_s: float) -> None:
        """Note that a session is in use."""
        with self._database.writing() as connection:
            connection.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at_s=now_s))

    def offer(self, session_id: str, digest: str, next_digest: str) -> None:
        """Note which token is to follow."""
        mine = update(sessions).where(sessions.c.id == session_id, sessions.c.digest == digest)
        with self._database.writing() as connection:
            connection.execute(mine.values(next_digest=next_digest))

    def rotate(self, session_id: str, digest: str, new_digest: str, now_s: float, tenant: str | None = None) -> bool:
        """Replace a session's token."""
        mine = update(sessions).where(sessions.c.id == session_id, sessions.c.digest == digest)
        values = {
            "digest": new_digest,
            "previous_digest": digest,
            "next_digest": None,
            "rotated_at_s": now_s,
            **({} if tenant is None else {"tenant": tenant}),
        }
        with self._database.writing() as connection:
            return connection.execute(mine.values(**values)).rowcount > 0

    def claim_check(self, session_id: str, checked_at_s: float, now_s: float) -> bool:
        """Note that groups are read anew from now on."""
        mine = update(sessions).where(sessions.c.id == session_id, sessions.c.checked_at_s == checked_at_s)
        with self._database.writing() as connection:
            return connection.execute(mine.values(checked_at_s=now_s)).rowcount > 0

    def renew(
        self,
        session_id: str,
        *,
        checked_at_s: float,
        groups: Sequence[str] | None = None,
        renewal: str | None = None,
    ) -> None:
        """Note when groups were read last, which they are, and how to read them next."""
        values: dict[str, Any] = {"checked_at_s": checked_at_s}
        if groups is not None:
            values["groups"] = storable(json.dumps(list(groups)))
        if renewal is not None:
            values["renewal"] = renewal
        with self._database.writing() as connection:
            connection.execute(update(sessions).where(sessions.c.id == session_id).values(**values))

    def end_all(self, by: Doer, now_s: float, *, subject: str = "", provider_session: str = "") -> Sequence[Session]:
        """Forget the sessions of a person, or of a session at the provider."""
        named = {"subject": storable(subject), "provider_session": storable(provider_session)}
        wanted = [sessions.c[name] == value for name, value in named.items() if value]
        if not wanted:
            return []
        with self._database.writing() as connection:
            found = [_session_of(row) for row in connection.execute(select(sessions).where(*wanted).with_for_update())]
            connection.execute(delete(sessions).where(sessions.c.id.in_([session.id for session in found])))
            enter(connection, [end_deed(session, by) for session in found], now_s)
        return found

    def purge(self, *, created_before_s: float, seen_before_s: float) -> int:
        """Forget sessions that are over."""
        over = or_(sessions.c.created_at_s < created_before_s, sessions.c.seen_at_s < seen_before_s)
        with self._database.writing() as connection:
            return connection.execute(delete(sessions).where(over)).rowcount


def _session_of(row: Row[Any]) -> Session:
    return filled(Session, row, groups=tuple(json.loads(row.groups)))
