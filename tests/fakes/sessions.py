"""`MemorySessions`: a store of sessions that forgets everything."""

from collections.abc import Sequence
from dataclasses import replace

from pipelines.audit import Deed, Doer
from pipelines.errors import LedgerUnavailable
from pipelines.ledger.credentials.sessions import Session, end_deed


class MemorySessions:
    """`SessionStore` in a dict; counts questions, and fails while ``outage`` holds a text."""

    def __init__(self) -> None:
        self.outage = ""
        self.n_finds = 0
        self.kept: dict[str, Session] = {}
        self.entered: list[Deed] = []

    def close(self) -> None:
        """Have nothing to give up."""

    def add(self, session: Session) -> None:
        """Keep a new session."""
        self._check()
        self.kept[session.id] = session

    def find(self, session_id: str) -> Session | None:
        """Return the session of that id."""
        self._check()
        self.n_finds += 1
        return self.kept.get(session_id)

    def list(self) -> Sequence[Session]:
        """Return all sessions, newest first."""
        self._check()
        return sorted(self.kept.values(), key=lambda session: (-session.created_at_s, session.id))

    def end(self, session_id: str) -> bool:
        """Forget a session."""
        self._check()
        return self.kept.pop(session_id, None) is not None

    def end_for(self, session_id: str, by: Doer, now_s: float) -> bool:
        """Forget somebody else's session, and enter that."""
        self._check()
        session = self.kept.pop(session_id, None)
        if session is not None:
            self.entered.append(end_deed(session, by))
        return session is not None

    def touch(self, session_id: str, now_s: float) -> None:
        """Note that a session is in use."""
        self._check()
        if session_id in self.kept:
            self.kept[session_id] = replace(self.kept[session_id], seen_at_s=now_s)

    def offer(self, session_id: str, digest: str, next_digest: str) -> None:
        """Note which token is to follow."""
        self._check()
        session = self.kept.get(session_id)
        if session is not None and session.digest == digest:
            self.kept[session_id] = replace(session, next_digest=next_digest)

    def rotate(self, session_id: str, digest: str, new_digest: str, now_s: float, tenant: str | None = None) -> bool:
        """Replace a session's token."""
        self._check()
        session = self.kept.get(session_id)
        if session is None or session.digest != digest:
            return False
        self.kept[session_id] = replace(
            session,
            digest=new_digest,
            previous_digest=digest,
            next_digest=None,
            rotated_at_s=now_s,
            tenant=session.tenant if tenant is None else tenant,
        )
        return True

    def claim_check(self, session_id: str, checked_at_s: float, now_s: float) -> bool:
        """Note that groups are read anew from now on."""
        self._check()
        session = self.kept.get(session_id)
        if session is None or session.checked_at_s != checked_at_s:
            return False
        self.kept[session_id] = replace(session, checked_at_s=now_s)
        return True

    def renew(
        self,
        session_id: str,
        *,
        checked_at_s: float,
        groups: Sequence[str] | None = None,
        renewal: str | None = None,
    ) -> None:
        """Note when groups were read last, which they are, and how to read them next."""
        self._check()
        session = self.kept.get(session_id)
        if session is not None:
            self.kept[session_id] = replace(
                session,
                checked_at_s=checked_at_s,
                groups=session.groups if groups is None else tuple(groups),
                renewal=session.renewal if renewal is None else renewal,
            )

    def end_all(self, by: Doer, now_s: float, *, subject: str = "", provider_session: str = "") -> Sequence[Session]:
        """Forget the sessions of a person, or of a session at the provider."""
        self._check()
        if not subject and not provider_session:
            return []
        found = [
            session
            for session in self.kept.values()
            if subject in ("", session.subject) and provider_session in ("", session.provider_session)
        ]
        for session in found:
            del self.kept[session.id]
            self.entered.append(end_deed(session, by))
        return found

    def purge(self, *, created_before_s: float, seen_before_s: float) -> int:
        """Forget sessions that are over."""
        self._check()
        over = [
            session.id
            for session in self.kept.values()
            if session.created_at_s < created_before_s or session.seen_at_s < seen_before_s
        ]
        for session_id in over:
            del self.kept[session_id]
        return len(over)

    def _check(self) -> None:
        if self.outage:
            raise LedgerUnavailable(self.outage)
