"""The product's queue and autoscaling in simulated time, as tables; see `scripts.scaling.model`."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.core import Chunk, SpeechInterval
from pipelines.scheduling.fair_queue import FairQueue
from pipelines.scheduling.work_item import WorkItem
from scripts.scaling.model import Figures, Scenario, Simulation

DEVICES = (1, 4, 16, 64, 256, 1000)
SLOWER = 20
"""Times as slow are the replicas of the first burst: batches of a minute instead of seconds."""
OFFICE_HOURS = (
    *(1.3, 2.0, 2.4, 2.4, 2.0, 2.2, 2.4, 2.2, 1.7, 1.2),  # from eight in the morning
    *(0.7, 0.5, 0.4, 0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2, 0.4, 0.9),
    *(0.1,) * 12,  # what is left over may wait for another night
)
"""How many times its mean of a day the load is, hour by hour."""
_ROWS = 20_000
Runs = Sequence[tuple[Scenario, Figures]]


@dataclass(frozen=True, kw_only=True)
class QueueRuns:
    """What was simulated: steady loads by size, a burst by policy, a day by the share of economy work."""

    steady: Runs
    slow: Runs
    day: Runs


def print_report(speed: float, batch_rows: int, rows_per_second: float | None) -> QueueRuns:
    """Simulate everything and print it; return what is plotted."""
    queue_rows_s = measure_queue()
    rows_s = rows_per_second or queue_rows_s / 4
    print(f"FairQueue on this machine: {queue_rows_s:,.0f} rows/s added and taken; Coordinator: {rows_s:,.0f} rows/s\n")
    base = Scenario(replicas=1, seconds=600, speed=speed, batch_rows=batch_rows, coordinator_rows_s=rows_s, load=0.9)
    steady = _run([replace(base, replicas=n, seconds=_seconds(n, speed)) for n in DEVICES])
    print("Steady load of 0.9 of the capacity, all replicas on:\n")
    print(table(steady))
    slow = _run(_bursts(base, speed / SLOWER))
    print("\nAn hour at a load of 0.3 of 16 replicas, six times that for 6 minutes.")
    print(f"\nReplicas of {speed / SLOWER:g} × real time:\n\n{table(slow)}")
    fast = _run(_bursts(base, speed))
    print(f"\nReplicas of {speed:g} × real time:\n\n{table(fast)}")
    day = _run(_day(base, speed / SLOWER))
    print(
        "\nA working day and a night, up to 8 replicas: all standard, half of that alone, and the other half economy:\n"
    )
    print(economy_table(day))
    print("\nEstimates given to jobs as they arrive, against what they took:\n")
    print(estimate_table([*slow, *_run(_loads(base, speed / SLOWER)), *day]))
    return QueueRuns(steady=steady, slow=slow, day=day)


def _run(scenarios: Sequence[Scenario]) -> list[tuple[Scenario, Figures]]:
    return [(scenario, Simulation(scenario).run()) for scenario in scenarios]


def _bursts(base: Scenario, speed: float) -> list[Scenario]:
    """Return the same burst under every policy, and with replicas that fail."""
    bursty = replace(base, replicas=16, seconds=3600, speed=speed, load=0.3, burst=6.0)
    lossy = replace(bursty, policy="backlog", losses_per_hour=2.0)
    return [*(replace(bursty, policy=policy) for policy in ("fixed", "pulls", "backlog")), lossy]


def _day(base: Scenario, speed: float) -> list[Scenario]:
    """Return a day's load that is all standard, its standard half alone, and the whole with the other half economy."""
    hours = len(OFFICE_HOURS)
    whole = replace(
        base,
        replicas=8,
        seconds=3600.0 * hours,
        speed=speed,
        load=0.5,
        curve=OFFICE_HOURS,
        job_minutes=(5.0, 60.0),
        policy="backlog",
    )
    return [whole, replace(whole, load=0.25), replace(whole, economy=0.5)]


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


def table(runs: Runs) -> str:
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


def economy_table(runs: Runs) -> str:
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


def estimate_table(runs: Runs) -> str:
    """Format a Markdown table of how far off estimates were, with a row per scenario."""
    lines = ["| policy | load | burst | losses/h | jobs | off by p50 | p90 |", "|---|---|---|---|---|---|---|"]
    for scenario, figures in runs:
        lines.append(
            f"| {scenario.policy} | {scenario.load:g} | {scenario.burst:g} | {scenario.losses_per_hour:g} "
            f"| {figures.n_jobs} | {100 * figures.estimate_error_p50:.0f} % "
            f"| {100 * figures.estimate_error_p90:.0f} % |"
        )
    return "\n".join(lines)


def _seconds(replicas: int, speed: float) -> float:
    """Return a time that is shorter for larger clusters, so that every simulation is about equally much work."""
    return max(10.0, min(600.0, 2e6 / (replicas * speed)))
