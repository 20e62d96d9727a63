"""What jobs cost each part of the control plane: read from runs of `scripts/bench-control`, and fitted.

1. `read_rows` gives the runs of a file; `Measured.of` puts the processes of a run together into parts.
2. `fit` finds for each part what it takes for a job whatever its length, and for each chunk or second of audio.
3. `Costs.of` says what a job of any shape costs.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal, Self

PARTS: Mapping[str, tuple[str, ...]] = {
    "coordinator": ("Coordinator",),
    "segmenter": ("Segmenter", "pipelines.audio.sandbox_host"),
    "ingestion": ("Ingestion", "haproxy", "ProxyActor"),
    "minutes writers": ("MinutesWriter",),
    "ledger": ("postgres",),
    "transcribers": ("Transcriber",),
    "client": ("scripts.control.cli",),
}
"""The processes of each part, by how their names begin in a run. What is of no part is `RAY`'s."""

RAY = "ray"
"""Its controllers and agents take the same in a second whatever number of jobs there is, and are costed so."""
BY_AUDIO = ("segmenter", "ingestion", "client")
"""Parts whose cost grows with seconds of audio; that of the others does with chunks."""
Unit = Literal["chunk", "audio_s"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A kind of recording: its length in seconds, and the chunks that it is decoded in."""

    name: str
    audio_s: float
    n_chunks: float


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of a job: so much whatever its length, and so much for each chunk or second of audio."""

    job: float
    unit: Unit
    each: float

    def of(self, shape: Shape) -> float:
        """Return what a job of that shape costs."""
        return self.job + self.each * _units(shape, self.unit)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A run: processor milliseconds of a job by part, without what the part takes when there is nothing to do.

    ``idle_ms`` is that, in a second of one process; of `RAY` it is all. ``store_calls`` and ``ledger_writes`` are a
    job's.
    ``cores_free`` are the cores that other programs left to the run; 0 where it does not say so.
    """

    shape: Shape
    way: str
    ledger: str
    n_shards: int
    n_jobs: int
    wall_s: float
    cores_free: float
    total_ms: Mapping[str, float]
    job_ms: Mapping[str, float]
    idle_ms: Mapping[str, float]
    store_calls: float
    ledger_writes: float

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of ``bench-control.json``."""
        n_jobs, n_shards = row["n_jobs"], row.get("n_shards", 1)
        total_ms, idle_ms = _by_part(row["work_ms"]), _by_part(row["idle_ms"])
        job_s = row["wall_s"] / n_jobs
        idle_ms[RAY] = total_ms.get(RAY, 0.0) / job_s
        return cls(
            shape=Shape(name=row["shape"], audio_s=row["audio_s"] / n_jobs, n_chunks=row["n_chunks"] / n_jobs),
            way=row["way"],
            ledger=row["ledger"],
            n_shards=n_shards,
            n_jobs=n_jobs,
            wall_s=row["wall_s"],
            cores_free=row.get("cores_free", 0.0),
            total_ms=total_ms,
            job_ms={part: max(0.0, ms - idle_ms.get(part, 0.0) * job_s) for part, ms in total_ms.items()},
            idle_ms={part: ms / (n_shards if part == "coordinator" else 1) for part, ms in idle_ms.items()},
            store_calls=_calls(row, "store"),
            ledger_writes=_calls(row, "ledger writing"),
        )

    @property
    def label(self) -> str:
        """The load that was measured."""
        return f"{self.shape.name}, {self.way}, {self.ledger}, shards: {self.n_shards}"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Processor milliseconds of a job by part; of each part's process, milliseconds in a second without work."""

    parts: Mapping[str, Cost]
    idle_ms: Mapping[str, float]
    store_calls: Cost
    ledger_writes: Cost

    def job_s(self, part: str, shape: Shape) -> float:
        """Return the processor seconds that a part takes for a job of that shape."""
        return self.parts[part].of(shape) / 1000 if part in self.parts else 0.0

    def share_left(self, part: str) -> float:
        """Return the share of a core that is left to a part's process beside what it does without any work."""
        return max(0.01, 1 - self.idle_ms.get(part, 0.0) / 1000)


def read_rows(paths: Iterable[Path]) -> list[Measured]:
    """Read all runs of a whole cluster from files that `scripts/bench-control` wrote."""
    rows = [row for path in paths for row in json.loads(path.read_text())["rows"]]
    return [Measured.of(row) for row in rows if "work_ms" in row]  # those of Coordinators alone have none


def fit(runs: Sequence[Measured]) -> Costs:
    """Fit the costs of every part to runs of at least two shapes.

    Raises ValueError for fewer shapes, and for runs that differ in the way jobs come or in the ledger: they cost
    differently.
    """
    if len({run.shape.name for run in runs}) < 2:
        raise ValueError("costs of a job and of its chunks need runs of two shapes")
    if len({(run.way, run.ledger) for run in runs}) > 1:
        raise ValueError(f"runs of several kinds: {', '.join(sorted({run.label for run in runs}))}")
    parts = dict.fromkeys(part for run in runs for part in run.job_ms)
    idle = {part for run in runs for part in run.idle_ms}

    def costs(value: Callable[[Measured], float], unit: Unit) -> Cost:
        return _fit_one([(_units(run.shape, unit), value(run)) for run in runs], unit)

    def job_ms(part: str) -> Callable[[Measured], float]:
        return lambda run: run.job_ms.get(part, 0.0)

    return Costs(
        parts={part: costs(job_ms(part), "audio_s" if part in BY_AUDIO else "chunk") for part in parts},
        idle_ms={part: median(run.idle_ms.get(part, 0.0) for run in runs) for part in idle},
        store_calls=costs(lambda run: run.store_calls, "chunk"),
        ledger_writes=costs(lambda run: run.ledger_writes, "chunk"),
    )


def _fit_one(points: Sequence[tuple[float, float]], unit: Unit) -> Cost:
    """Return the line through points (units, cost) with the least squares of errors as shares; neither part negative.

    Shares, so that a short job's few milliseconds count as much as a long one's hundreds; what is less than a
    hundredth of the largest cost counts as that.
    """
    least = max(cost for _, cost in points) / 100 or 1.0
    weighted = [(units, cost, 1 / max(cost, least) ** 2) for units, cost in points]
    s_w = sum(weight for _, _, weight in weighted)
    s_x = sum(weight * units for units, _, weight in weighted)
    s_xx = sum(weight * units**2 for units, _, weight in weighted)
    s_y = sum(weight * cost for _, cost, weight in weighted)
    s_xy = sum(weight * units * cost for units, cost, weight in weighted)
    determinant = s_w * s_xx - s_x**2
    if determinant > 1e-12 * s_w * s_xx:
        each = (s_w * s_xy - s_x * s_y) / determinant
        job = (s_y - each * s_x) / s_w
        if each >= 0 and job >= 0:
            return Cost(job=job, unit=unit, each=each)
        if job < 0:
            return Cost(job=0.0, unit=unit, each=s_xy / s_xx)
    return Cost(job=s_y / s_w, unit=unit, each=0.0)


def _units(shape: Shape, unit: Unit) -> float:
    return shape.n_chunks if unit == "chunk" else shape.audio_s


def _by_part(process_ms: Mapping[str, float]) -> dict[str, float]:
    found: dict[str, float] = {}
    for process, ms in process_ms.items():
        part = next((part for part, names in PARTS.items() if process.startswith(names)), RAY)
        found[part] = found.get(part, 0.0) + ms
    return found


def _calls(row: Mapping[str, Any], prefix: str) -> float:
    return sum(n for counts in row["calls"].values() for name, n in counts.items() if name.startswith(prefix))
