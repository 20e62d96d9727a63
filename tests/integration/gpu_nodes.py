"""Deploys the real graph, with replicas that only tell where they are, on a cluster whose GPUs are made up.

Run as a program of its own: Ray reads its environment once. Prints JSON: nodes by name, replicas by deployment, where
a model's replicas are after it was given fewer, and after it was left to the autoscaler.
"""

import asyncio
import json
import time
from typing import Any

import ray
from ray import serve
from ray.cluster_utils import Cluster

import cluster.app as graph
from cluster.serve import autoscaling_policy
from cluster.settings.sections import ModelSettings, RaySettings
from cluster.settings.settings import Settings

WAIT_S = 240.0
GPUS = {"gpu-0": 2, "gpu-1": 1}
N_GPUS = sum(GPUS.values())
N_FEWER = 2
SPEED, CATCH_UP_S = 100.0, 30.0


class Placed:
    """Stands for any deployment: says on which node it runs and which GPUs it owns."""

    def __init__(self, *bound: Any) -> None:
        self._handles = [part for arg in bound for part in (arg.values() if isinstance(arg, dict) else [arg])]

    def reconfigure(self, user_config: dict[str, Any]) -> None:
        """There is nothing to tune."""

    async def where(self) -> tuple[str, str, tuple[str, ...]]:
        context = ray.get_runtime_context()
        gpus = tuple(map(str, ray.get_gpu_ids()))
        return serve.get_replica_context().replica_tag, context.get_node_id(), gpus


class Transcriber(Placed):
    """A deployment's name is its options', so that stands for every model. Each replica tells what takes three."""

    async def record_autoscaling_stats(self) -> dict[str, float]:
        busy = 0.5 * N_FEWER  # all replicas together
        waiting_s = SPEED * CATCH_UP_S * (N_GPUS - busy)
        return {
            autoscaling_policy.BUSY: 0.5,
            autoscaling_policy.SPEED: SPEED,
            autoscaling_policy.BATCH_AUDIO_S: 0.0,
            autoscaling_policy.BACKLOG_S: waiting_s,
        }


def main() -> None:
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    named = {"head": nodes.head_node.node_id}
    named["cpu"] = nodes.add_node(num_cpus=4, labels={"meetmemo-node": "cpu"}).node_id
    for name, n_gpus in GPUS.items():
        named[name] = nodes.add_node(num_cpus=4, num_gpus=n_gpus, labels={"meetmemo-node": "gpu"}).node_id
    nodes.wait_for_nodes()
    ray.init(address=nodes.address, namespace="meetmemo", log_to_driver=False)
    for name in ("Segmenter", "Diarizer", "MinutesWriter", "Coordinator", "Ingestion"):
        setattr(graph, f"{name}Replica", Placed)
    graph.TranscriberReplica = Transcriber  # type: ignore[misc, assignment]  # a stand-in without a model
    graph.serve.ingress = lambda: lambda replica: replica  # type: ignore[assignment]  # nobody calls over HTTP
    serve.start(proxy_location="Disabled")
    _deploy(N_GPUS, N_GPUS)
    found = {
        name: asyncio.run(_replicas(name, N_GPUS if name == "Transcriber-m" else 1))
        for name in ("Transcriber-m", "Segmenter", "Coordinator", "MinutesWriter", "Ingestion")
    }
    _deploy(N_FEWER, N_FEWER)
    fewer = asyncio.run(_settled("Transcriber-m", N_FEWER))
    _deploy(1, N_GPUS)
    grown = asyncio.run(_settled("Transcriber-m", N_GPUS))
    serve.shutdown()  # ends the handles' own threads, which would connect anew
    ray.shutdown()
    nodes.shutdown()
    print(json.dumps({"nodes": named, "replicas": found, "fewer": fewer, "grown": grown}), flush=True)


def _deploy(least: int, most: int) -> None:
    model = ModelSettings(name="m", device="cuda", min_replicas=least, max_replicas=most, catch_up_s=CATCH_UP_S)
    settings = Settings(
        models=(model,),
        ray=RaySettings(cpu_labels={"meetmemo-node": "cpu"}),
    )
    serve.run(graph.build_app(settings.model_dump()), name="meetmemo", route_prefix=None)


async def _settled(deployment: str, n_wanted: int) -> list[Any]:
    """Where a deployment's replicas are once just so many of them run."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        states = serve.status().applications["meetmemo"].deployments[deployment].replica_states
        if states == {"RUNNING": n_wanted}:
            break
        await asyncio.sleep(0.5)
    return await _replicas(deployment, n_wanted)


async def _replicas(deployment: str, n_wanted: int) -> list[Any]:
    """Where a deployment's replicas are; asks until each has answered."""
    handle = serve.get_deployment_handle(deployment, app_name="meetmemo")
    found: dict[str, Any] = {}
    deadline = time.monotonic() + WAIT_S
    while len(found) < n_wanted and time.monotonic() < deadline:
        for tag, node, gpus in await asyncio.gather(*(handle.where.remote() for _ in range(4 * n_wanted))):
            found[tag] = (node, gpus)
    return list(found.values())


if __name__ == "__main__":
    main()
