"""Prometheus' configuration: valid, every alert fires for its fault and for no other, and has a runbook."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CONFIGS = Path(__file__).parents[3] / "configs" / "prometheus"
OPERATIONS = Path(__file__).parents[3] / "docs" / "operations.md"
HOURS = 2

pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="there is no promtool on this machine")

# A cluster that works: every minute 10 jobs of a minute each, its device half busy. Series in promtool's notation.
HEALTHY = {
    'up{job="meetmemo",instance="m:8000"}': "1x{n}",
    'up{job="ray",instance="m:9"}': "1x{n}",
    "meetmemo_coordinator_up": "1x{n}",
    "meetmemo_ledger_up": "1x{n}",
    "meetmemo_store_up": "1x{n}",
    "meetmemo_lease_fence": "7x{n}",
    "meetmemo_parked_minutes": "0x{n}",
    'meetmemo_transcriber_replicas{model="base"}': "1x{n}",
    'meetmemo_backlog_audio_seconds{tenant_class="standard",model="base"}': "500x{n}",
    'meetmemo_oldest_job_age_seconds{tenant_class="standard",model="base"}': "40x{n}",
    'meetmemo_device_busy_seconds_total{model="base"}': "0+30x{n}",
    'meetmemo_transcribed_audio_seconds_total{tenant_class="standard",model="base"}': "0+600x{n}",
    'meetmemo_suspect_audio_seconds_total{model="base"}': "0+10x{n}",
    'meetmemo_batch_rows_total{model="base"}': "0+40x{n}",
    'meetmemo_chunk_retries_total{model="base",cause="item"}': "0x{n}",
    'meetmemo_chunks_quarantined_total{model="base"}': "0x{n}",
    'meetmemo_jobs_ended_total{tenant_class="standard",model="base",state="succeeded"}': "0+10x{n}",
    'meetmemo_jobs_ended_total{tenant_class="standard",model="base",state="cancelled"}': "0+1x{n}",
    'meetmemo_jobs_late_total{tenant_class="standard",model="base"}': "0x{n}",
    'meetmemo_store_errors_total{actor="transcriber",operation="put"}': "0x{n}",
    'ray_serve_replica_startup_latency_ms_count{application="meetmemo",deployment="Segmenter"}': "3x{n}",
    'meetmemo_deliveries_total{channel="webhook",state="failed"}': "0x{n}",
    "meetmemo_spool_free_bytes": "60x{n}",
    "meetmemo_spool_size_bytes": "100x{n}",
    'meetmemo_spool_idle_seconds{kind="upload"}': "900x{n}",
    'meetmemo_spool_idle_seconds{kind="resumable"}': "80000x{n}",
    'ray_node_disk_utilization_percentage{ip="10.0.0.1"}': "40x{n}",
    'ray_node_mem_used{ip="10.0.0.1"}': "40x{n}",
    'ray_node_mem_total{ip="10.0.0.1"}': "100x{n}",
}
LATE = 'meetmemo_jobs_late_total{tenant_class="standard",model="base"}'

# What differs from the healthy cluster, and all that fires then.
FAULTS: dict[str, tuple[dict[str, str], set[str]]] = {
    "MeetMemoEndpointDown": ({'up{job="meetmemo",instance="m:8000"}': "0x{n}"}, set()),
    "MeetMemoCoordinatorDown": ({"meetmemo_coordinator_up": "0x{n}"}, set()),
    "MeetMemoShardDown": ({'meetmemo_shard_up{shard="1"}': "0x{n}"}, set()),
    "MeetMemoTranscriberGone": ({'meetmemo_transcriber_replicas{model="base"}': "0x{n}"}, set()),
    "MeetMemoIdleWithBacklog": ({'meetmemo_device_busy_seconds_total{model="base"}': "0+1x{n}"}, set()),
    "MeetMemoOldestJobTooOld": (
        {'meetmemo_oldest_job_age_seconds{tenant_class="standard",model="base"}': "14401x{n}"},
        set(),
    ),
    "MeetMemoObjectiveBurnsFast": ({LATE: "0+2x{n}"}, {"MeetMemoObjectiveBurns", "MeetMemoObjectiveErodes"}),
    "MeetMemoObjectiveBurns": ({LATE: "0+0.8x{n}"}, {"MeetMemoObjectiveErodes"}),
    "MeetMemoObjectiveErodes": ({LATE: "0+0.2x{n}"}, set()),
    "MeetMemoMinutesParked": ({"meetmemo_parked_minutes": "2x{n}"}, set()),
    "MeetMemoDeliveriesFail": ({'meetmemo_deliveries_total{channel="webhook",state="failed"}': "0+0.2x{n}"}, set()),
    "MeetMemoQuarantineGrows": ({'meetmemo_chunks_quarantined_total{model="base"}': "0+0.2x{n}"}, set()),
    "MeetMemoManyRetries": ({'meetmemo_chunk_retries_total{model="base",cause="item"}': "0+5x{n}"}, set()),
    "MeetMemoTextSuspect": ({'meetmemo_suspect_audio_seconds_total{model="base"}': "0+200x{n}"}, set()),
    "MeetMemoStoreFails": ({'meetmemo_store_errors_total{actor="transcriber",operation="put"}': "0+4x{n}"}, set()),
    "MeetMemoLedgerFails": ({"meetmemo_ledger_up": "0x{n}"}, set()),
    "MeetMemoLeaseMoves": ({"meetmemo_lease_fence": "1+0.2x{n}"}, set()),
    "MeetMemoReplicasRestart": (
        {'ray_serve_replica_startup_latency_ms_count{application="meetmemo",deployment="Segmenter"}': "0+1x{n}"},
        set(),
    ),
    "MeetMemoSpoolDiskFull": ({"meetmemo_spool_free_bytes": "5x{n}"}, set()),
    "MeetMemoSpoolLeft": ({'meetmemo_spool_idle_seconds{kind="upload"}': "7300x{n}"}, set()),
    "MeetMemoNodeDiskFull": ({'ray_node_disk_utilization_percentage{ip="10.0.0.1"}': "93x{n}"}, set()),
    "MeetMemoNodeMemoryFull": ({'ray_node_mem_used{ip="10.0.0.1"}': "97x{n}"}, set()),
    "MeetMemoRayAgentDown": ({'up{job="ray",instance="m:9"}': "0x{n}"}, set()),
}


def alert_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((CONFIGS / "rules" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(*arguments: str, cwd: Path = CONFIGS) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_and_rules_are_valid() -> None:
    """Prometheus' own tool accepts the configuration and every rule file."""
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", *map(str, sorted((CONFIGS / "rules").glob("*.yml"))))


