"""`Backend`: what the HTTP routes share; `Backend.for_tenant` gives the jobs of one tenant."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from deployments.intake.accept import Intake
from deployments.intake.gates import Gate
from deployments.intake.job_policy import JobPolicy
from deployments.intake.resumable.uploads import ResumableUploads
from deployments.intake.spool import UploadGates
from deployments.intake.spool_space import SpoolSpace
from deployments.intake.twilio import TwilioAccount
from deployments.limits import IngestionLimits, LiveLimits
from deployments.ports import EnrolmentPort
from deployments.retention.audit_trail import AuditTrail
from deployments.retention.scrubber import Scrubber
from deployments.tenant.batches import TenantBatches
from deployments.tenant.coordinator_client import CoordinatorClient
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.keeping import TenantKeeping
from deployments.tenant.redo import TenantRedo
from deployments.tenant.voices import TenantVoices, no_enrolment
from pipelines.jobs.prices import Prices
from pipelines.keeping.receipts import Signer
from pipelines.ledger.batch_book import BatchRepository
from pipelines.ledger.protocol import Ledger
from pipelines.storage.protocol import BlobStore


@dataclass(frozen=True, kw_only=True)
class Backend:
    """The ledger, the store and the Coordinator behind the API.

    What belongs to somebody is reached through `for_tenant` only; routes get it from `deployments.http.dependencies`.
    ``waiting`` is the gate of requests that wait for their text.
    ``public_url`` ("" or scheme and host) goes before every URL in an answer. ``live`` may change: routes ask for
    `limits` at every request.
    """

    ledger: Ledger
    store: BlobStore
    coordinator_client: CoordinatorClient
    intake: Intake
    policy: JobPolicy
    live: LiveLimits
    uploads: UploadGates
    resumable: ResumableUploads
    waiting: Gate
    scrubber: Scrubber
    trail: AuditTrail
    public_url: str
    version: str
    batches: BatchRepository | None = None
    prices: Prices = field(default=Prices())
    twilio: tuple[TwilioAccount, ...] = ()
    enrolment: Callable[[], EnrolmentPort | None] = no_enrolment
    signer: Signer | None = None

    @property
    def limits(self) -> IngestionLimits:
        """The limits in force now."""
        return self.live.now

    @property
    def spool_space(self) -> SpoolSpace:
        """The disk of the spool folder."""
        limits = self.limits
        return SpoolSpace(
            folder=limits.spool_dir, min_free_bytes=limits.min_free_bytes, promised=self.resumable.n_promised
        )

    def stream_gate(self, what: str) -> Gate:
        """Return a gate for answers that last; each tenant has its share of them."""
        return stream_gate(self.live, what)

    def for_tenant(self, tenant: str, actor: str = "") -> TenantJobs:
        """Return everything a tenant may see and do; ``actor`` names the credential of who does it."""
        return TenantJobs(
            tenant=tenant,
            ledger=self.ledger,
            store=self.store,
            coordinator_client=self.coordinator_client,
            intake=self.intake,
            policy=replace(self.policy, tenant=tenant),
            uploads=self.uploads,
            limits=self.limits.of(tenant),
            bound=self.limits.bound,
            scrubber=self.scrubber,
            trail=self.trail,
            public_url=self.public_url,
            actor=actor,
            signer=self.signer,
        )

    def voices_of(self, jobs: TenantJobs) -> TenantVoices:
        """Return the voice profiles of the tenant whose jobs these are."""
        return TenantVoices(
            jobs=jobs,
            enrolment=self.enrolment,
            clock=self.intake.clock,
            new_id=self.intake.new_id,
        )

    def redo_of(self, jobs: TenantJobs) -> TenantRedo:
        """Return what does stages of the tenant's jobs again."""
        return TenantRedo(jobs=jobs, prices=self.prices, book=self.batches)

    def keeping_of(self, jobs: TenantJobs) -> TenantKeeping:
        """Return the audit log, holds and receipts of the tenant whose jobs these are."""
        return TenantKeeping(jobs=jobs, new_id=self.intake.new_id)

    def batches_of(self, tenant: str, actor: str = "") -> TenantBatches:
        """Return a tenant's batches; they have routes only where there is a book of them."""
        assert self.batches is not None
        return TenantBatches(
            tenant=tenant,
            book=self.batches,
            jobs=self.for_tenant(tenant, actor),
            sources=self.limits.sources,
            new_id=self.intake.new_id,
            clock=self.intake.clock,
            prices=self.prices,
        )


def stream_gate(live: LiveLimits, what: str) -> Gate:
    """Return a gate of as many places as streams of one kind may have, with each tenant's share."""
    return Gate(live.now.max_event_streams, what, lambda tenant: live.of(tenant).max_streams)
