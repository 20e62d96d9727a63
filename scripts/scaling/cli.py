"""`scripts/simulate`: the same queue and policies on 1 to 1,000 GPUs, as a table and a plot."""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.core import Chunk, SpeechInterval
from pipelines.scheduling.fair_queue import FairQueue
from pipelines.scheduling.work_item import WorkItem
from scripts.scaling.model import Figures, Scenario, Simulation

GPUS = (1, 4, 16, 64, 256, 1000)
SLOWER = 20
"""Times as slow are the replicas of the first burst: batches of a minute instead of seconds."""
_ROWS = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="simulate",
        description="MeetMemo's queue, late claims and autoscaling in simulated time.",
    )
    add = parser.add_argument
    add("--speed", type=float, default=1000.0, help="audio seconds per second of one replica (%(default)s)")
    add("--batch", type=int, default=64, help="rows in a batch (%(default)s)")
    add("--rows-per-second", type=float, help="what the Coordinator handles; default: the queue measured here, / 4")
    add("--out", type=Path, help="file for the plot")
    options = parser.parse_args()
    queue_rows_s = measure_queue()
    rows_s = options.rows_per_second or queue_rows_s / 4
    print(f"FairQueue on this machine: {queue_rows_s:,.0f} rows/s added and taken; Coordinator: {rows_s:,.0f} rows/s\n")
    base = Scenario(
        replicas=1, seconds=600, speed=options.speed, batch_rows=options.batch, coordinator_rows_s=rows_s, load=0.9
    )
    sizes = [replace(base, replicas=n, seconds=_seconds(n, options.speed)) for n in GPUS]
    steady = _run(sizes)
    print("Steady load of 0.9 of the capacity, all replicas on:\n")
    print(table(steady))
    slow = _run(_bursts(base, options.speed / SLOWER))
    print("\nAn hour at a load of 0.3 of 16 replicas, six times that for 6 minutes.")
    print(f"\nReplicas of {options.speed / SLOWER:g} × real time:\n\n{table(slow)}")
    fast = _run(_bursts(base, options.speed))
    print(f"\nReplicas of {options.speed:g} × real time:\n\n{table(fast)}")
    print("\nTwo hours at a load of 0.3 of 16 replicas without economy jobs, then with as many of these besides:\n")
    print(economy_table(_run(_economy(base, options.speed / SLOWER))))
    print("\nEstimates given to jobs as they arrive, against what they took:\n")
    print(estimate_table([*slow, *_run(_loads(base, options.speed / SLOWER))]))
    if options.out:
        plot(steady, slow, options.out)


def _run(scenarios: Sequence[Scenario]) -> list[tuple[Scenario, Figures]]:
    return [(scenario, Simulation(scenario).run()) for scenario in scenarios]


def _bursts(base: Scenario, speed: float) -> list[Scenario]:
    """Return the same burst under every policy, and with replicas that fail."""
    bursty = replace(base, replicas=16, seconds=3600, speed=speed, load=0.3, burst=6.0)
    lossy = replace(bursty, policy="backlog", losses_per_hour=2.0)
    return [*(replace(bursty, policy=policy) for policy in ("fixed", "pulls", "backlog")), lossy]


def _economy(base: Scenario, speed: float) -> list[Scenario]:
    """Return a steady load, and the same with as much economy work besides, on replicas that come and go."""
    steady = replace(base, replicas=16, seconds=7200, speed=speed, load=0.3, policy="backlog")
    return [steady, replace(steady, load=0.6, economy=0.5), replace(steady, load=0.9, economy=2 / 3)]


def _loads(base: Scenario, speed: float) -> list[Scenario]:
    """Return steady loads of a cluster of 16 replicas that are always on."""
    return [replace(base, replicas=16, seconds=3600, speed=speed, load=load) for load in (0.3, 0.6, 0.9)]


