"""A cluster of two workers, one of which `meetmemo-drain-node` drains: run as a program, it prints what it saw.

Two replicas, one a node, hold a call each while one node is drained. Prints how the call on that node ended, and when
the command returned.
"""

import json
import subprocess
import sys
import time
from typing import Any

import ray
from ray import serve
from ray.cluster_utils import Cluster

HOLD_S = 6.0
TIMEOUT_S = 90.0


@serve.deployment(
    num_replicas=2,
    graceful_shutdown_timeout_s=30,
    ray_actor_options={"num_cpus": 1},
    max_ongoing_requests=2,  # so that of four calls each replica takes two
)
class Holder:
    """Takes a call for a while; tells where it runs."""

    async def __call__(self, hold_s: float) -> str:
        import asyncio

        await asyncio.sleep(hold_s)
        return str(ray.get_runtime_context().get_node_id())


def main() -> None:
    """Start the cluster, drain a node, print a line of JSON."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False)
    handle = serve.run(Holder.bind(), name="holder", route_prefix=None)
    seen: set[str] = set()
    while len(seen) < 2:
        seen.add(handle.remote(0.0).result(timeout_s=60))
    drained = workers[0]
    spare = cluster.add_node(num_cpus=1)
    calls = [handle.remote(HOLD_S) for _ in range(4)]
    time.sleep(1)
    began_s = time.monotonic()
    command = [sys.executable, "-m", "tests.integration.drained_node", "--drain", cluster.address, drained.node_id]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S + 60, check=False)
    drained_s = time.monotonic() - began_s
    answers = [call.result(timeout_s=60) for call in calls]
    told: dict[str, Any] = {
        "drained": drained.node_id,
        "spare": spare.node_id,
        "answers": answers,
        "drained_s": drained_s,
        "timeout_s": TIMEOUT_S,
        "left": json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None,
        "code": done.returncode,
        "stderr": done.stderr,
        "after": sorted({handle.remote(0.0).result(timeout_s=60) for _ in range(20)}),
    }
    print(json.dumps(told))
    serve.shutdown()
    ray.shutdown()
    cluster.shutdown()


def drain(address: str, node_id: str) -> None:
    """Drain one node of this machine, which a pod's command would find by itself."""
    from cluster.lifecycle.node_drain import ConnectedNode, drain_node

    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    node = ConnectedNode(node_id)
    print(json.dumps(drain_node(node, TIMEOUT_S)))


if __name__ == "__main__":
    if "--drain" in sys.argv:
        drain(*sys.argv[-2:])
    else:
        main()
