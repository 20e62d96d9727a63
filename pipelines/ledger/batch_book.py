"""`BatchRepository`: batches, durable in the ledger's database."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from pipelines.jobs.batch import Batch, BatchCounts, Entry, EntryState, Probe
from pipelines.ledger.protocol import Lease


class BatchRepository(Protocol):
    """Batches, durable in the ledger's database. Methods block and raise `LedgerUnavailable`.

    Those with a tenant raise `NotFound` for another tenant's batch.
    """

    def create(
        self, batch: Batch, entries: Iterable[Entry], *, key: str | None, fingerprint: str
    ) -> tuple[Batch, bool]:
        """Store a batch with its entries in one transaction; the batch stored before under the same key and False.

        Raises `IdempotencyConflict`.
        """

    def get(self, tenant: str, batch_id: str) -> Batch:
        """Return a batch."""

    def list(self, tenant: str, limit: int, id_prefix: str = "") -> Sequence[Batch]:
        """Return the newest batches whose id begins so."""

    def counts(self, tenant: str, batch_id: str) -> BatchCounts:
        """Count what became of a batch's entries."""

    def counts_of(self, tenant: str, batch_ids: Collection[str]) -> dict[str, BatchCounts]:
        """Return the same for those of several batches that exist, together."""

    def entries(
        self, tenant: str, batch_id: str, *, after: int = -1, limit: int = 500, state: EntryState | None = None
    ) -> Sequence[Entry]:
        """Return entries after a number, with their jobs."""

    def change_state(self, tenant: str, batch_id: str, move: str) -> Batch:
        """Pause, resume or cancel; raises `IllegalTransition`. Cancelling drops what has no job yet."""

    def live_jobs(self, tenant: str, batch_id: str) -> Sequence[str]:
        """Return ids of a batch's jobs that have not ended."""

    def retry(self, tenant: str, batch_id: str) -> int:
        """Take entries whose jobs failed or were cancelled on again; return how many. Raises `IllegalTransition`."""

    def attach(self, tenant: str, batch_id: str, seq: int, job_id: str) -> None:
        """Enter the job that an upload became; raises `IllegalTransition` when none was waited for."""

    def emptied(self, updated_before_s: float) -> Sequence[Batch]:
        """Return batches without jobs that nobody touched since: theirs are purged, or there were none.

        Not those that wait to make jobs, running or paused.
        """

    def delete(self, tenant: str, batch_id: str) -> None:
        """Forget a batch and its entries; its jobs stay."""

    def create_jobs(self, lease: Lease, per_batch: int, new_id: Callable[[], str]) -> int:
        """Make jobs of pending entries, up to ``per_batch`` live ones for each running batch; raises `Fenced`.

        The batches are those whose id the lease's shard owns; their jobs belong to any shard.
        """

    def to_probe(self, limit: int) -> Sequence[tuple[Batch, Entry]]:
        """Return entries of batches that are being probed, and are not yet."""

    def probed(self, batch_id: str, seq: int, probe: Probe) -> None:
        """Enter what probing found; the last one makes the batch ``estimated``."""
