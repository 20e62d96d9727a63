"""The audit log, legal holds and receipts in memory: they pass the same contract tests as those in a database."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from pipelines.audit import ALL_ENTRIES, AuditEntry, AuditFilter, AuditHead, AuditPage, Deed, ObjectKind, chain
from pipelines.errors import IllegalTransition, NotFound
from pipelines.jobs.job import Job
from pipelines.keeping.legal_holds import Hold, on_hold
from pipelines.keeping.receipts import Receipt, ReceiptPage, united
from pipelines.ledger.keeping.audit_rows import storable_deed
from pipelines.ledger.keeping.sql_legal_holds import storable_hold
from pipelines.ledger.protocol import Clock
from pipelines.ledger.rules import check_limit, parse_cursor, parse_number, place_cursor, storable

Using = Callable[[], AbstractContextManager[None]]


class MemoryAudit:
    """`pipelines.audit.AuditLog` in lists; ``using`` holds the ledger's lock and raises during an outage."""

    def __init__(self, *, using: Using, clock: Clock) -> None:
        self._using = using
        self._clock = clock
        self._heads: dict[str, AuditHead] = {}
        self.entries: dict[str, list[AuditEntry]] = {}

    def append(self, deeds: Sequence[Deed]) -> None:
        """Enter deeds, in their order."""
        with self._using():
            for deed in deeds:
                entries, head = chain([storable_deed(deed)], self.head(deed.tenant), self._clock())
                self.entries.setdefault(deed.tenant, []).extend(entries)
                self._heads[deed.tenant] = head

    def list(
        self, tenant: str, wanted: AuditFilter = ALL_ENTRIES, *, limit: int = 50, after: str | None = None
    ) -> AuditPage:
        """Return one page of entries, newest first."""
        check_limit(limit)
        below = parse_number(after) if after is not None else None
        with self._using():
            found = [
                entry
                for entry in reversed(self.entries.get(tenant, []))
                if wanted.takes(entry) and (below is None or entry.seq < below)
            ]
        shown = found[:limit]
        return AuditPage(entries=tuple(shown), next_cursor=str(shown[-1].seq) if len(found) > limit else None)

    def walk(self, tenant: str, *, after_seq: int = 0, limit: int = 1000) -> Sequence[AuditEntry]:
        """Return a tenant's entries after a number, oldest first."""
        with self._using():
            return [entry for entry in self.entries.get(tenant, []) if entry.seq > after_seq][:limit]

    def head(self, tenant: str) -> AuditHead:
        """Return the ends of a tenant's log."""
        with self._using():
            return self._heads.get(tenant, AuditHead())

    def prune(self, before_s: float) -> int:
        """Remove every tenant's entries up to the first that is not older."""
        n_removed = 0
        with self._using():
            for tenant, entries in self.entries.items():
                while entries and entries[0].at_s < before_s:
                    gone = entries.pop(0)
                    n_removed += 1
                    self._heads[tenant] = replace(self._heads[tenant], pruned_seq=gone.seq, pruned_digest=gone.digest)
        return n_removed


class MemoryHolds:
    """`pipelines.keeping.legal_holds.HoldBook` in a dict; it knows no batches."""

    def __init__(
        self,
        *,
        using: Using,
        get_job: Callable[[str, str], Job],
        is_erased: Callable[[str, str], bool],
        audit: MemoryAudit,
        clock: Clock,
    ) -> None:
        self._using = using
        self._get_job = get_job
        self._is_erased = is_erased
        self._audit = audit
        self._clock = clock
        self._holds: dict[str, Hold] = {}

    def place(self, hold: Hold, deed: Deed) -> Hold:
        """Place a hold; see `pipelines.keeping.legal_holds.HoldBook.place`."""
        hold = storable_hold(replace(hold, placed_at_s=round(self._clock(), 3)))
        with self._using():
            if hold.scope.job_id:
                self._get_job(hold.tenant, hold.scope.job_id)
            if hold.scope.batch_id:
                raise NotFound(f"There is no batch {hold.scope.batch_id}.")
            same = [each for each in self.list(hold.tenant) if each.scope == hold.scope]
            if same:
                return same[0]
            if self._is_erased(hold.tenant, hold.scope.job_id):
                raise IllegalTransition(f"The erasure of job {hold.scope.job_id} has begun.")
            self._holds[hold.id] = hold
            self._audit.append([deed])
            return hold

    def release(self, tenant: str, hold_id: str, *, reason: str, deed: Deed) -> Hold:
        """End a hold; see `pipelines.keeping.legal_holds.HoldBook.release`."""
        with self._using():
            hold = self.get(tenant, hold_id)
            if hold.is_active:
                hold = replace(
                    hold,
                    released_by=storable(deed.actor),
                    released_at_s=round(self._clock(), 3),
                    release_reason=storable(reason),
                )
                self._holds[hold_id] = hold
                self._audit.append([deed])
            return hold

    def get(self, tenant: str, hold_id: str) -> Hold:
        """Return a hold; raises `NotFound`."""
        with self._using():
            hold = self._holds.get(hold_id)
            if hold is None or hold.tenant != tenant:
                raise NotFound(f"There is no legal hold {hold_id}.")
            return hold

    def list(self, tenant: str, *, active: bool = True, limit: int = 500) -> Sequence[Hold]:
        """Return a tenant's holds, newest first."""
        with self._using():
            found = [each for each in self._holds.values() if each.tenant == tenant and (each.is_active or not active)]
            return sorted(found, key=lambda each: (each.placed_at_s, each.id), reverse=True)[:limit]

    def of_job(self, job: Job) -> Sequence[Hold]:
        """Return the active holds that take a job, oldest first."""
        return [each for each in reversed(self.list(job.tenant)) if each.scope.takes(job, in_batch=False)]

    def require_unheld(self, job: Job) -> None:
        """Raise `OnHold` for a job that a hold takes."""
        for hold in self.of_job(job):
            raise on_hold(job, hold)


