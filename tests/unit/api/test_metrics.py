"""What Prometheus finds at ``/metrics``."""

from prometheus_client.parser import text_string_to_metric_families

from deployments.metrics import render_metrics
from deployments.ports import ClusterStatus, ModelStatus
from pipelines.jobs import JobState


def samples(text: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_every_state_and_model_is_there() -> None:
    """Jobs by state, backlog, speed and readiness are gauges in base units."""
    status = ClusterStatus(models=(ModelStatus(name="base", ready=True),), backlog_audio_s=90.0, speed=12.5)
    found = samples(render_metrics({JobState.QUEUED: 3, JobState.FAILED: 0}, status, "1.2.3"))
    assert found[("meetmemo_jobs", "queued")] == 3
    assert found[("meetmemo_jobs", "failed")] == 0
    assert found[("meetmemo_backlog_audio_seconds", "")] == 90.0
    assert found[("meetmemo_speed_ratio", "")] == 12.5
    assert found[("meetmemo_model_ready", "base")] == 1
    assert found[("meetmemo_build_info", "1.2.3")] == 1


def test_a_silent_coordinator_shows() -> None:
    """Without the Coordinator the ledger's counts are still there, and ``up`` is 0."""
    found = samples(render_metrics({JobState.QUEUED: 1}, None, "1"))
    assert found[("meetmemo_jobs", "queued")] == 1
    assert found[("meetmemo_coordinator_up", "")] == 0
    assert ("meetmemo_speed_ratio", "") not in found
