"""The audit log, legal holds and receipts on the wire."""

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from deployments.schemas.options import ApiModel
from deployments.schemas.references import MAX_METADATA
from pipelines.audit import AuditAction, AuditCheck, AuditEntry, AuditFilter, ObjectKind
from pipelines.jobs.options import NO_CONTROLS
from pipelines.keeping.legal_holds import Hold, HoldScope
from pipelines.keeping.receipts import Cause
from pipelines.validation import worded

AUDIT_PATH = "/v1/audit"
HOLDS_PATH = "/v1/holds"
RECEIPTS_PATH = "/v1/receipts"
EXPORTS_PATH = "/v1/exports"

_Pair = Annotated[str, StringConstraints(min_length=2, max_length=321, pattern=NO_CONTROLS)]
_Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200, pattern=NO_CONTROLS)]
_Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=NO_CONTROLS)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=NO_CONTROLS)]


def _checked_pairs(pairs: list[str]) -> list[str]:
    if any(not pair.partition("=")[0] or "=" not in pair for pair in pairs):
        raise ValueError("a pair is written name=value")
    return pairs


_ExternalId = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_CONTROLS)] | None,
    Field(description="The job with this external id."),
]
_Pairs = Annotated[
    list[_Pair],
    Field(
        max_length=MAX_METADATA,
        description="Jobs with this pair, as `name=value`; the value `*` is any. Of several pairs, jobs with all.",
    ),
    AfterValidator(_checked_pairs),
]
_VOICE_ID = worded(r"^[0-9a-zA-Z]{1,64}$", "must be an id: up to 64 letters and digits")


def time_of(at_s: float) -> datetime:
    """Return Unix seconds as a time."""
    return datetime.fromtimestamp(at_s, UTC)


def pairs_of(texts: list[str]) -> tuple[tuple[str, str], ...]:
    """Return pairs that are written ``name=value``, sorted."""
    pairs = [text.partition("=") for text in texts]
    return tuple(sorted((name, value) for name, _, value in pairs))


class AuditParameters(ApiModel):
    """Filters of the audit log and the place in it."""

    action: AuditAction | None = Field(None, description="Only such deeds.")
    actor: str | None = Field(None, max_length=255, pattern=NO_CONTROLS, description="Only those of this credential.")
    object: _Id | None = Field(None, description="Only deeds done to this: the id of a job, a voice, a hold, a key.")
    after: AwareDatetime | None = Field(None, description="Only at this time or later (ISO 8601).")
    before: AwareDatetime | None = Field(None, description="Only before this time (ISO 8601).")
    limit: int = Field(50, ge=1, le=500, description="Entries per page.")
    cursor: str | None = Field(None, max_length=40, description="Position, from the `next` of the page before.")

    def to_domain(self) -> AuditFilter:
        """Return the filter without the page."""
        return AuditFilter(
            action=self.action,
            actor=self.actor,
            object_id=self.object or "",
            from_s=self.after.timestamp() if self.after else None,
            before_s=self.before.timestamp() if self.before else None,
        )