def measure_queue() -> float:
    """Return the rows per second that this machine adds to and takes from a `FairQueue` of 32 jobs."""
    queue = FairQueue()
    items = [
        WorkItem(
            tenant=f"t{index % 4}",
            job_id=f"j{index % 32}",
            chunk=Chunk(index=index, channel=0, span=0, pieces=(SpeechInterval(start=0, end=448_000),)),
            language="en",
        )
        for index in range(_ROWS)
    ]
    started_s = time.perf_counter()
    for item in items:
        queue.add(item)
    while queue.take(64):
        pass
    return _ROWS / (time.perf_counter() - started_s)


def table(runs: Sequence[tuple[Scenario, Figures]]) -> str:
    """Format a Markdown table with a row per scenario."""
    lines = [
        "| replicas | policy | losses/h | busy | audio s/s | delay p50 | p95 | Coordinator | repeated | replica-h |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for scenario, figures in runs:
        lines.append(
            f"| {scenario.replicas} | {scenario.policy} | {scenario.losses_per_hour:g} | {100 * figures.busy:.0f} % "
            f"| {figures.throughput:,.0f} | {figures.delay_p50_s:.1f} s | {figures.delay_p95_s:.1f} s "
            f"| {100 * figures.coordinator_busy:.0f} % | {100 * figures.repeated:.2f} % "
            f"| {figures.replica_hours:.2f} |"
        )
    return "\n".join(lines)


def economy_table(runs: Sequence[tuple[Scenario, Figures]]) -> str:
    """Format a Markdown table of both classes' delays, with a row per scenario."""
    lines = [
        "| load | of it economy | standard delay p50 | p95 | economy delay p50 | p95 | audio s/s | replica-h |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for scenario, figures in runs:
        economy = [figures.economy_delay_p50_s, figures.economy_delay_p95_s]
        told = ["–" if math.isnan(each) else f"{each:.0f} s" for each in economy]
        lines.append(
            f"| {scenario.load:g} | {100 * scenario.economy:.0f} % | {figures.delay_p50_s:.1f} s "
            f"| {figures.delay_p95_s:.1f} s | {told[0]} | {told[1]} | {figures.throughput:,.0f} "
            f"| {figures.replica_hours:.2f} |"
        )
    return "\n".join(lines)


def estimate_table(runs: Sequence[tuple[Scenario, Figures]]) -> str:
    """Format a Markdown table of how far off estimates were, with a row per scenario."""
    lines = ["| policy | load | burst | losses/h | jobs | off by p50 | p90 |", "|---|---|---|---|---|---|---|"]
    for scenario, figures in runs:
        lines.append(
            f"| {scenario.policy} | {scenario.load:g} | {scenario.burst:g} | {scenario.losses_per_hour:g} "
            f"| {figures.n_jobs} | {100 * figures.estimate_error_p50:.0f} % "
            f"| {100 * figures.estimate_error_p90:.0f} % |"
        )
    return "\n".join(lines)


def plot(steady: Sequence[tuple[Scenario, Figures]], policies: Sequence[tuple[Scenario, Figures]], path: Path) -> None:
    """Plot throughput against the ideal by size, and delay against paid time by policy."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    sizes = [scenario.replicas for scenario, _ in steady]
    left.loglog(sizes, [0.9 * scenario.replicas * scenario.speed for scenario, _ in steady], "--", label="offered")
    left.loglog(sizes, [figures.throughput for _, figures in steady], "o-", label="transcribed")
    left.set(xlabel="replicas", ylabel="audio seconds per second", title="One Coordinator, steady load 0.9")
    left.legend()
    for scenario, figures in policies:
        name = scenario.policy + (", with losses" if scenario.losses_per_hour else "")
        right.scatter(figures.replica_hours, figures.delay_p95_s, label=name)
    right.set(xlabel="replica hours paid", ylabel="delay, 95th percentile, s", title="A burst on up to 16 replicas")
    right.legend()
    figure.savefig(path, dpi=110)


def _seconds(replicas: int, speed: float) -> float:
    """Return a time that is shorter for larger clusters, so that every simulation is about equally much work."""
    return max(10.0, min(600.0, 2e6 / (replicas * speed)))


if __name__ == "__main__":
    main()
