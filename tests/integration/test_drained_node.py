"""`meetmemo-drain-node` on a real cluster: nothing in hand is lost, and the node is empty when the command returns."""

import json
import os
import subprocess
import sys
import tempfile

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def test_a_drained_node_finishes_what_it_has_in_hand() -> None:
    """Calls under way on the node are answered by it; when the command is back, others answer in its place."""
    with tempfile.TemporaryDirectory(prefix="drain-") as folder:  # short: the paths of Ray's sockets lie below
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.drained_node"],
            env=os.environ
            | {
                "RAY_TMPDIR": folder,
                "RAY_AUTH_MODE": "disabled",
                "RAY_USAGE_STATS_ENABLED": "0",
                "RAY_SERVE_ENABLE_HA_PROXY": "0",
            },
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))  # Ray prints as well
    assert told["code"] == 0, told["stderr"]
    assert len(told["answers"]) == 4
    assert told["drained"] in told["answers"]
    assert told["drained"] not in told["after"]
    assert told["spare"] in told["after"]
    assert told["left"] == []
    assert told["drained_s"] < told["timeout_s"]
