"""A real Prometheus scrapes the running cluster: every panel and rule has data, and a fault raises its alert."""

import re
import shutil
from collections.abc import Iterator

import pytest
import yaml

from scripts.dashboards.panels import DASHBOARDS
from tests.acceptance.conftest import RunningMeetMemo
from tests.chaos.processes import in_sessions, kill
from tests.servers.prometheus import CONFIGS, PrometheusServer

TIMEOUT_S = 240.0  # a machine that is busy with other things

OF_SEVERAL_SHARDS = {"meetmemo_shard_up"}
"""Series that a single Coordinator does not have; tests/unit/repository/test_prometheus_rules.py tries their alerts."""

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="there is no Prometheus on this machine"),
]


@pytest.fixture(scope="module")
def prometheus(meetmemo: RunningMeetMemo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    """Prometheus over the shared cluster, and jobs that ran while it looked."""
    server = PrometheusServer(tmp_path_factory.mktemp("prometheus"), meetmemo.home / "run" / "targets")
    server.start()
    try:
        assert server.wait(lambda: len(server.values("up == 1")) == 2, TIMEOUT_S), server.ask("targets")
        for name in ("short.mp3", "call-stereo.opus", "short.m4a"):
            meetmemo.finished(meetmemo.submit(name)["id"])
        yield server
    finally:
        server.stop()


def rules() -> list[dict[str, str]]:
    files = sorted((CONFIGS / "rules").glob("*.yml"))
    return [rule for path in files for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def test_every_panel_and_rule_has_data(prometheus: PrometheusServer) -> None:
    """All queries of both dashboards, all recording rules and every series that an alert looks at are there."""
    wanted = {expr for board in DASHBOARDS for _, row in board.rows for panel in row for _, expr in panel.queries}
    for rule in rules():
        if "record" in rule:
            wanted |= {rule["expr"], rule["record"]}
        else:
            text = re.sub(r'"[^"]*"', "", rule["expr"])
            names = re.findall(r"\b(?:model|class):\w+:\w+|\b(?:meetmemo|ray)_\w+|\bup\b", text)
            assert names, rule["alert"]
            wanted |= set(names)
    missing = wanted - OF_SEVERAL_SHARDS

    def complete() -> bool:
        missing.difference_update([expr for expr in missing if prometheus.values(expr)])
        return not missing

    assert prometheus.wait(complete, TIMEOUT_S), missing
    groups = prometheus.ask("rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}


def test_a_transcriber_that_is_gone_raises_its_alert(meetmemo: RunningMeetMemo, prometheus: PrometheusServer) -> None:
    """Killing the only Transcriber makes its alert pending; once Serve has replaced it, the alert is gone."""
    assert meetmemo.process is not None
    session = meetmemo.process.pid
    assert "MeetMemoTranscriberGone" not in prometheus.alerts()

    def pending_after_kill() -> bool:
        for process in in_sessions({session}):
            if process.title.startswith("ray::ServeReplica:meetmemo:Transcriber"):
                kill(process.pid)
        return prometheus.wait(lambda: prometheus.alerts().get("MeetMemoTranscriberGone") == "pending", 30)

    assert prometheus.wait(pending_after_kill, TIMEOUT_S)
    assert prometheus.wait(lambda: "MeetMemoTranscriberGone" not in prometheus.alerts(), TIMEOUT_S)
    assert prometheus.wait(meetmemo.ready, TIMEOUT_S)
