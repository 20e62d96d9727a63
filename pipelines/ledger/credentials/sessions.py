"""Sessions of people who signed in with a browser: what is kept of them, and the store that keeps it.

A session's token is ``ms_<id>_<secret>`` in a cookie; the store holds its SHA-256, never the token. A token is replaced
while it is used: `Session.next_digest` is that of the one offered, which counts from its first use on, for an answer
that carries an offer may be lost. A token that was replaced is good for requests under way, and then for nothing.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipelines.audit import USER, AuditAction, Deed, Doer, ObjectKind

PREFIX = "ms"
_TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{16}})_[A-Za-z0-9_-]{{43}}")


@dataclass(frozen=True, kw_only=True)
class Session:
    """The record of a session; times are Unix seconds.

    ``subject`` is the provider's name of the person, stable and never given to another; ``groups`` are those that the
    provider told at ``checked_at_s``. ``renewal`` is its refresh token, encrypted, and ``provider_session`` its id of
    the session there; both may be empty. ``tenant`` is the one the person works in now.
    """

    id: str
    digest: str
    next_digest: str | None = None
    previous_digest: str | None = None
    subject: str
    name: str
    email: str
    groups: tuple[str, ...]
    tenant: str
    created_at_s: float
    rotated_at_s: float
    seen_at_s: float
    checked_at_s: float
    renewal: str = ""
    provider_session: str = ""


def new_token() -> str:
    """Make a token with an id and 256 random bits."""
    return f"{PREFIX}_{secrets.token_hex(8)}_{secrets.token_urlsafe(32)}"


def successor(token: str, key: bytes) -> str:
    """Return the token that follows another under a secret key: every server offers the same one."""
    follows = hmac.digest(key, token.encode(), "sha256")
    return f"{PREFIX}_{session_id_of(token)}_{urlsafe_b64encode(follows).decode().rstrip('=')}"


def session_id_of(token: str) -> str | None:
    """Return the id within a token; None for what is no token of a session."""
    found = _TOKEN.fullmatch(token)
    return found and found[1]


def session_digest(token: str) -> str:
    """Return the SHA-256 of a token, hex."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def end_deed(session: Session, by: Doer) -> Deed:
    """Return the deed of ending somebody's session, for the audit log of the tenant that they work in."""
    return by.deed(
        AuditAction.END_SESSION,
        tenant=session.tenant,
        kind=ObjectKind.SESSION,
        object_id=session.id,
        detail=(("of", f"{USER}{session.subject}"),),
    )


class SessionStore(Protocol):
    """Sessions, durable. Methods block, are thread-safe and raise `LedgerUnavailable`."""

    def close(self) -> None:
        """Give up all connections."""

    def add(self, session: Session) -> None:
        """Keep a new session."""

    def find(self, session_id: str) -> Session | None:
        """Return the session of that id; None for one that was ended."""

    def list(self) -> Sequence[Session]:
        """Return all sessions, newest first."""

    def end(self, session_id: str) -> bool:
        """Forget a session of somebody who signs out; return whether there was one."""

    def end_for(self, session_id: str, by: Doer, now_s: float) -> bool:
        """Forget somebody else's session, and enter that in the audit log; return whether there was one."""

    def touch(self, session_id: str, now_s: float) -> None:
        """Note that a session is in use."""

    def offer(self, session_id: str, digest: str, next_digest: str) -> None:
        """Note which token is to follow the one with ``digest``; nothing where that is not the session's any more."""

    def rotate(self, session_id: str, digest: str, new_digest: str, now_s: float, tenant: str | None = None) -> bool:
        """Replace a session's token, and its tenant where one is named; return False where ``digest`` is not its."""

    def claim_check(self, session_id: str, checked_at_s: float, now_s: float) -> bool:
        """Note that groups are read anew from now on; return False where another server was first to do so."""

    def renew(
        self,
        session_id: str,
        *,
        checked_at_s: float,
        groups: Sequence[str] | None = None,
        renewal: str | None = None,
    ) -> None:
        """Note when groups were read last, which they are, and how to read them next; None leaves a value."""

    def end_all(self, by: Doer, now_s: float, *, subject: str = "", provider_session: str = "") -> Sequence[Session]:
        """Forget the sessions of a person, of a session at the provider, or of both together; return them.

        Of nobody where neither is named.
        """

    def purge(self, *, created_before_s: float, seen_before_s: float) -> int:
        """Forget sessions that began or were used last before these times; return how many."""
