"""A process for one arm: loads it once, then hears what it is asked to, one JSON line in, one out.

    {"tasks": [{"path": …, "language": "en", "split": false}, …], "options": {"beam": 1, "word_times": false}}  →
    {"heard": [{"segments": […], "failure": ""}, …], "cpu_s": …, "wall_s": …}

``cpu_s`` is the processor time of this process and its descendants: of a cluster's too, when it is the arm's own.
"""

import json
import sys
import time
from pathlib import Path

from scripts.hearing.arms import Arm, Engine, FasterWhisper, Options, Task
from scripts.throughput.meter import Meter


def serve(name: str, model: Path, threads: int, url: str) -> None:
    """Answer until standard input ends."""
    started_s = time.monotonic()
    arm = load_arm(name, model, threads, url)
    print(json.dumps({"start_s": time.monotonic() - started_s}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        tasks = [Task(**task) for task in asked["tasks"]]
        with Meter() as meter:
            heard = arm.hear(tasks, Options(**asked["options"]))
        answer = {
            "heard": [one.as_dict() for one in heard],
            "cpu_s": meter.usage.cpu_s,
            "wall_s": meter.usage.wall_s,
        }
        print(json.dumps(answer), flush=True)
    if hasattr(arm, "close"):
        arm.close()


def load_arm(name: str, model: Path, threads: int, url: str = "") -> Arm:
    """Return the arm of that name (`scripts.hearing.cli.ARMS`); ``url`` names a running cluster for ``cluster``."""
    if name == "cluster":
        from cluster.client.http import Client
        from scripts.hearing.cluster_arm import ClusterArm, OwnClusterArm

        return ClusterArm(lambda: Client(url)) if url else OwnClusterArm(model, threads)
    if name == "engine":
        return Engine(model, threads)
    kind, _, size = name.partition("-")
    if kind == "batched":
        return FasterWhisper(model, threads, batch_size=int(size))
    if name in ("sequential", "sequential-vad"):
        return FasterWhisper(model, threads, vad=size == "vad")
    raise ValueError(f"there is no arm {name!r}")


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
