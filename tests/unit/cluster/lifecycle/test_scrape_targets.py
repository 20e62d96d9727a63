"""The lists of what Prometheus scrapes follow the cluster."""

import json
import os
from pathlib import Path

from cluster.lifecycle.scrape_targets import keeping_targets, write_targets
from tests.support.waiting import until


def test_targets_are_in_prometheus_form(tmp_path: Path) -> None:
    """Both files hold target groups of host:port."""
    write_targets(tmp_path / "targets", "http://10.0.0.1:8000", ["10.0.0.1:9", "10.0.0.2:9"])
    assert json.loads((tmp_path / "targets" / "endpoint.json").read_text()) == [
        {"targets": ["10.0.0.1:8000"], "labels": {}}
    ]
    assert json.loads((tmp_path / "targets" / "ray.json").read_text())[0]["targets"] == ["10.0.0.1:9", "10.0.0.2:9"]


async def test_targets_follow_the_nodes(tmp_path: Path, monkeypatch) -> None:
    """A node that joins appears at the next round; a round that fails leaves the list as it was."""
    monkeypatch.setattr("cluster.lifecycle.scrape_targets.REFRESH_S", 0.01)
    nodes = ["a:1"]

    def agents() -> list[str]:
        if not nodes:
            raise ConnectionError("no head")
        return list(nodes)

    def listed() -> list[str]:
        path = tmp_path / "ray.json"
        return json.loads(path.read_text())[0]["targets"] if path.exists() else []

    with keeping_targets(tmp_path, "http://h:1", agents):
        await until(lambda: listed() == ["a:1"])
        nodes.append("b:1")
        await until(lambda: listed() == ["a:1", "b:1"])
        nodes.clear()
    assert listed() == ["a:1", "b:1"]


def test_lists_are_read_by_whoever_may_enter_their_folder(tmp_path: Path) -> None:
    """Prometheus often runs as a user of its own; in the home, which is closed, the lists are closed as well."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    before = os.umask(0o077)
    try:
        for folder in (shared, tmp_path / "home" / "targets"):
            write_targets(folder, "http://10.0.0.1:8000", [])
    finally:
        os.umask(before)
    assert (shared / "ray.json").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "home" / "targets" / "ray.json").stat().st_mode & 0o777 == 0o600
