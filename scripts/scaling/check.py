"""Predict a measured run of `scripts/bench-control` by costs of others, and say how far off that is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scripts.scaling.cluster import Cluster
from scripts.scaling.costs import RAY, Costs, Measured
from scripts.scaling.job_flow import Arrivals, Flow, JobFlow
from scripts.scaling.stations import Machine

MOST_OFF = 0.2
CHECKED = ("coordinator", "segmenter", "ingestion", "minutes writers", "ledger")
UPLOADS_AT_ONCE = 8
"""As `scripts.control.load.Client` has it."""
CUTS_AT_ONCE = 2
"""Recordings that one Segmenter cuts at a time, each decoded by a process of its own."""
ROWS = 16
"""Of a batch without a GPU."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A figure of a run, predicted and measured."""

    what: str
    predicted: float
    measured: float

    @property
    def off(self) -> float:
        """The deviation as a share of what was measured."""
        return self.predicted / self.measured - 1 if self.measured else math.inf

    @property
    def holds(self) -> bool:
        """Whether the deviation is within what is allowed."""
        return abs(self.off) <= MOST_OFF


def predict(costs: Costs, run: Measured) -> list[Prediction]:
    """Predict jobs a second, and the processor time of every part and of all, per job.

    The cores that other programs left to the run are taken from it; nothing else but its number of jobs is. Where it
    does not say how many these were, jobs a second are not predicted, and taken from it for what is idle.
    """
    flow = _simulated(costs, run) if run.cores_free else None
    job_s = flow.wall_s / flow.n_jobs if flow else run.wall_s / run.n_jobs

    def job_ms(part: str) -> float:
        n_processes = run.n_shards if part == "coordinator" else 1
        return 1000 * costs.job_s(part, run.shape) + costs.idle_ms.get(part, 0.0) * n_processes * job_s

    speed = [Prediction(what="jobs/s", predicted=flow.jobs_s, measured=run.n_jobs / run.wall_s)] if flow else []
    return [
        *speed,
        *(
            Prediction(what=f"{part}, ms a job", predicted=job_ms(part), measured=run.total_ms.get(part, 0.0))
            for part in CHECKED
            if part in costs.parts
        ),
        Prediction(what="all, ms a job", predicted=sum(map(job_ms, costs.parts)), measured=sum(run.total_ms.values())),
    ]


def _simulated(costs: Costs, run: Measured) -> Flow:
    """Run as many jobs of the shape on a machine with the cores that were left to the run."""
    cluster = Cluster(
        devices=1,
        speed=math.inf,
        rows=ROWS,
        batch_overhead_s=0.0,
        shards=run.n_shards,
        segmenters=CUTS_AT_ONCE,
        ledger_cores=ROWS,
        commit_s=0.001,
        node_bytes_s=math.inf,
        node_calls_s=math.inf,
        store_s=0.001,
    )
    background = sum(costs.idle_ms.get(part, 0.0) for part in (RAY, "client")) / 1000
    machine = Machine(max(0.1, run.cores_free - background))
    at_once = run.n_jobs if run.way == "batch" else UPLOADS_AT_ONCE
    arrivals = Arrivals(n_jobs=run.n_jobs, at_once=at_once)
    return JobFlow(cluster, costs, run.shape, arrivals, machine=machine).run()


def table(runs: Sequence[tuple[Measured, Sequence[Prediction]]]) -> str:
    """Format a Markdown table with a row per figure."""
    lines = ["| run | figure | predicted | measured | off |", "|---|---|---|---|---|"]
    for run, predictions in runs:
        for one in predictions:
            lines.append(
                f"| {run.label} | {one.what} | {one.predicted:.1f} | {one.measured:.1f} | {100 * one.off:+.0f} % |"
            )
    return "\n".join(lines)
