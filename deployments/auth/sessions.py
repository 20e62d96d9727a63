"""`Sessions`: begins, recognises, rotates and ends the sessions of people who signed in.

A session's token is replaced every `ROTATE_S` seconds of use and whenever its tenant changes. One that was replaced is
good for `GRACE_S` seconds more; after that it was copied, or its holder lost an answer, and the session is over.
Roles are those of the settings now, for the groups that the provider told last: they are read anew once in
`SessionRules.groups_s`, and a session whose groups cannot be is over then (`deployments.auth.group_renewal`).
"""

import hmac
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread
import structlog

from deployments.auth.authenticators import Principal
from deployments.auth.group_renewal import RETRY_S, GroupRenewal
from deployments.auth.oidc_claims import Person
from deployments.auth.roles import SCOPES, Grants, Role
from pipelines.audit import USER, Doer
from pipelines.errors import (
    Forbidden,
    LedgerUnavailable,
    ProviderUnavailable,
    SignInFailed,
    SignInRefused,
    Unauthenticated,
)
from pipelines.ledger.credentials.sessions import (
    Session,
    SessionStore,
    new_token,
    session_digest,
    session_id_of,
    successor,
)

FRESH_S = 3.0  # a session that was ended elsewhere opens nothing after so long
ROTATE_S = 900.0
GRACE_S = 60.0
TOUCH_INTERVAL_S = 60.0
MAX_CACHED = 10_000
MAX_LOOKUPS = 4

log = structlog.get_logger(__name__)
T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


@dataclass(frozen=True, kw_only=True)
class SessionRules:
    """How long sessions last and groups count, in seconds, and the words for people who have no role anywhere."""

    lifetime_s: float
    idle_s: float
    groups_s: float
    refusal: str


@dataclass(frozen=True, kw_only=True)
class SignedIn:
    """A session as its requests see it; ``offered`` is the token that the browser takes from now on, None: its own."""

    session: Session
    memberships: dict[str, Role]
    offered: str | None = None

    @property
    def role(self) -> Role:
        """The role in the tenant that the person works in."""
        return self.memberships[self.session.tenant]

    @property
    def principal(self) -> Principal:
        """What the role allows in that tenant."""
        actor = f"{USER}{self.session.subject}"
        return Principal(
            tenant=self.session.tenant,
            scopes=SCOPES[self.role],
            key_id=actor[:64],
            actor=actor,
            name=self.session.name,
        )


@dataclass(frozen=True, kw_only=True)
class _Known:
    found: SignedIn
    until_s: float  # monotonic


