"""`TenantKeeping`: the audit log, legal holds and receipts of one tenant; another tenant's are unknown here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.audit import AuditAction, AuditCheck, AuditFilter, AuditPage, ObjectKind, check
from pipelines.errors import NotFound
from pipelines.keeping.legal_holds import Hold, HoldScope
from pipelines.keeping.receipts import Receipt, ReceiptPage


@dataclass(frozen=True, kw_only=True)
class TenantKeeping:
    """What a tenant keeps and has deleted, and who did it; ``new_id`` gives an id that was never used."""

    jobs: TenantJobs
    new_id: Callable[[], str]

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.jobs.tenant

    async def audit(self, wanted: AuditFilter, *, limit: int, after: str | None) -> AuditPage:
        """Return one page of the audit log, newest first, with all that this process knows of; that is entered, too.

        Raises `InvalidRequest` for no cursor.
        """
        await self.jobs.trail.flush()
        found = await in_thread(self.jobs.ledger.audit.list, self.tenant, wanted, limit=limit, after=after)
        await self.jobs.trail.record(self.jobs.deed(AuditAction.READ_AUDIT, self.tenant, ObjectKind.TENANT))
        return found

    async def check(self, known: tuple[int, str] | None) -> AuditCheck:
        """Walk the whole audit log; ``known`` is the number and the digest of an entry that was noted earlier."""
        await self.jobs.trail.flush()
        return await in_thread(check, self.jobs.ledger.audit, self.tenant, known=known)

    async def hold_job(self, job_id: str, *, name: str, reason: str) -> Hold:
        """Place a hold on a job; on the first job of the recording where this one wrote minutes anew.

        Raises `JobUnknown`, and `IllegalTransition` where its erasure has begun.
        """
        origin = await self.jobs.transcribed(await self.jobs.get(job_id))
        return await self.hold(HoldScope(job_id=origin.id), name=name, reason=reason)

    async def hold(self, scope: HoldScope, *, name: str, reason: str) -> Hold:
        """Place a hold; one of the same scope that is active is returned as it is. Raises `NotFound` for no batch."""
        hold = Hold(
            id=self.new_id(), tenant=self.tenant, name=name, reason=reason, scope=scope, placed_by=self.jobs.actor
        )
        deed = self.jobs.deed(AuditAction.HOLD, hold.id, ObjectKind.HOLD, **_told(scope))
        return await in_thread(self.jobs.ledger.legal_holds.place, hold, deed)

    async def release(self, hold_id: str, *, reason: str) -> Hold:
        """End a hold; a released one stays as it is. Raises `NotFound`."""
        deed = self.jobs.deed(AuditAction.RELEASE, hold_id, ObjectKind.HOLD)
        return await in_thread(self.jobs.ledger.legal_holds.release, self.tenant, hold_id, reason=reason, deed=deed)

    async def release_job(self, job_id: str, *, reason: str) -> Hold:
        """End the hold of a job; raises `JobUnknown`, `NotFound` where none is on this job by itself."""
        for hold in await self.holds_of(job_id):
            if hold.scope.job_id:
                return await self.release(hold.id, reason=reason)
        raise NotFound(f"Job {job_id} is under no legal hold of its own.")

    async def holds_of(self, job_id: str) -> Sequence[Hold]:
        """Return the active holds that take a job, oldest first; raises `JobUnknown`."""
        return await in_thread(self.jobs.ledger.legal_holds.of_job, await self.jobs.get(job_id))

    async def holds(self, *, active: bool) -> Sequence[Hold]:
        """Return active holds, or all, newest first."""
        return await in_thread(self.jobs.ledger.legal_holds.list, self.tenant, active=active)

    async def get_hold(self, hold_id: str) -> Hold:
        """Return a hold; raises `NotFound`."""
        return await in_thread(self.jobs.ledger.legal_holds.get, self.tenant, hold_id)

    async def receipts(self, object_id: str, *, limit: int, after: str | None) -> ReceiptPage:
        """Return one page of receipts, newest first; raises `InvalidRequest` for no cursor."""
        find = self.jobs.ledger.receipts.list
        return await in_thread(find, self.tenant, object_id=object_id, limit=limit, after=after)

    async def receipt(self, receipt_id: str) -> Receipt:
        """Return a receipt; raises `NotFound`."""
        return await in_thread(self.jobs.ledger.receipts.get, self.tenant, receipt_id)


def _told(scope: HoldScope) -> dict[str, str | int]:
    """Return what the audit log tells of a scope: ids and names, not values that somebody wrote."""
    told: dict[str, str | int] = {}
    if scope.job_id:
        told["job"] = scope.job_id
    if scope.batch_id:
        told["batch"] = scope.batch_id
    if scope.external_id:
        told["by"] = "external_id"
    if scope.metadata:
        told["metadata"] = " ".join(name for name, _ in scope.metadata)
    return told
