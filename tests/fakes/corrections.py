"""Versions of corrected transcripts in memory: passes the same contract tests as the book in a database."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from pipelines.audit import Deed
from pipelines.jobs.job import Job
from pipelines.ledger.protocol import Clock
from pipelines.ledger.rules import storable
from pipelines.transcript.corrections import Correction, judge_correction
from tests.fakes.keeping import MemoryAudit


class MemoryCorrections:
    """`pipelines.transcript.corrections.CorrectionRepository` in a dict.

    ``using`` holds the ledger's lock and raises during an outage; ``get_job``, ``enter``, ``mark`` and ``audit`` are
    the ledger's.
    """

    def __init__(
        self,
        *,
        using: Callable[[], AbstractContextManager[None]],
        get_job: Callable[[str, str], Job],
        enter: Callable[[str, str, str], None],
        mark: Callable[[Collection[str]], None],
        audit: MemoryAudit,
        clock: Clock,
    ) -> None:
        self._using = using
        self._get_job = get_job
        self._enter = enter
        self._mark = mark
        self._audit = audit
        self._clock = clock
        self._versions: dict[str, tuple[Correction, ...]] = {}

    def add(self, tenant: str, job_id: str, correction: Correction, deed: Deed | None = None) -> Correction:
        """Make a version count; see `pipelines.transcript.corrections.CorrectionRepository.add`."""
        with self._using():
            held = self.of_job(tenant, job_id)
            same = judge_correction(held, correction, job_id)
            if same is not None:
                return same
            author, note = storable(correction.author), storable(correction.note)
            kept = replace(correction, at_s=self._clock(), author=author, note=note)
            self._versions[job_id] = (*held, kept)
            self._enter(job_id, "corrected", f"version {kept.version}")
            self._mark([job_id])
            if deed is not None:
                self._audit.append([deed])
            return kept

    def of_job(self, tenant: str, job_id: str) -> Sequence[Correction]:
        """Return a job's versions, oldest first; raises `JobUnknown`."""
        with self._using():
            return self._versions.get(self._get_job(tenant, job_id).id, ())

    def newest(self, job_ids: Collection[str]) -> Mapping[str, Correction]:
        """Return the newest version of each job that has one, by its id."""
        with self._using():
            return {job_id: self._versions[job_id][-1] for job_id in job_ids if job_id in self._versions}

    def forget(self, job_id: str) -> None:
        """What `Ledger.delete` does with a job's versions."""
        self._versions.pop(job_id, None)
