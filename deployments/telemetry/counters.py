"""`CoordinatorMetrics`: what the Coordinator counts since it started, as Prometheus counters and histograms.

Labels are bounded: models and classes of tenants come from the settings, everything else from enumerations. A job, a
tenant or a file never is a label. A new Coordinator counts from 0, which Prometheus takes for what it is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from deployments.telemetry.reports import BatchReport, MinutesOutcome, SegmentReport, WritingReport
from pipelines.errors import Reason
from pipelines.jobs.job import Job, JobState
from pipelines.jobs.translations import TranslationState
from pipelines.ledger.outbox import Channel, DeliveryState
from pipelines.storage.measured import StoreCall

JOB_SECONDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200)
STEP_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
CALL_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ERRORS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 2, 5)
FACTORS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
DEFAULT_CLASS = "standard"
BY_JOB = ("tenant_class", "model")
NOT_OURS = frozenset(
    {
        Reason.UNSUPPORTED_FORMAT,
        Reason.NO_AUDIO_STREAM,
        Reason.EMPTY_AUDIO,
        Reason.CORRUPT_AUDIO,
        Reason.TOO_LONG,
        Reason.TOO_LARGE,
        Reason.SOURCE_UNREACHABLE,
        Reason.INVALID_OPTION,
        Reason.MODEL_UNKNOWN,
    }
)
"""Why a job may fail without counting against the service's objective."""


