"""``meetmemo-drain-node``: take the work off this Ray node before it ends, as a pod's ``preStop`` hook.

Without it a kubelet's signal ends the node and every batch on it at once. Here Ray is told that the node will go: Serve
starts its replicas elsewhere, stops those on the node, which finish what they have in hand, and places nothing new
there. The command returns when no replica is left on the node, or when the time is over; it never fails, since the pod
ends anyway.
"""

import argparse
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

ROUND_S = 1.0
REPLICA = "SERVE_REPLICA::"
"""How the names of Serve's replicas begin."""


class RayNode(Protocol):
    """The node that the command runs on, as its cluster knows it."""

    def drain(self, timeout_s: float) -> str:
        """Announce the node's end in ``timeout_s`` seconds; return the reason of a refusal, empty where it is taken."""

    def replicas(self) -> list[str]:
        """Return the names of the replicas that live on the node."""


def drain_node(
    node: RayNode,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Announce the node's end and wait until no replica is left on it; return those that are left in the end.

    A cluster that cannot be reached any more, since Ray ends a drained node by itself, counts as an empty node.
    """
    deadline_s = clock() + timeout_s
    refusal = node.drain(timeout_s)
    if refusal:
        raise RuntimeError(refusal)
    while True:
        try:
            left = node.replicas()
        except Exception:  # Ray has many errors for a connection that is gone, without a common class
            return []
        if not left or clock() >= deadline_s:
            return left
        sleep(ROUND_S)


class ConnectedNode:
    """A node of the cluster that this process is connected to, its own unless ``node_id`` names another."""

    def __init__(self, node_id: str = "") -> None:
        import ray

        self._id: str = node_id or ray.get_runtime_context().get_node_id()

    def drain(self, timeout_s: float) -> str:
        """Announce the node's end; see `RayNode`."""
        import ray
        from ray.core.generated.autoscaler_pb2 import DrainNodeReason  # type: ignore[attr-defined]  # made at run time

        client = ray._raylet.GcsClient(  # type: ignore[attr-defined]  # compiled
            address=ray.get_runtime_context().gcs_address
        )
        accepted, refusal = client.drain_node(
            self._id,
            DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION"),
            "the pod ends",
            int((time.time() + timeout_s) * 1000),
        )
        return "" if accepted else refusal or "Ray refused to drain the node"

    def replicas(self) -> list[str]:
        """Return the names of the replicas that live on the node."""
        from ray._private.state import actors

        return sorted(name for actor in actors().values() if (name := replica_on(self._id, actor)))


def replica_on(node_id: str, actor: Mapping[str, Any]) -> str:
    """Return the name of an actor of Ray's table that is a replica and lives on a node, else nothing."""
    name: str = actor["Name"]
    here = actor["Address"]["NodeID"] == node_id and actor["State"] == "ALIVE"
    return name if here and name.startswith(REPLICA) else ""


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="meetmemo-drain-node", description="Take the work off this Ray node, for a pod that is about to end."
    )
    parser.add_argument("--timeout-s", type=float, default=180.0, help="wait no longer (default 180)")
    timeout_s = parser.parse_args().timeout_s
    try:
        import ray

        ray.init(address="auto", log_to_driver=False, logging_level=logging.ERROR)
        left = drain_node(ConnectedNode(), timeout_s)
    except Exception as error:
        print(f"The node was not drained: {error}", file=sys.stderr)
        return
    if left:
        print(f"{len(left)} replicas have not ended within {timeout_s:g} s: {', '.join(left)}", file=sys.stderr)


if __name__ == "__main__":
    main()
