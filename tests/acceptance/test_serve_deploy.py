"""Serve's own tool: ``serve deploy`` takes what ``meetmemo config serve`` prints, and changes it without a restart."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.acceptance.conftest import RunningMeetMemo
from tests.chaos.processes import in_sessions, kill_sessions
from tests.servers import free_port

TIMEOUT_S = 420.0

pytestmark = [pytest.mark.full, pytest.mark.cluster, pytest.mark.timeout(1200)]


class Deployed(RunningMeetMemo):
    """A Ray with its dashboard, started as ``ray start`` does, on which files are deployed."""

    def __init__(self, home: Path) -> None:
        super().__init__(home=home, port=free_port())
        self._dashboard = free_port()
        self._gcs = free_port()

    @property
    def environment(self) -> dict[str, str]:
        ours = {"RAY_TMPDIR": str(self.home / "t"), "RAY_AUTH_MODE": "disabled", "RAY_SERVE_ENABLE_HA_PROXY": "0"}
        return {**super().environment, **ours, "RAY_USAGE_STATS_ENABLED": "0"}

    def start(self) -> None:
        (self.home / "t").mkdir()
        with (self.home / "ray.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus", "2"),
                    *("--port", str(self._gcs), "--dashboard-port", str(self._dashboard)),
                    *("--ray-client-server-port", str(free_port()), "--node-ip-address", "127.0.0.1"),
                ],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.wait(lambda: httpx.get(f"http://127.0.0.1:{self._dashboard}/api/version", timeout=5).is_success)

    def deploy(self, config: dict[str, Any]) -> None:
        path = self.home / "serve.yaml"
        path.write_text(yaml.safe_dump(config))
        program = [sys.executable, "-m", "ray.serve.scripts", "deploy"]
        done = subprocess.run(
            [*program, "--address", f"http://127.0.0.1:{self._dashboard}", str(path)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr

    def replicas(self) -> set[int]:
        assert self.process is not None
        found = in_sessions({self.process.pid})
        return {process.pid for process in found if process.title.startswith("ray::ServeReplica:meetmemo:")}

    def wait(self, predicate: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                if predicate():
                    return
            except httpx.HTTPError:
                pass
            assert time.monotonic() < deadline, (self.home / "ray.log").read_text()[-3000:]
            time.sleep(0.5)


@pytest.fixture
def deployed() -> Iterator[Deployed]:
    with tempfile.TemporaryDirectory(prefix="sd-", ignore_cleanup_errors=True) as folder:  # short, for Ray's sockets
        running = Deployed(Path(folder))
        try:
            running.start()
            yield running
        finally:
            if running.process is not None:
                kill_sessions({running.process.pid})
                running.process.wait(timeout=30)


def test_serve_deploy_and_a_user_config(deployed: Deployed) -> None:
    """The printed file runs a job; a `user_config` beside unchanged arguments is heeded by the same processes."""
    printed = subprocess.run(
        [sys.executable, "-m", "cluster.cli", "config", "serve"],
        env=deployed.environment | {"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=True,
    )
    config = yaml.safe_load(printed.stdout)
    deployed.deploy(config)
    deployed.wait(deployed.ready)
    assert deployed.finished(deployed.submit("short.mp3")["id"])["state"] == "succeeded"

    before = deployed.replicas()
    limits = {"limits": {"max_upload_mb": 1}}
    config["applications"][0]["deployments"] = [{"name": "Ingestion", "user_config": limits}]
    deployed.deploy(config)
    big = b"x" * (2 << 20)
    deployed.wait(lambda: httpx.post(f"{deployed.url}/v1/jobs", content=big, timeout=60).status_code == 413)
    assert deployed.replicas() == before
