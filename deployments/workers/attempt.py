"""`Attempt`: what writing a job's minutes and translations brought, and what is left of it."""

from dataclasses import dataclass, field, replace

from deployments.ports import MinutesRequest
from deployments.telemetry.reports import WritingReport
from deployments.workers.translations import Translated
from pipelines.jobs.job import MinutesRecord
from pipelines.notes import Note


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What writing brought: the record of the minutes, the translations, and what is ``left`` to write later.

    ``notes`` are about the documents of the minutes.

    ``record`` is None where no minutes were wanted. ``why`` something is left, and when it may be tried again.
    """

    report: WritingReport
    record: MinutesRecord | None = None
    notes: tuple[Note, ...] = ()
    translated: Translated = field(default_factory=Translated)
    left: MinutesRequest | None = None
    why: str = ""
    not_before_s: float = 0.0

    @property
    def has_settled(self) -> bool:
        """Whether something was written, or will never be."""
        return bool(self.translated.settled) or (self.record is not None and self.record.state != "parked")

    def with_translations(self, request: MinutesRequest, translated: Translated) -> "Attempt":
        """Add what became of the translations."""
        report = replace(
            self.report,
            n_bytes=self.report.n_bytes + translated.n_bytes,
            translations=tuple(record.state for record in translated.records),
        )
        both = replace(self, translated=translated, report=report)
        if not translated.parked:
            return both
        left = self.left or replace(request, minutes="none")  # written minutes are not written again
        return replace(
            both,
            left=replace(left, translate=tuple(record.language for record in translated.parked)),
            why=self.why or translated.parked[0].note,
            not_before_s=max(self.not_before_s, translated.not_before_s),
        )
