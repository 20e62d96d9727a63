"""`Backend`: what the HTTP routes share; `Backend.for_tenant` gives the jobs of one tenant."""

from dataclasses import dataclass, replace

from deployments.coordinator_line import CoordinatorLine
from deployments.intake import Intake
from deployments.limits import IngestionLimits, LiveLimits
from deployments.offer import Offer
from deployments.scrubber import Scrubber
from deployments.tenant_batches import TenantBatches
from deployments.tenant_jobs import TenantJobs
from deployments.uploads import UploadGates
from pipelines.batch_book import BatchBook
from pipelines.blob_store import BlobStore
from pipelines.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class Backend:
    """The ledger, the store and the Coordinator behind the API.

    What belongs to somebody is reached through `for_tenant` only; routes get it from `deployments.access`.
    ``public_url`` ("" or scheme and host) goes before every URL in an answer. ``live`` may change: routes ask for
    `limits` at every request.
    """

    ledger: Ledger
    store: BlobStore
    line: CoordinatorLine
    intake: Intake
    offer: Offer
    live: LiveLimits
    uploads: UploadGates
    scrubber: Scrubber
    public_url: str
    batches: BatchBook | None = None
    usd_per_audio_hour: float | None = None

    @property
    def limits(self) -> IngestionLimits:
        """What is taken now."""
        return self.live.now

    def for_tenant(self, tenant: str) -> TenantJobs:
        """Everything a tenant may see and do."""
        return TenantJobs(
            tenant=tenant,
            ledger=self.ledger,
            store=self.store,
            line=self.line,
            intake=self.intake,
            offer=replace(self.offer, tenant=tenant),
            uploads=self.uploads,
            limits=self.limits.of(tenant),
            spool_dir=self.limits.spool_dir,
            scrubber=self.scrubber,
            public_url=self.public_url,
        )

    def batches_of(self, tenant: str) -> TenantBatches:
        """A tenant's batches; they have routes only where there is a book of them."""
        assert self.batches is not None
        return TenantBatches(
            tenant=tenant,
            book=self.batches,
            jobs=self.for_tenant(tenant),
            sources=self.limits.sources,
            new_id=self.intake.new_id,
            clock=self.intake.clock,
            usd_per_hour=self.usd_per_audio_hour,
        )
