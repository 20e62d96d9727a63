"""A cluster of several nodes with simulated GPUs: every replica of a model owns one, and nothing else is beside it."""

import json
import os
import subprocess
import sys
import tempfile

import pytest

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def test_replicas_own_a_gpu_each_and_the_rest_stays_off(tmp_path) -> None:
    """Three Transcribers fill two GPU nodes; Segmenter, Coordinator and the others are on the CPU node.

    With one fewer, the replica goes that was alone on its node, which is free then; the others run on. Left to the
    autoscaler, which hears of a backlog for three, it comes back.
    """
    with tempfile.TemporaryDirectory(prefix="gpu-") as folder:  # short: the paths of Ray's sockets lie below
        environment = os.environ | {
            "RAY_TMPDIR": folder,
            "RAY_AUTH_MODE": "disabled",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_SERVE_ENABLE_HA_PROXY": "0",
            "MEETMEMO_HOME": str(tmp_path),
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.integration.gpu_nodes"],
            env=environment,
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    nodes, replicas = told["nodes"], told["replicas"]
    placed = {node for node, _ in replicas["Transcriber-m"]}
    assert placed == {nodes["gpu-0"], nodes["gpu-1"]}
    assert all(len(gpus) == 1 for _, gpus in replicas["Transcriber-m"])
    owned = {(node, *gpus) for node, gpus in replicas["Transcriber-m"]}
    assert len(owned) == 3
    left = {(node, *gpus) for node, gpus in told["fewer"]}
    assert {node for node, _ in left} == {nodes["gpu-0"]}
    assert left < owned
    grown = {(node, *gpus) for node, gpus in told["grown"]}
    assert len(grown) == 3
    assert left < grown
    for name in ("Segmenter", "Coordinator", "MinutesWriter", "Ingestion"):
        assert replicas[name], name
        assert {node for node, _ in replicas[name]} == {nodes["cpu"]}, name
