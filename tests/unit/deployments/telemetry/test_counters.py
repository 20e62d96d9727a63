"""What the Coordinator counts: complete, in base units, and bounded whatever the load."""

import threading
import time
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from deployments.telemetry.counters import CoordinatorMetrics, MetricsOptions
from deployments.telemetry.gauges import ModelGauges, Snapshot, render_snapshot
from deployments.telemetry.reports import BatchReport, SegmentReport, SpanTiming, WritingReport
from pipelines.core import BlobRef, ModelInfo, Usage
from pipelines.errors import Reason, StoreUnavailable
from pipelines.jobs.job import Job, JobOptions, JobState, Progress
from pipelines.ledger.outbox import DeliveryState
from pipelines.storage.measured import MeasuredStore, StoreCall
from tests.fakes.engine import FakeEngine
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import MODEL, InProcessCluster
from tests.support.waiting import until

NOW_S = 10_000.0


def read(text: bytes) -> dict[str, float]:
    """Values by name and labels, as PromQL would write them."""
    return {
        sample.name + ("{" + ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items())) + "}")
        if sample.labels
        else sample.name: sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def make_job(state: JobState, *, took_s: float = 10.0, audio_s: float = 100.0, tenant: str = "acme") -> Job:
    return Job(
        id="j",
        tenant=tenant,
        options=JobOptions(model="base"),
        source=BlobRef(key="k", n_bytes=1),
        filename="a.wav",
        created_at_s=NOW_S - took_s,
        state=state,
        progress=Progress(audio_s=audio_s, done_s=audio_s),
    )


