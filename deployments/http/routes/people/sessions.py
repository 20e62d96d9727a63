"""The routes under ``/v1/admin/sessions``: seeing who is signed in, and ending sessions."""

from datetime import UTC, datetime

from fastapi import APIRouter
from pydantic import Field

from deployments.auth.sessions import Sessions
from deployments.http.dependencies import Admin
from deployments.http.errors.documentation import LEDGER, documented
from deployments.schemas.options import ApiModel
from deployments.telemetry.request_context import current_request
from deployments.tenant.threads import in_thread
from pipelines.audit import USER, Doer
from pipelines.errors import NotFound, Reason
from pipelines.ledger.credentials.sessions import Session

SESSIONS_PATH = "/v1/admin/sessions"


class SessionBody(ApiModel):
    """A session of somebody who signed in."""

    id: str
    actor: str
    name: str
    email: str
    tenant: str
    groups: list[str] = Field(description="Those of the provider's groups that give a role.")
    signed_in_at: datetime
    last_used_at: datetime

    @classmethod
    def from_domain(cls, session: Session) -> "SessionBody":
        return cls(
            id=session.id,
            actor=f"{USER}{session.subject}",
            name=session.name,
            email=session.email,
            tenant=session.tenant,
            groups=list(session.groups),
            signed_in_at=datetime.fromtimestamp(session.created_at_s, UTC),
            last_used_at=datetime.fromtimestamp(session.seen_at_s, UTC),
        )


class SessionList(ApiModel):
    """Sessions, newest first."""

    sessions: list[SessionBody]


def session_routes(sessions: Sessions) -> APIRouter:
    """Build the routes for sessions; who ends one is entered into the audit log."""
    router = APIRouter(tags=["service"])

    @router.get(SESSIONS_PATH, summary="List sessions", responses=documented(*LEDGER))
    async def list_sessions(operator: Admin) -> SessionList:
        found = await in_thread(sessions.store.list)
        return SessionList(sessions=[SessionBody.from_domain(session) for session in found])

    @router.delete(
        SESSIONS_PATH + "/{session_id}",
        status_code=204,
        summary="End a session",
        description="It opens nothing after a few seconds. The person may sign in again, as the provider lets them.",
        responses=documented(Reason.NOT_FOUND, *LEDGER),
    )
    async def end(operator: Admin, session_id: str) -> None:
        by = Doer(actor=operator.acting, request_id=current_request().request_id)
        if not (session_id.isascii() and session_id.isalnum()) or not await sessions.end_by_id(session_id, by):
            raise NotFound("There is no such session.")

    return router
