"""What the audit log says of somebody who ends a session."""

from deployments.auth.authenticators import USER
from pipelines.audit import AuditAction, Deed, ObjectKind
from pipelines.ledger.credentials.sessions import Session


def ended_session(session: Session, actor: str, request_id: str = "") -> Deed:
    """Return the entry for the log of the tenant in which the session's person worked."""
    return Deed(
        tenant=session.tenant,
        action=AuditAction.END_SESSION,
        actor=actor,
        kind=ObjectKind.SESSION,
        object_id=session.id,
        request_id=request_id,
        detail=(("of", f"{USER}{session.subject}"),),
    )