async def test_a_run_shows_in_the_figures() -> None:
    """Jobs through the real Coordinator leave their traces in every family that has a source here."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore(), engine=FakeEngine(poison=[7]))
    await cluster.coordinator.start()
    await cluster.coordinator.wake(2)
    jobs = [cluster.submit("good", range(100, 160)), cluster.submit("bad", range(1, 21))]
    await cluster.ended(*jobs)
    await cluster.at_rest()
    found = read(await cluster.coordinator.metrics())
    await cluster.coordinator.stop()
    by_job = f'model="{MODEL}",tenant_class="standard"'
    by_model = f'model="{MODEL}"'
    assert found["meetmemo_jobs_submitted_total"] == 2
    assert found[f"meetmemo_jobs_begun_total{{{by_job}}}"] == 2
    assert found[f'meetmemo_jobs_ended_total{{model="{MODEL}",state="succeeded",tenant_class="standard"}}'] == 2
    assert found[f"meetmemo_job_duration_seconds_count{{{by_job}}}"] == 2
    assert found[f"meetmemo_transcribed_audio_seconds_total{{{by_job}}}"] > 0
    assert found[f"meetmemo_batches_total{{{by_model}}}"] >= 3
    assert found[f"meetmemo_batch_rows_total{{{by_model}}}"] >= 7
    assert found[f"meetmemo_chunks_quarantined_total{{{by_model}}}"] == 1
    assert found[f'meetmemo_chunk_retries_total{{cause="item",model="{MODEL}"}}'] == 2
    assert found['meetmemo_minutes_total{outcome="written"}'] == 2
    assert found['meetmemo_store_call_seconds_count{actor="transcriber",operation="get"}'] > 0
    assert found['meetmemo_store_call_seconds_count{actor="coordinator",operation="put"}'] > 0
    assert found[f"meetmemo_transcriber_replicas{{{by_model}}}"] == 1
    assert found[f"meetmemo_backlog_audio_seconds{{{by_job}}}"] == 0
    assert found["meetmemo_lease_fence"] == 1
    assert found["meetmemo_parked_minutes"] == 0


async def test_what_waits_shows_by_class_and_model() -> None:
    """Queued and live jobs, their audio and the age of the oldest are told by class of tenants."""
    engine = FakeEngine()
    engine.gate.clear()
    cluster = InProcessCluster(MemoryLedger(), MemoryStore(), engine=engine)
    await cluster.coordinator.start()
    job = cluster.submit("slow", range(50))

    async def something_waits() -> bool:
        return (await cluster.coordinator.status()).backlog_audio_s > 0

    await until(something_waits)
    await cluster.coordinator.drain(begin=True)
    cluster.submit("waits", range(5))
    found = read(await cluster.coordinator.metrics())
    engine.gate.set()
    by_job = f'model="{MODEL}",tenant_class="standard"'
    assert found[f"meetmemo_queued_jobs{{{by_job}}}"] == 1
    assert found[f"meetmemo_live_jobs{{{by_job}}}"] == 1
    assert found[f"meetmemo_backlog_audio_seconds{{{by_job}}}"] > 0
    assert found[f"meetmemo_oldest_job_age_seconds{{{by_job}}}"] == pytest.approx(time.time() - 1.0, abs=60)
    assert found["meetmemo_draining"] == 1
    await cluster.ended(job)
    await cluster.coordinator.stop()


def test_late_and_failed_jobs_count_against_the_objective() -> None:
    """Late successes and our own faults are late; bad recordings and cancelled jobs are not."""
    counters = CoordinatorMetrics(["base"], MetricsOptions(base_s=60, per_audio_s=0.5))
    counters.ended(make_job(JobState.SUCCEEDED, took_s=109), NOW_S)
    counters.ended(make_job(JobState.SUCCEEDED, took_s=111), NOW_S)
    counters.ended(replace(make_job(JobState.FAILED), reason=Reason.REPLICA_LOST), NOW_S)
    counters.ended(replace(make_job(JobState.FAILED), reason=Reason.CORRUPT_AUDIO), NOW_S)
    counters.ended(make_job(JobState.CANCELLED, took_s=9999), NOW_S)
    found = read(counters.render())
    assert found['meetmemo_jobs_late_total{model="base",tenant_class="standard"}'] == 2
    assert found['meetmemo_jobs_failed_total{reason="corrupt_audio"}'] == 1
    assert found['meetmemo_job_real_time_factor_sum{model="base",tenant_class="standard"}'] == pytest.approx(2.2)


def test_figures_of_the_actors_are_counted() -> None:
    """A batch, a recording's cutting and written minutes move their families by what they say."""
    counters = CoordinatorMetrics(["base"])
    counters.batch(
        "base",
        BatchReport(
            n_rows=4, max_rows=8, audio_s=60, device_s=3.0, cpu_s=5.0, suspect_s=12.0, n_fallbacks=1, wait_s=0.5
        ),
        window_s=30.0,
    )
    counters.segmented(SegmentReport(spans=(SpanTiming(audio_s=300, decode_s=0.5, vad_s=1.5),)))
    counters.segmented(SegmentReport(spans=(), damaged_s=7.5))
    usage = Usage(n_calls=1, n_prompt=1000, n_cache_hit=400, n_completion=50, cost_usd=0.25)
    counters.written(
        WritingReport(outcome="written", writer="llm", minutes_s=2.0, usage=usage, calls={"ok": 1, "overloaded": 2})
    )
    counters.delivered("webhook", DeliveryState.DELIVERED, 0.2)
    counters.store_calls("segmenter", [StoreCall(operation="put", seconds=0.1, failed=True)])
    found = read(counters.render())
    assert found['meetmemo_deliveries_total{channel="webhook",state="delivered"}'] == 1
    assert found['meetmemo_batch_fill_ratio_sum{model="base"}'] == 0.5
    assert found["meetmemo_damaged_audio_seconds_total"] == 7.5
    assert found["meetmemo_damaged_recordings_total"] == 1
    assert found['meetmemo_batch_efficiency_ratio_sum{model="base"}'] == 0.5
    assert found['meetmemo_device_busy_seconds_total{model="base"}'] == 3.0
    assert found['meetmemo_suspect_audio_seconds_total{model="base"}'] == 12.0
    assert found['meetmemo_fallback_rows_total{model="base"}'] == 1
    assert found["meetmemo_span_decode_seconds_sum"] == 0.5
    assert found["meetmemo_span_vad_seconds_sum"] == 1.5
    assert found['meetmemo_llm_calls_total{outcome="overloaded"}'] == 2
    assert found['meetmemo_llm_tokens_total{kind="prompt"}'] == 600
    assert found["meetmemo_llm_cost_dollars_total"] == 0.25
    assert found['meetmemo_store_errors_total{actor="segmenter",operation="put"}'] == 1