class Sessions:
    """Keeps sessions in a store and asks it about each token once in a few seconds. Belongs to one event loop.

    ``key`` gives the secret that successors are derived with, ``renewal`` the groups of sessions, anew; ``clock`` gives
    Unix seconds.
    """

    def __init__(
        self,
        store: SessionStore,
        grants: Grants,
        rules: SessionRules,
        *,
        key: Callable[[], bytes],
        renewal: GroupRenewal,
        clock: Callable[[], float] = time.time,
        fresh_s: float = FRESH_S,
    ) -> None:
        self.store = store
        self.grants = grants
        self.rules = rules
        self._key = key
        self._renewal = renewal
        self._clock = clock
        self._fresh_s = fresh_s
        self._known: OrderedDict[str, _Known] = OrderedDict()  # by digest
        self._threads = anyio.CapacityLimiter(MAX_LOOKUPS)

    async def begin(self, person: Person, before: str | None) -> str:
        """Begin a session and return its token; the one of the token ``before``, if any, is over.

        Raises `SignInRefused` for somebody without a role, `LedgerUnavailable`.
        """
        groups = self.grants.relevant(person.groups)
        memberships = self.grants.memberships(groups)
        if not memberships:
            log.info("sign-in refused", action="sign_in_refused", subject=person.subject)
            raise SignInRefused(self.rules.refusal)
        token, now_s = new_token(), self._clock()
        session = Session(
            id=str(session_id_of(token)),
            digest=session_digest(token),
            subject=person.subject,
            name=person.name,
            email=person.email,
            groups=groups,
            tenant=next(iter(memberships)),
            created_at_s=now_s,
            rotated_at_s=now_s,
            seen_at_s=now_s,
            checked_at_s=now_s,
            renewal=self._renewal.sealed(person.refresh_token),
            provider_session=person.provider_session,
        )
        await self._in_thread(self._add, session)
        if before is not None:
            await self.end(before)
        log.info("signed in", action="sign_in", actor=f"{USER}{person.subject}", session=session.id)
        return token

    async def find(self, token: str) -> SignedIn:
        """Return the session of a token; raises `Unauthenticated`, `LedgerUnavailable`."""
        digest = session_digest(token)
        known = self._known.get(digest)
        if known is None or time.monotonic() > known.until_s:
            self._known.pop(digest, None)
            found = await self._with_groups(await self._in_thread(self._look_up, token, digest))
            known = _Known(found=found, until_s=time.monotonic() + self._fresh_s)
            self._known[digest] = known
            while len(self._known) > MAX_CACHED:
                self._known.popitem(last=False)
        if self._is_over(known.found.session):
            raise _over()
        return known.found

    async def switch(self, token: str, tenant: str) -> tuple[SignedIn, str]:
        """Go on in another tenant; return the session as it is now, and its new token.

        Raises `Forbidden` for a tenant where the person has no role, `Unauthenticated`.
        """
        found = await self.find(token)
        if tenant not in found.memberships:
            raise Forbidden("You have no role in this tenant.")
        successor_token = successor(token, self._key())
        changed = await self._in_thread(
            self.store.rotate,
            found.session.id,
            session_digest(token),
            session_digest(successor_token),
            self._clock(),
            tenant,
        )
        self._known.pop(session_digest(token), None)
        if not changed:
            raise _over()
        return await self.find(successor_token), successor_token

    async def end(self, token: str) -> Session | None:
        """End the session of a token that is its own; return it, None where there is none."""
        try:
            found = await self.find(token)
        except Unauthenticated:
            return None
        await self._in_thread(self.store.end, found.session.id)
        self._forget(found.session.id)
        return found.session

    async def end_by_id(self, session_id: str, by: Doer) -> bool:
        """End somebody's session; return whether there was one. Other servers notice within a few seconds."""
        ended = await self._in_thread(self.store.end_for, session_id, by, self._clock())
        self._forget(session_id)
        return ended

    def _forget(self, session_id: str) -> None:
        for digest in [digest for digest, known in self._known.items() if known.found.session.id == session_id]:
            del self._known[digest]

    async def end_all(self, by: Doer, *, subject: str = "", provider_session: str = "") -> None:
        """End the sessions of a person, or of their session at the provider."""
        named = {"subject": subject, "provider_session": provider_session}
        for session in await self._in_thread(partial(self.store.end_all, by, self._clock(), **named)):
            self._forget(session.id)

    async def _with_groups(self, found: SignedIn) -> SignedIn:
        """Return the session with groups that are fresh enough; raises `Unauthenticated` where it is over now.

        One server asks the provider; the others go on with the groups that they know.
        """
        session, now_s = found.session, self._clock()
        if now_s - session.checked_at_s < self.rules.groups_s:
            return found
        if not await self._in_thread(self.store.claim_check, session.id, session.checked_at_s, now_s):
            return found
        try:
            person = await self._renewal.person(session.renewal, session.subject)
        except ProviderUnavailable as error:
            log.warning("groups not read", action="session_groups", session=session.id, error=str(error))
            retry = partial(self.store.renew, session.id, checked_at_s=now_s - self.rules.groups_s + RETRY_S)
            await self._in_thread(retry)
            return found
        except (SignInFailed, SignInRefused) as error:
            log.info("groups not told", action="session_groups", session=session.id, error=str(error))
            await self._in_thread(self.store.end, session.id)
            raise _over() from None
        groups = self.grants.relevant(person.groups)
        memberships = self.grants.memberships(groups)
        if session.tenant not in memberships:
            log.info("role taken away", action="session_groups", session=session.id)
            await self._in_thread(self.store.end, session.id)
            raise _role_lost()
        renewal = self._renewal.sealed(person.refresh_token)
        await self._in_thread(partial(self.store.renew, session.id, checked_at_s=now_s, groups=groups, renewal=renewal))
        return replace(found, session=replace(session, groups=groups, checked_at_s=now_s), memberships=memberships)

    def _add(self, session: Session) -> None:
        now_s = self._clock()
        self.store.purge(
            created_before_s=now_s - self.rules.lifetime_s, seen_before_s=now_s - self.rules.idle_s - TOUCH_INTERVAL_S
        )
        self.store.add(session)

    def _look_up(self, token: str, digest: str) -> SignedIn:
        session_id = session_id_of(token)
        session = self.store.find(session_id) if session_id else None
        if session is None or self._is_over(session):
            raise _over()
        now_s = self._clock()
        memberships = self.grants.memberships(session.groups)
        if session.tenant not in memberships:
            raise _role_lost()
        offered = self._judge(session, token, digest, now_s)
        if now_s - session.seen_at_s > TOUCH_INTERVAL_S:
            session = replace(session, seen_at_s=now_s)
            try:
                self.store.touch(session.id, now_s)
            except LedgerUnavailable as error:  # it can be read but not written: that is no reason to refuse
                log.warning("use of a session not noted", action="session_touch", error=str(error))
        return SignedIn(session=session, memberships=memberships, offered=offered)

    def _judge(self, session: Session, token: str, digest: str, now_s: float) -> str | None:
        """Return the token to offer, None while this one is young; raises `Unauthenticated` for one that is not its."""
        if hmac.compare_digest(digest, session.digest):
            if now_s - session.rotated_at_s < ROTATE_S:
                return None
            following = successor(token, self._key())
            if session.next_digest != session_digest(following):
                self.store.offer(session.id, digest, session_digest(following))
            return following
        if session.next_digest and hmac.compare_digest(digest, session.next_digest):
            self.store.rotate(session.id, session.digest, digest, now_s)
            return None
        if session.previous_digest and hmac.compare_digest(digest, session.previous_digest):
            if now_s - session.rotated_at_s <= GRACE_S:
                return None
            self.store.end(session.id)
            log.warning("replaced token used again", action="session_reuse", session=session.id)
        raise _over()

    def _is_over(self, session: Session) -> bool:
        now_s = self._clock()
        # The store hears of use once a minute.
        return (
            now_s - session.created_at_s >= self.rules.lifetime_s
            or now_s - session.seen_at_s >= self.rules.idle_s + TOUCH_INTERVAL_S
        )

    async def _in_thread(self, call: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        return await anyio.to_thread.run_sync(call, *arguments, limiter=self._threads)


def _role_lost() -> Unauthenticated:
    return Unauthenticated("Your role was taken away; sign in again.")


def _over() -> Unauthenticated:
    return Unauthenticated("Your session is over; sign in again.")
