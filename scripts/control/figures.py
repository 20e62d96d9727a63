"""The figures of a run: what every part took per job, what it wrote, how long its answers took; as Markdown."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Self

from scripts.throughput.meter import Usage

_LEAST_MS = 0.05
_PARTS = ("Coordinator", "Segmenter", "Ingestion", "MinutesWriter", "Transcriber-instant")


@dataclass(frozen=True, kw_only=True)
class Tallies:
    """Counts by part, and the seconds of timed calls by name: sums over the replicas of a cluster."""

    counts: Mapping[str, Counter[str]]
    seconds: Mapping[str, list[float]]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what the replicas have written so far."""
        counts: dict[str, Counter[str]] = {}
        seconds: dict[str, list[float]] = {}
        for path in sorted(folder.glob("*.json")):
            found = json.loads(path.read_text())
            counts.setdefault(path.stem.rpartition("-")[0], Counter()).update(found["counts"])
            for name, taken_s in found["seconds"].items():
                seconds.setdefault(name, []).extend(taken_s)
        return cls(counts=counts, seconds=seconds)

    def since(self, before: Self) -> Self:
        """Return what was added after ``before``; correct with one Transcriber, else timings are of the whole run."""
        return type(self)(
            counts={part: counts - before.counts.get(part, Counter()) for part, counts in self.counts.items()},
            seconds={name: taken_s[len(before.seconds.get(name, [])) :] for name, taken_s in self.seconds.items()},
        )

    def total(self, prefix: str) -> int:
        """Return the sum of all counts whose name begins so."""
        return sum(n for counts in self.counts.values() for name, n in counts.items() if name.startswith(prefix))