class AuditEntryBody(ApiModel):
    """What somebody did to something."""

    seq: int = Field(description="Counts the tenant's entries from 1, without gaps.")
    at: datetime
    action: AuditAction
    actor: str = Field(
        description="What names the credential; empty without authentication, `system:…` where MeetMemo did it, "
        "`cli:USER` for commands that work on the ledger themselves."
    )
    kind: ObjectKind
    object: str = Field(description="The id of what it was done to.")
    request_id: str
    detail: dict[str, str | int] = Field(description="Parts and numbers; never contents.")
    times: int = Field(description="How often within a moment.")
    digest: str = Field(description="SHA-256 of the entry and of the digest before it (hexadecimal).")

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Show an entry."""
        deed = entry.deed
        return cls(
            seq=entry.seq,
            at=time_of(entry.at_s),
            action=deed.action,
            actor=deed.actor,
            kind=deed.kind,
            object=deed.object_id,
            request_id=deed.request_id,
            detail=dict(deed.detail),
            times=deed.n_times,
            digest=entry.digest,
        )


class AuditBody(ApiModel):
    """One page of the audit log, newest first."""

    entries: list[AuditEntryBody]
    next: str | None = Field(description="URL of the next page; null at the end.")


class AuditCheckBody(ApiModel):
    """Whether the audit log is whole. Keep `seq` and `digest` elsewhere to prove later that nothing was rewritten."""

    whole: bool
    fault: str = Field(description="The first thing that is wrong; empty where nothing is.")
    entries: int = Field(description="Entries that were found to be whole.")
    seq: int = Field(description="The last entry's number.")
    digest: str = Field(description="Its digest.")
    removed: int = Field(description="The last number of those that retention removed; 0 for none.")

    @classmethod
    def of(cls, found: AuditCheck) -> Self:
        """Show the outcome of a check."""
        return cls(
            whole=not found.fault,
            fault=found.fault,
            entries=found.n_entries,
            seq=found.head.seq,
            digest=found.head.digest,
            removed=found.head.pruned_seq,
        )


class JobHoldRequest(ApiModel):
    """Why a job is held."""

    reason: _Reason = Field(description="Why; shown to whoever wants to delete it.")
    name: _Line = Field("", description="What the hold is called, such as the matter.")


class HoldRequest(JobHoldRequest):
    """A hold of all jobs that fulfil every condition, those that come later included."""

    batch: _Id | None = Field(None, description="Jobs of this batch.")
    external_id: _ExternalId = None
    metadata: _Pairs = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        if not (self.batch or self.external_id or self.metadata):
            raise ValueError("name a batch, an external_id or metadata; one job is held at /v1/jobs/{id}/hold")
        return self

    def to_domain(self) -> HoldScope:
        """Return the jobs that are to be held."""
        return HoldScope(
            batch_id=self.batch or "", external_id=self.external_id or "", metadata=pairs_of(self.metadata)
        )


class HoldBody(ApiModel):
    """A legal hold: what it takes, who placed it when and why, and the same of its release."""

    id: str
    name: str
    reason: str
    job: str | None = Field(description="It takes this job, and those that replayed it or wrote its minutes anew.")
    batch: str | None
    external_id: str | None
    metadata: list[str] = Field(description="Pairs, as `name=value`.")
    placed_by: str = Field(description="What names the credential; empty without authentication.")
    placed_at: datetime
    active: bool
    released_by: str
    released_at: datetime | None
    release_reason: str

    @classmethod
    def of(cls, hold: Hold) -> Self:
        """Show a hold."""
        return cls(
            id=hold.id,
            name=hold.name,
            reason=hold.reason,
            job=hold.scope.job_id or None,
            batch=hold.scope.batch_id or None,
            external_id=hold.scope.external_id or None,
            metadata=[f"{name}={value}" for name, value in hold.scope.metadata],
            placed_by=hold.placed_by,
            placed_at=time_of(hold.placed_at_s),
            active=hold.is_active,
            released_by=hold.released_by,
            released_at=None if hold.released_at_s is None else time_of(hold.released_at_s),
            release_reason=hold.release_reason,
        )


class HoldList(ApiModel):
    """Legal holds."""

    holds: list[HoldBody]


class ErasedBlobBody(ApiModel):
    """A blob as it was."""

    key: str
    n_bytes: int
    sha256: str


class SignatureBody(ApiModel):
    """A signature (RFC 8032) of the receipt without it, as JSON with sorted names, no spaces and ASCII only."""

    algorithm: Literal["Ed25519"]
    public_key: str = Field(description="Base64.")
    value: str = Field(description="Base64.")


class ReceiptDocument(ApiModel):
    """Proof of a deletion; `meetmemo receipts verify` verifies it."""

    format: str
    id: str
    tenant: str
    kind: ObjectKind
    object_id: str
    cause: Cause
    actor: str = Field(description="What names the credential; empty without authentication.")
    request_id: str
    begun_at: str
    deleted_at: str | None
    gone: bool = Field(description="The store was asked again, and has none of the blobs.")
    blobs: list[ErasedBlobBody]
    signature: SignatureBody | None = Field(description="Null where the installation has no key to sign with.")


class ExportRequest(ApiModel):
    """The jobs to export; of several conditions all must be true, and there is at least one."""

    external_id: _ExternalId = None
    voice: Annotated[str, StringConstraints(pattern=_VOICE_ID)] | None = Field(
        None, description="Jobs in which this voice profile named a speaker."
    )
    metadata: _Pairs = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_condition(self) -> Self:
        if not (self.external_id or self.voice or self.metadata):
            raise ValueError("name an external_id, a voice or metadata")
        return self


class ReceiptParameters(ApiModel):
    """Filters of the receipts and the place in their list."""

    object: _Id | None = Field(None, description="Only of this job or voice.")
    limit: int = Field(50, ge=1, le=500, description="Receipts per page.")
    cursor: str | None = Field(None, max_length=500, description="Position, from the `next` of the page before.")


class ReceiptList(ApiModel):
    """One page of receipts, newest first."""

    receipts: list[ReceiptDocument]
    next: str | None = Field(description="URL of the next page; null at the end.")
