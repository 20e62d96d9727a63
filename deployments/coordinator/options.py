"""`CoordinatorOptions`: the settings of the Coordinator and its parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.notifications.messages import JobNotifications
from deployments.retention.rules import Retention
from pipelines.jobs.options import SOURCE_PATIENCE_S
from pipelines.keeping.receipts import Signer
from pipelines.models.profile import ModelProfile
from pipelines.scheduling.shards import WHOLE, Shard
from pipelines.transcript.language_detection import LanguagePolicy


@dataclass(frozen=True, kw_only=True)
class CoordinatorOptions:
    """Bounds and intervals, in seconds where named so.

    ``max_live_jobs`` and ``max_pulls`` are those of this ``shard`` alone.
    ``decode_slots``: how many batches a replica of each model decodes at once; 1 where nothing is said. ``max_pulls``:
    open calls of each model's Transcribers; they must suffice for all its replicas. ``scale_to_zero`` are models that
    have no replica while no job wants them.

    ``profiles`` tells, by model, the length of its rows and the only languages it knows, if it knows few: a model
    with one needs no detection; ``weights`` its SHA-256, without which its transcripts are not reused. A Segmenter's or
    a batch's time is limited; see `segment_stream` and `Dispatcher`; a source that is not there yet is asked for again
    for ``source_patience_s`` where its job says nothing; so is a Diarizer's for a span, by
    ``voices_timeout_s``. ``languages`` are the policies of tenants with one of their own, and that of the others
    under "". ``signer`` signs the receipts of what ``retention`` deletes.
    """

    owner: str
    shard: Shard = WHOLE
    profiles: Mapping[str, ModelProfile]
    weights: Mapping[str, str] = field(default_factory=dict)
    scale_to_zero: frozenset[str] = frozenset()
    max_live_jobs: int = 32
    max_pulls: Mapping[str, int] = field(default_factory=dict)
    batch_size: int = 16
    decode_slots: Mapping[str, int] = field(default_factory=dict)
    max_attempts: int = 5
    pause_s: float = 1.0
    batch_patience_s: float = 120.0
    source_patience_s: float = SOURCE_PATIENCE_S
    voices_timeout_s: float = 900.0
    lease_s: float = 15.0
    idle_poll_s: float = 5.0
    progress_interval_s: float = 0.5
    housekeeping_interval_s: float = 3600.0
    retention: Retention = field(default=Retention())
    signer: Signer | None = None
    languages: Mapping[str, LanguagePolicy] = field(default_factory=dict)
    notifications: JobNotifications = field(default=JobNotifications())

    def language_policy(self, tenant: str) -> LanguagePolicy:
        """Return what holds for languages that are detected."""
        return self.languages.get(tenant) or self.languages.get("", LanguagePolicy())

    def profile_of(self, model: str) -> ModelProfile:
        """Return what is known about a model."""
        return self.profiles.get(model, ModelProfile())
