"""Gauges: the state that the Coordinator finds when it is scraped."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from pipelines.core import ModelInfo


@dataclass(frozen=True, kw_only=True)
class WaitingWork:
    """The queue of one class of tenants and one model; ``oldest_s`` is the age of its oldest job that has not ended.

    ``backlog_audio_s``: recording found but not transcribed, of begun jobs; the length of ``n_queued`` others is not
    known yet.
    """

    n_queued: int = 0
    n_live: int = 0
    backlog_audio_s: float = 0.0
    oldest_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ModelGauges:
    """The Transcribers of one model: replicas that are ready, open pulls, and the audio they work on now."""

    n_replicas: int
    n_pulls: int
    leased_audio_s: float
    info: ModelInfo


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Everything at one moment; ``waiting`` by class and model. ``n_parked`` None: the store did not say.

    ``of_cluster``: figures that concern the cluster, not only a shard's jobs, are among it.
    """

    waiting: Mapping[tuple[str, str], WaitingWork] = field(default_factory=dict)
    models: Mapping[str, ModelGauges] = field(default_factory=dict)
    speed: float = 0.0
    fence: int = 0
    ledger_ok: bool = True
    store_ok: bool = True
    draining: bool = False
    n_parked: int | None = None
    of_cluster: bool = True


def render_snapshot(snapshot: Snapshot) -> bytes:
    """Return a snapshot in Prometheus' text format."""
    registry = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"meetmemo_{name}", text, labels, registry=registry)

    by_job = ("tenant_class", "model")
    queued = gauge("queued_jobs", "Jobs that wait to be begun.", *by_job)
    live = gauge("live_jobs", "Jobs in hand.", *by_job)
    backlog = gauge("backlog_audio_seconds", "Recording of jobs in hand that is not transcribed yet.", *by_job)
    oldest = gauge("oldest_job_age_seconds", "Age of the oldest job that has not ended.", *by_job)
    for labels, work in snapshot.waiting.items():
        queued.labels(*labels).set(work.n_queued)
        live.labels(*labels).set(work.n_live)
        backlog.labels(*labels).set(work.backlog_audio_s)
        oldest.labels(*labels).set(work.oldest_s)
    replicas = gauge("transcriber_replicas", "Replicas that are ready.", "model")
    ready = gauge("model_ready", "Whether a replica of the model is ready.", "model")
    pulls = gauge("open_pulls", "Calls that wait or work at Transcribers.", "model")
    old_pulls = gauge("open_tickets", "Deprecated, gone in the next version: use meetmemo_open_pulls.", "model")
    leased = gauge("leased_audio_seconds", "Speech that Transcribers work on now.", "model")
    info = gauge("model", "The replica that claimed last.", "model", "sha256", "compute_type", "device")
    for name, model in snapshot.models.items():
        if snapshot.of_cluster:
            replicas.labels(name).set(model.n_replicas)
            ready.labels(name).set(model.n_replicas > 0)
        pulls.labels(name).set(model.n_pulls)
        old_pulls.labels(name).set(model.n_pulls)
        leased.labels(name).set(model.leased_audio_s)
        info.labels(name, model.info.sha256[:12], model.info.compute_type, model.info.device).set(1)
    gauge("speed_ratio", "Audio seconds per wall second, lately, while busy.").set(snapshot.speed)
    gauge("lease_fence", "Fence of the Coordinator's lease: grows with each takeover.").set(snapshot.fence)
    gauge("ledger_up", "Whether the Coordinator reaches the ledger.").set(snapshot.ledger_ok)
    gauge("store_up", "Whether the Coordinator reaches the blob store.").set(snapshot.store_ok)
    gauge("draining", "Whether no more jobs are begun.").set(snapshot.draining)
    if snapshot.n_parked is not None:
        gauge("parked_minutes", "Jobs whose minutes wait for the language model.").set(snapshot.n_parked)
    text: bytes = generate_latest(registry)
    return text