@dataclass(frozen=True, kw_only=True)
class Figures:
    """One run of one checkout. ``work_ms`` and ``read_ms`` are processor time per job by part.

    ``work`` is from the first submission to the last job's end, ``read`` a look at each job and its transcript.
    ``idle_ms`` is processor time per second while nothing is to do, which the work contains.
    ``cores_free`` are the cores that other programs left to the work; 0 in files that do not say so.
    ``memory_mb`` is the proportional set size of each part after the work, its processes together.
    ``calls`` are ledger transactions and store calls per job by part; ``latency_ms`` p50 and p95 by call.
    """

    tree: str
    shape: str
    way: str
    ledger: str
    number: int
    n_jobs: int
    n_chunks: int
    audio_s: float
    wall_s: float
    peak_pss_mb: float
    n_shards: int = 1
    cores_free: float = 0.0
    work_ms: dict[str, float] = field(default_factory=dict)
    read_ms: dict[str, float] = field(default_factory=dict)
    idle_ms: dict[str, float] = field(default_factory=dict)
    calls: dict[str, dict[str, float]] = field(default_factory=dict)
    latency_ms: dict[str, tuple[float, float]] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        *,
        jobs: Sequence[Mapping[str, Any]],
        work: Usage,
        read: Usage,
        idle: Usage,
        tallies: Tallies,
        memory: Mapping[str, int],
        **named: Any,
    ) -> Self:
        """Divide what was measured among the jobs."""
        n_jobs = len(jobs)
        lasted_s = [
            (datetime.fromisoformat(job["updated_at"]) - datetime.fromisoformat(job["created_at"])).total_seconds()
            for job in jobs
        ]
        return cls(
            n_jobs=n_jobs,
            n_chunks=sum(job["n_chunks"] for job in jobs),
            audio_s=sum(job["progress"]["audio_s"] for job in jobs),
            wall_s=work.wall_s,
            peak_pss_mb=work.peak_pss_bytes / 1e6,
            work_ms=_per_job(work.parts_s, n_jobs),
            read_ms=_per_job(read.parts_s, n_jobs),
            idle_ms={part: 1000 * spent_s / idle.wall_s for part, spent_s in idle.parts_s.items()},
            calls={
                part: {name: n / n_jobs for name, n in sorted(counts.items())}
                for part, counts in tallies.counts.items()
            },
            latency_ms={
                name: _p50_p95(taken_s) for name, taken_s in {**tallies.seconds, "job": lasted_s}.items() if taken_s
            },
            memory_mb={part: n_bytes / 1e6 for part, n_bytes in memory.items()},
            **named,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as JSON takes them."""
        return asdict(self)

    @property
    def label(self) -> str:
        """The column of the table."""
        return f"{self.load}: {self.tree}"

    @property
    def load(self) -> str:
        """How the cluster was made busy, and by how many Coordinators its jobs were driven."""
        shards = f", {self.n_shards} shards" if self.n_shards > 1 else ""
        return f"{self.shape}, {self.way}, {self.ledger}{shards}"

    def rows(self) -> dict[str, float]:
        """Return the rows of the table by name."""
        per_chunk = self.n_jobs / self.n_chunks
        found = {
            "jobs a second": self.n_jobs / self.wall_s,
            "chunks a second": self.n_chunks / self.wall_s,
            "× real time": self.audio_s / self.wall_s,
        }
        found |= {f"{part}, ms a job": ms for part, ms in sorted(self.work_ms.items(), key=lambda item: -item[1])}
        found["all, ms a job"] = sum(self.work_ms.values())
        idle_s = self.wall_s / self.n_jobs
        found |= {
            f"{part} less idle, ms a job": self.work_ms.get(part, 0.0) - self.idle_ms.get(part, 0.0) * idle_s
            for part in _PARTS
        }
        found["all less idle, ms a job"] = sum(self.work_ms.values()) - sum(self.idle_ms.values()) * idle_s
        found |= {f"{part} idle, ms a second": ms for part, ms in self.idle_ms.items() if part in _PARTS}
        found["all idle, ms a second"] = sum(self.idle_ms.values())
        found |= {f"{part}, ms a chunk": self.work_ms.get(part, 0.0) * per_chunk for part in _PARTS}
        found["all, ms a second of audio"] = sum(self.work_ms.values()) * self.n_jobs / self.audio_s
        found |= {
            f"{part} while read, ms a job": ms for part, ms in self.read_ms.items() if part in ("Ingestion", "haproxy")
        }
        for part, counts in self.calls.items():
            for kind in ("ledger writing", "ledger reading"):
                found[f"{part}, {kind} a job"] = counts.get(kind, 0.0)
            found[f"{part}, calls of others a job"] = counts.get("ray calls", 0.0)
            found[f"{part}, items streamed to it a job"] = counts.get("ray stream items", 0.0)
            found[f"{part}, store calls a job"] = sum(n for name, n in counts.items() if name.startswith("store"))
            if claims := counts.get("claims", 0.0) + counts.get("empty claims", 0.0):
                found[f"{part}, claims a job"] = claims
        for name, (p50, p95) in self.latency_ms.items():
            found |= {f"{name}, p50 ms": p50, f"{name}, p95 ms": p95}
        found |= {f"{part}, MB": self.memory_mb.get(part, 0.0) for part in _PARTS}
        found["peak MB"] = self.peak_pss_mb
        return found


def table(measured: Sequence[Figures]) -> str:
    """Format medians over the rounds as Markdown; a column for each checkout and load, ratios beside a pair of them."""
    columns: dict[str, list[Figures]] = {}
    for one in measured:
        columns.setdefault(one.label, []).append(one)
    medians = {label: _medians(runs) for label, runs in columns.items()}
    names = list(dict.fromkeys(name for rows in medians.values() for name in rows))
    shown = [name for name in names if any(rows.get(name, 0.0) >= _LEAST_MS for rows in medians.values())]
    pairs = _pairs(measured)
    lines = ["| | " + " | ".join([*medians, *(f"ratio: {what}" for what in pairs)]) + " |"]
    lines.append("|---|" + "---|" * (len(medians) + len(pairs)))
    for name in shown:
        cells = [f"{rows[name]:.2f}" if name in rows else "–" for rows in medians.values()]
        cells += [_ratio(medians[one], medians[other], name) for one, other in pairs.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _pairs(measured: Sequence[Figures]) -> dict[str, tuple[str, str]]:
    """Return the labels of what was measured alike in two checkouts."""
    alike: dict[str, list[str]] = {}
    for one in measured:
        labels = alike.setdefault(one.load, [])
        if one.label not in labels:
            labels.append(one.label)
    return {what: (labels[0], labels[1]) for what, labels in alike.items() if len(labels) == 2}


def _ratio(rows: Mapping[str, float], others: Mapping[str, float], name: str) -> str:
    return f"{rows[name] / others[name]:.2f}" if rows.get(name) and others.get(name) else "–"


def _medians(runs: Sequence[Figures]) -> dict[str, float]:
    found = [one.rows() for one in runs]
    return {name: median(rows.get(name, 0.0) for rows in found) for name in dict.fromkeys(n for r in found for n in r)}


def _per_job(parts_s: Mapping[str, float], n_jobs: int) -> dict[str, float]:
    return {part: 1000 * spent_s / n_jobs for part, spent_s in parts_s.items() if 1000 * spent_s / n_jobs >= _LEAST_MS}


def _p50_p95(taken_s: Sequence[float]) -> tuple[float, float]:
    if len(taken_s) < 2:
        return 1000 * taken_s[0], 1000 * taken_s[0]
    cuts = quantiles(taken_s, n=20)
    return 1000 * median(taken_s), 1000 * cuts[18]