@dataclass(frozen=True, kw_only=True)
class MetricsOptions:
    """The classes of tenants, and the objective of a job: ``base_s`` plus ``per_audio_s`` times its length."""

    tenant_classes: Mapping[str, str] = field(default_factory=dict)
    base_s: float = 300.0
    per_audio_s: float = 1.0

    def class_of(self, tenant: str) -> str:
        """Return the class of a tenant; those that no setting names share one."""
        return self.tenant_classes.get(tenant, DEFAULT_CLASS)

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes there are."""
        return tuple(sorted({DEFAULT_CLASS, *self.tenant_classes.values()}))


class CoordinatorMetrics:
    """Keeps the Prometheus registry, with one method for each event to count."""

    def __init__(self, models: Iterable[str] = (), options: MetricsOptions | None = None) -> None:
        """Start the series of known models and classes at 0, so that a first failure is an increase."""
        self.options = options or MetricsOptions()
        self._registry = CollectorRegistry()
        self._declare_jobs()
        self._declare_batches()
        self._declare_sources_and_store()
        self._declare_minutes_and_deliveries()
        self._start_at_zero(models)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"meetmemo_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"meetmemo_{name}", text, labels, buckets=buckets, registry=self._registry)

    def _declare_jobs(self) -> None:
        """Declare what is counted of jobs."""
        self._submitted = self._counter("jobs_submitted", "Jobs that ingestion took.")
        self._begun = self._counter("jobs_begun", "Jobs that the Coordinator began.", *BY_JOB)
        self._ended = self._counter("jobs_ended", "Jobs that ended, by final state.", "state", *BY_JOB)
        self._late = self._counter(
            "jobs_late", "Jobs that ended later than the objective allows, or failed by us.", *BY_JOB
        )
        self._failed = self._counter("jobs_failed", "Jobs that failed, by reason.", "reason")
        self._recovered = self._counter("jobs_recovered", "Jobs gone on with after a restart.")
        self._job_s = self._histogram("job_duration_seconds", "From submission to success.", JOB_SECONDS, *BY_JOB)
        self._job_factor = self._histogram(
            "job_real_time_factor", "Seconds from submission to success per second of recording.", FACTORS, *BY_JOB
        )
        self._job_device_s = self._counter("job_device_seconds", "Device time of jobs that ended.", *BY_JOB)
        self._job_cost = self._counter("job_cost_dollars", "Tokens' cost of jobs that ended, as they ended.", *BY_JOB)
        self._job_bytes = self._counter("job_result_bytes", "Documents of jobs that ended.", *BY_JOB)
        self._reused_s = self._counter(
            "reused_audio_seconds", "Recordings that an earlier job had transcribed.", *BY_JOB
        )
        self._estimate_error = self._histogram(
            "estimate_error_ratio",
            "Error of the estimate for a job as it was submitted, its length known, per second that it took.",
            ERRORS,
            *BY_JOB,
        )
        self._transcribed = self._counter("transcribed_audio_seconds", "Speech decoded.", *BY_JOB)

    def _declare_batches(self) -> None:
        """Declare what Transcribers report of batches and chunks."""
        self._batches = self._counter("batches", "Batches decoded.", "model")
        self._rows = self._counter("batch_rows", "Rows decoded.", "model")
        self._fill = self._histogram("batch_fill_ratio", "Rows of a batch per rows it may have.", SHARES, "model")
        self._efficiency = self._histogram(
            "batch_efficiency_ratio", "Speech per second of decoded window.", SHARES, "model"
        )
        self._device_s = self._counter("device_busy_seconds", "Time devices spent decoding.", "model")
        self._device_cpu_s = self._counter("transcriber_cpu_seconds", "Processor time of decoding.", "model")
        self._decode_s = self._histogram("batch_decode_seconds", "Decoding of a batch.", STEP_SECONDS, "model")
        self._wait_s = self._histogram(
            "batch_wait_seconds", "A batch's wait for the device, read.", STEP_SECONDS, "model"
        )
        self._read_s = self._histogram("batch_read_seconds", "Reading of a batch's samples.", STEP_SECONDS, "model")
        self._fallbacks = self._counter("fallback_rows", "Rows that were decoded more than once.", "model")
        self._suspect_s = self._counter("suspect_audio_seconds", "Speech whose text breaks a quality rule.", "model")
        self._retries = self._counter("chunk_retries", "Chunks queued again.", "model", "cause")
        self._quarantined = self._counter("chunks_quarantined", "Chunks given up.", "model")
        self._routed = self._counter(
            "routed_chunks", "Chunks of jobs for one model queued for another.", "model", "stand_in"
        )

    def _declare_sources_and_store(self) -> None:
        """Declare what Segmenters report, and calls of the blob store."""
        self._source_decode_s = self._histogram("span_decode_seconds", "Decoding of a span's source.", STEP_SECONDS)
        self._vad_s = self._histogram("span_vad_seconds", "Voice activity and cuts of a span.", STEP_SECONDS)
        self._cut_s = self._counter("segmented_audio_seconds", "Recording cut into spans.")
        self._damaged_s = self._counter("damaged_audio_seconds", "Sound that recordings had lost when they came.")
        self._voices_s = self._counter("diarized_audio_seconds", "Sound whose voices were heard, to tell them apart.")
        self._voices_cpu_s = self._counter("diarizer_cpu_seconds", "Processor time of hearing voices.")
        self._without_speakers = self._counter("jobs_without_speakers", "Jobs whose speakers could not be told apart.")
        self._damaged = self._counter("damaged_recordings", "Recordings that had lost sound when they came.")
        self._store_s = self._histogram(
            "store_call_seconds", "Calls of the blob store.", CALL_SECONDS, "actor", "operation"
        )
        self._store_errors = self._counter("store_errors", "Calls that the blob store failed.", "actor", "operation")

    def _declare_minutes_and_deliveries(self) -> None:
        """Declare what the MinutesWriter reports, and deliveries."""
        self._minutes = self._counter("minutes", "Jobs by what became of their minutes.", "outcome")
        self._translations = self._counter("translations", "Translations by what became of them.", "outcome")
        self._minutes_s = self._histogram("minutes_seconds", "Writing of a job's minutes.", STEP_SECONDS, "writer")
        self._render_s = self._histogram("render_seconds", "Rendering of a job's documents.", STEP_SECONDS)
        self._llm_calls = self._counter("llm_calls", "Calls of the language model by outcome.", "outcome")
        self._tokens = self._counter("llm_tokens", "Tokens by kind.", "kind")
        self._cost = self._counter("llm_cost_dollars", "What the language model's tokens cost.")
        self._deliveries = self._counter("deliveries", "Attempts at webhooks and e-mails.", "channel", "state")
        self._delivery_s = self._histogram("delivery_seconds", "An attempt at a delivery.", CALL_SECONDS, "channel")

    def _start_at_zero(self, models: Iterable[str]) -> None:
        """Make the series of everything that is known beforehand."""
        for channel in get_args(Channel):
            for delivery_state in DeliveryState:
                self._deliveries.labels(channel, delivery_state.value)
        for model in models:
            for tenant_class in self.options.classes:
                self._begun.labels(tenant_class, model)
                self._late.labels(tenant_class, model)
                self._transcribed.labels(tenant_class, model)
                self._reused_s.labels(tenant_class, model)
                self._job_s.labels(tenant_class, model)
                for state in JobState:
                    if state.final:
                        self._ended.labels(state.value, tenant_class, model)
            for measure in (self._batches, self._rows, self._device_s, self._device_cpu_s, self._fallbacks):
                measure.labels(model)
            self._suspect_s.labels(model)
            self._quarantined.labels(model)
            for cause in ("item", "replica", "storage"):
                self._retries.labels(model, cause)
        for outcome in get_args(MinutesOutcome):
            self._minutes.labels(outcome)
        for state in get_args(TranslationState):
            self._translations.labels(state)
        for kind in ("prompt", "cached_prompt", "completion"):
            self._tokens.labels(kind)
        self._llm_calls.labels("ok")

    # Jobs

    def arrived(self, n_jobs: int) -> None:
        """Count jobs that Ingestion accepted."""
        self._submitted.inc(n_jobs)

    def begun(self, job: Job) -> None:
        """Count a queued job that was begun."""
        self._begun.labels(*self._labels(job)).inc()

    def recovered(self) -> None:
        """Count a job taken over from an earlier Coordinator."""
        self._recovered.inc()

    def ended(self, job: Job, now_s: float) -> None:
        """Count a job that ended at ``now_s`` (Unix seconds)."""
        labels = self._labels(job)
        self._ended.labels(job.state.value, *labels).inc()
        self._job_device_s.labels(*labels).inc(job.usage.device_s)
        if job.tokens.n_calls:
            self._job_cost.labels(*labels).inc(job.tokens.cost_usd)
        self._job_bytes.labels(*labels).inc(job.usage.result_bytes)
        if job.reason:
            self._failed.labels(job.reason.value).inc()
        took_s, audio_s = max(0.0, now_s - job.created_at_s), job.progress.audio_s
        if job.state is JobState.SUCCEEDED:
            self._job_s.labels(*labels).observe(took_s)
            if audio_s > 0:
                self._job_factor.labels(*labels).observe(took_s / audio_s)
        wanted_s = self.options.base_s + self.options.per_audio_s * audio_s
        if job.options.deadline:
            wanted_s = job.options.deadline.timestamp() - job.created_at_s
        in_time = took_s <= wanted_s
        ours = job.reason is not None and job.reason not in NOT_OURS
        if ours or (job.state is JobState.SUCCEEDED and not in_time):
            self._late.labels(*labels).inc()

    def estimated(self, job: Job, error: float) -> None:
        """Count how far off the estimate for a job was, as a share of what it took."""
        self._estimate_error.labels(*self._labels(job)).observe(error)

    # Steps

    def chunk_done(self, job: Job, audio_s: float) -> None:
        """Count the seconds of a transcribed chunk."""
        self._transcribed.labels(*self._labels(job)).inc(audio_s)

    def reused(self, job: Job, audio_s: float) -> None:
        """Count the seconds of a job that reused an earlier transcript."""
        self._reused_s.labels(*self._labels(job)).inc(audio_s)

    def retried(self, model: str, cause: str) -> None:
        """Count a chunk that comes back, by cause: itself (``item``), its ``replica``, or the store (``storage``)."""
        self._retries.labels(model, cause).inc()

    def routed(self, model: str, canary_model: str, n_chunks: int) -> None:
        """Count chunks of jobs for a model that were queued for its canary model."""
        self._routed.labels(model, canary_model).inc(n_chunks)

    def quarantined(self, model: str) -> None:
        """Count a chunk that was given up."""
        self._quarantined.labels(model).inc()

    def batch(self, model: str, report: BatchReport, window_s: float) -> None:
        """Record a Transcriber's report on a batch of rows that are ``window_s`` long at most."""
        self._batches.labels(model).inc()
        self._rows.labels(model).inc(report.n_rows)
        self._fill.labels(model).observe(report.n_rows / max(1, report.max_rows))
        self._efficiency.labels(model).observe(report.audio_s / (max(1, report.n_rows) * window_s))
        self._device_s.labels(model).inc(report.device_s)
        self._device_cpu_s.labels(model).inc(report.cpu_s)
        self._decode_s.labels(model).observe(report.device_s)
        self._wait_s.labels(model).observe(max(0.0, report.wait_s))
        self._read_s.labels(model).observe(report.read_s)
        self._fallbacks.labels(model).inc(report.n_fallbacks)
        self._suspect_s.labels(model).inc(report.suspect_s)
        self.store_calls("transcriber", report.store_calls)

    def segmented(self, report: SegmentReport) -> None:
        """Record a Segmenter's report on a recording."""
        for span in report.spans:
            self._source_decode_s.observe(span.decode_s)
            self._vad_s.observe(span.vad_s)
            self._cut_s.inc(span.audio_s)
        if report.damaged_s:
            self._damaged_s.inc(report.damaged_s)
            self._damaged.inc()
        self.store_calls("segmenter", report.store_calls)

    def voices_heard(self, audio_s: float, cpu_s: float) -> None:
        """Count a span whose voices a Diarizer heard."""
        self._voices_s.inc(audio_s)
        self._voices_cpu_s.inc(cpu_s)

    def speakers_missing(self) -> None:
        """Count a job whose speakers could not be told apart."""
        self._without_speakers.inc()

    def written(self, report: WritingReport) -> None:
        """Record the MinutesWriter's report on a job."""
        if report.outcome is not None:
            self._minutes.labels(report.outcome).inc()
        for state in report.translations:
            self._translations.labels(state).inc()
        if report.outcome == "written":
            self._minutes_s.labels(report.writer).observe(report.minutes_s)
        self._render_s.observe(report.render_s)
        for outcome, n_calls in report.calls.items():
            self._llm_calls.labels(outcome).inc(n_calls)
        self._tokens.labels("prompt").inc(report.usage.n_cache_miss)
        self._tokens.labels("cached_prompt").inc(report.usage.n_cache_hit)
        self._tokens.labels("completion").inc(report.usage.n_completion)
        self._cost.inc(report.usage.cost_usd)
        self.store_calls("minutes_writer", report.store_calls)

    def delivered(self, channel: Channel, state: DeliveryState, seconds: float) -> None:
        """Count an attempt to send a webhook or an e-mail; one that is ``pending`` then is tried again."""
        self._deliveries.labels(channel, state.value).inc()
        self._delivery_s.labels(channel).observe(seconds)

    def store_calls(self, actor: str, calls: Iterable[StoreCall]) -> None:
        """Record an actor's calls of the blob store."""
        for call in calls:
            self._store_s.labels(actor, call.operation).observe(call.seconds)
            self._store_errors.labels(actor, call.operation).inc(call.failed)

    def render(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        text: bytes = generate_latest(self._registry)
        return text

    def _labels(self, job: Job) -> tuple[str, str]:
        return self.options.class_of(job.tenant), job.options.model