def test_every_alert_fires_for_its_fault_only(tmp_path: Path) -> None:
    """Each fault fires its alert and those that must follow from it; a healthy cluster fires none."""
    assert set(FAULTS) == {rule["alert"] for rule in alert_rules()}
    scenarios: dict[str, tuple[dict[str, str], set[str]]] = {"healthy": ({}, set())}
    scenarios |= {name: (changed, {name, *others}) for name, (changed, others) in FAULTS.items()}
    tests = [
        {
            "name": name,
            "interval": "1m",
            "input_series": [
                {"series": series, "values": values.format(n=HOURS * 60)}
                for series, values in (HEALTHY | changed).items()
            ],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": f"{HOURS}h",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(firing)],
                }
            ],
        }
        for name, (changed, firing) in scenarios.items()
    ]
    rules = [str(path) for path in sorted((CONFIGS / "rules").glob("*.yml"))]
    path = tmp_path / "scenarios.yml"
    path.write_text(yaml.safe_dump({"rule_files": rules, "evaluation_interval": "1m", "tests": tests}))
    promtool("test", "rules", str(path))


def test_every_alert_has_a_runbook() -> None:
    """An operator finds each alert's section in docs/operations.md by the link that the alert carries."""
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in OPERATIONS.read_text().splitlines()
        if line.startswith("#")
    }
    for rule in alert_rules():
        path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert path == "docs/operations.md"
        assert anchor in headings, rule["alert"]