class MemoryReceipts:
    """`pipelines.keeping.receipts.ReceiptBook` in a dict."""

    def __init__(self, *, using: Using, check_job: Callable[[str, str], None], audit: MemoryAudit) -> None:
        self._using = using
        self._check_job = check_job
        self._audit = audit
        self._receipts: dict[str, Receipt] = {}

    def begin(self, receipt: Receipt) -> Receipt:
        """Note that an erasure begins; see `pipelines.keeping.receipts.ReceiptBook.begin`."""
        with self._using():
            begun = self._begun(receipt.tenant, receipt.kind, receipt.object_id)
            if begun is not None:
                receipt = united(begun, receipt)
            elif receipt.kind is ObjectKind.JOB:
                self._check_job(receipt.tenant, receipt.object_id)
            self._receipts[receipt.id] = receipt
            return receipt

    def finish(self, receipt: Receipt, deed: Deed) -> None:
        """Store a finished receipt and enter the deed."""
        with self._using():
            if self.put(receipt):
                self._audit.append([deed])

    def put(self, receipt: Receipt) -> bool:
        """Store a receipt as finished; return False where it is not begun, or is finished already."""
        known = self._receipts.get(receipt.id)
        if known is None or known.deleted_at_s is not None:
            return False
        self._receipts[receipt.id] = receipt
        return True

    def is_erased(self, tenant: str, job_id: str) -> bool:
        """Say whether the erasure of a job has begun."""
        return self._begun(tenant, ObjectKind.JOB, job_id) is not None

    def _begun(self, tenant: str, kind: ObjectKind, object_id: str) -> Receipt | None:
        wanted = (tenant, kind, object_id, None)
        found = (r for r in self._receipts.values() if (r.tenant, r.kind, r.object_id, r.deleted_at_s) == wanted)
        return next(found, None)

    def begun(self, before_s: float) -> Sequence[Receipt]:
        """Return receipts that were begun earlier and are not finished, oldest first."""
        with self._using():
            found = [r for r in self._receipts.values() if r.deleted_at_s is None and r.begun_at_s < before_s]
            return sorted(found, key=lambda receipt: receipt.begun_at_s)

    def list(self, tenant: str, *, object_id: str = "", limit: int = 50, after: str | None = None) -> ReceiptPage:
        """Return one page of finished receipts, newest first."""
        check_limit(limit)
        end = parse_cursor(after) if after is not None else None
        with self._using():
            own = [
                (receipt.deleted_at_s, receipt.id)
                for receipt in self._receipts.values()
                if receipt.tenant == tenant and receipt.deleted_at_s is not None
                if object_id in ("", receipt.object_id)
            ]
            places = [place for place in sorted(own, reverse=True) if end is None or place < end]
            shown = places[:limit]
            return ReceiptPage(
                receipts=tuple(self._receipts[receipt_id] for _, receipt_id in shown),
                next_cursor=place_cursor(*shown[-1]) if len(places) > limit else None,
            )

    def get(self, tenant: str, receipt_id: str) -> Receipt:
        """Return a finished receipt; raises `NotFound`."""
        with self._using():
            found = self._receipts.get(receipt_id)
            if found is None or found.tenant != tenant or found.deleted_at_s is None:
                raise NotFound(f"There is no receipt {receipt_id}.")
            return found

    def prune(self, before_s: float) -> int:
        """Remove finished receipts of earlier deletions; return how many."""
        with self._using():
            old = [r.id for r in self._receipts.values() if r.deleted_at_s is not None and r.deleted_at_s < before_s]
            for receipt_id in old:
                del self._receipts[receipt_id]
            return len(old)