def test_cardinality_does_not_grow_with_tenants() -> None:
    """A thousand tenants make no more series than one; only classes and models multiply them."""
    counters = CoordinatorMetrics(["base"], MetricsOptions(tenant_classes={"acme": "gold"}))
    for tenant in ("acme", "first"):
        counters.begun(make_job(JobState.QUEUED, tenant=tenant))
        counters.ended(make_job(JobState.SUCCEEDED, tenant=tenant), NOW_S)
    before = read(counters.render())
    for number in range(1000):
        counters.begun(make_job(JobState.QUEUED, tenant=f"tenant-{number}"))
        counters.ended(make_job(JobState.SUCCEEDED, tenant=f"tenant-{number}"), NOW_S)
    after = read(counters.render())
    assert after.keys() == before.keys()
    assert not [name for name in after if "acme" in name or "tenant-" in name]
    assert len(after) < 1000


def test_units_are_base_units() -> None:
    """Every family is named for seconds, bytes, dollars, a ratio or a count, as Prometheus wants it."""
    families = list(text_string_to_metric_families(CoordinatorMetrics(["base"]).render().decode()))
    assert all(family.name.startswith("meetmemo_") and family.documentation for family in families)
    assert not [family.name for family in families if family.name.endswith(("_ms", "_milliseconds", "_percent"))]


def test_a_store_is_measured_call_by_call() -> None:
    """Calls are remembered once, those that the store failed as failed; a missing blob is no failure."""
    memory = MemoryStore()
    store = MeasuredStore(memory)
    store.put("a/b", b"1")
    assert store.get("a/b") == b"1"
    memory.outage = "away"
    with pytest.raises(StoreUnavailable):
        store.get("a/b")
    calls = store.take_calls()
    assert [(call.operation, call.failed) for call in calls] == [("put", False), ("get", False), ("get", True)]
    assert store.take_calls() == ()


async def test_a_scrape_does_not_wait_for_storage(monkeypatch) -> None:
    """A ledger that hangs costs a scrape a moment, and shows; so does a store that is away. Counters are there."""
    monkeypatch.setattr("deployments.coordinator.metrics_snapshot.STORAGE_TIMEOUT_S", 0.05)
    ledger, store = MemoryLedger(), MemoryStore()
    cluster = InProcessCluster(ledger, store)
    await cluster.coordinator.start()
    hangs = threading.Event()
    monkeypatch.setattr(ledger, "queued_jobs", lambda *_: hangs.wait(5) or ())
    store.outage = "away"
    found = read(await cluster.coordinator.metrics())
    store.outage = ""
    hangs.set()
    await cluster.coordinator.stop()
    assert found["meetmemo_ledger_up"] == 0
    assert "meetmemo_parked_minutes" not in found
    assert found["meetmemo_jobs_submitted_total"] == 0


def test_open_pulls_have_their_old_name_too() -> None:
    """Panels made for ``meetmemo_open_tickets`` keep working for one version; its help text names the new one."""
    models = {"base": ModelGauges(n_replicas=1, n_pulls=3, leased_audio_s=0.0, info=ModelInfo(name="base"))}
    text = render_snapshot(Snapshot(models=models))
    found = read(text)
    assert found['meetmemo_open_pulls{model="base"}'] == found['meetmemo_open_tickets{model="base"}'] == 3
    assert b"# HELP meetmemo_open_tickets Deprecated" in text
