"""A process for one arm: loads it once, then runs what it is asked, one JSON line in, one out.

    {"paths": [...], "beam": 1}  →
    {"texts": [...], "after_s": [...], "wall_s": …, "cpu_s": …, "peak_pss_mb": …, "parts_s": {"Coordinator": …}}

Measured from inside, so that reading and writing the lines does not count.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from scripts.throughput.meter import Meter


def serve(name: str, model: Path, threads: int) -> None:
    """Answer until standard input ends."""
    started_s = time.monotonic()
    arm = _load(name, model, threads)
    print(json.dumps({"start_s": time.monotonic() - started_s}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if hasattr(arm, "prepare"):
            arm.prepare(asked["paths"])
        with Meter() as meter:
            heard = arm.run(asked["paths"], asked["beam"])
        answer = {
            "texts": [one.text for one in heard],
            "after_s": [one.after_s for one in heard],
            "wall_s": meter.usage.wall_s,
            "cpu_s": meter.usage.cpu_s,
            "peak_pss_mb": meter.usage.peak_pss_bytes / 1e6,
            "parts_s": meter.usage.parts_s,
        }
        print(json.dumps(answer), flush=True)
    if hasattr(arm, "close"):
        arm.close()


def _load(name: str, model: Path, threads: int) -> Any:
    if name == "cluster":
        from scripts.throughput.cluster_arm import ClusterArm

        return ClusterArm(model, threads)
    if name in ("bare", "bare-batched"):
        from scripts.throughput.bare import Bare

        return Bare(model, threads, wide=name == "bare")
    kind, _, size = name.partition("-")
    if kind == "s2t":
        from scripts.throughput.s2t_arm import WhisperS2T

        return WhisperS2T(model, threads, int(size))
    from scripts.throughput import arms

    if kind == "engine":
        return arms.Engine(model, threads)
    if kind == "batched":
        return arms.FasterWhisperBatched(model, threads, int(size))
    return arms.FasterWhisperSequential(model, threads)


if __name__ == "__main__":
    serve(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
