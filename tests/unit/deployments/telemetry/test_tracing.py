"""From the request to the last document: one id in every log line, one trace over all actors."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import structlog
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cluster.settings.sections import TraceSettings
from cluster.wiring.logging import configure_tracing
from deployments.telemetry import tracing
from pipelines.errors import ConfigurationError
from pipelines.jobs.job import Job
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster
from tests.support.waiting import until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def spans():
    """What is traced while the test runs."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider)
    yield exporter
    tracing.use(None)


def submit(cluster: InProcessCluster, job_id: str, traceparent: str) -> Job:
    """A job as Ingestion makes it for a request within a trace."""
    job = cluster.submit(job_id, range(30))
    cluster.ledger.delete(job.tenant, job.id)
    return cluster.ledger.create(replace(job, request_id=f"req-{job_id}", traceparent=traceparent))[0]


async def test_one_job_is_one_trace(spans: InMemorySpanExporter) -> None:
    """Every step of a job, whichever actor did it, is a span of the trace that its request began; jobs do not mix."""
    other = "1" * 32
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())
    await cluster.coordinator.start()
    jobs = [submit(cluster, "a", PARENT), submit(cluster, "b", f"00-{other}-b7ad6b7169203331-01")]
    await cluster.ended(*jobs)
    await cluster.coordinator.stop()
    for job_id, trace_id in (("a", TRACE), ("b", other)):
        own = [span for span in spans.get_finished_spans() if (span.attributes or {})["job_id"] == job_id]
        assert {f"{span.context.trace_id:032x}" for span in own} == {trace_id}
        assert {span.name for span in own} >= {"segment", "transcribe", "stitch", "minutes", "write", "job"}
        times = [(span.start_time, span.end_time) for span in own]
        assert all(start is not None and end is not None and start <= end for start, end in times)


async def test_nothing_is_traced_unless_asked_for() -> None:
    """Without a provider jobs run the same, and a request's own place in a trace is empty."""
    with tracing.span("request", PARENT) as place:
        assert place == ""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())
    await cluster.coordinator.start()
    (job,) = await cluster.ended(submit(cluster, "a", PARENT))
    await cluster.coordinator.stop()
    assert job.traceparent == PARENT


async def test_log_lines_of_a_job_carry_its_fields() -> None:
    """What is logged for a job names job, tenant, model and request, in the Coordinator and in the MinutesWriter."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())
    await cluster.coordinator.start()
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await cluster.ended(submit(cluster, "a", ""))
        # The ledger has the job's end a moment before the line is written.
        await until(lambda: any(line.get("action") == "succeeded" for line in lines))
    await cluster.coordinator.stop()
    ended = next(line for line in lines if line.get("action") == "succeeded")
    assert (ended["job_id"], ended["tenant"], ended["model"], ended["request_id"]) == ("a", "t", "fake", "req-a")
    batch = next(line for line in lines if line["event"] == "batch")
    assert batch["model"] == "fake"
    assert batch["chunks"][0][:2] == ("t", "a")


def test_spans_go_to_a_file(tmp_path: Path) -> None:
    """Told to, a process writes its spans as JSON lines; a file that cannot be written is refused at the start."""
    path = tmp_path / "spans.jsonl"
    provider = configure_tracing(TraceSettings(file=path))
    assert provider is not None
    try:
        tracing.past_span("job", PARENT, 2.0, job_id="j")
        provider.force_flush()
        (span,) = map(json.loads, path.read_text().splitlines())
        assert span["context"]["trace_id"] == f"0x{TRACE}"
        provider.shutdown()
    finally:
        configure_tracing(TraceSettings())
    with pytest.raises(ConfigurationError, match="cannot be written"):
        configure_tracing(TraceSettings(file=tmp_path / "missing" / "spans"))
