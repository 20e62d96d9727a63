"""One row a minute: memory and open files by part of the cluster, bytes of the ledger, keys of the store, latency."""

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from scripts.throughput.meter import part_of
from tests.chaos.processes import Process

PARTS = (
    "Coordinator",
    "Segmenter",
    "MinutesWriter",
    "Ingestion",
    "Transcriber",
    "ServeController",
    "haproxy",
    "gcs_server",
    "raylet",
)
"""What is named in a row; all other processes are together in ``others``."""
OTHERS = "others"


@dataclass(frozen=True, kw_only=True)
class Held:
    """Resident memory (MiB) and open files of a part's processes, together, and how many these are."""

    memory_mb: float
    n_files: int
    n_processes: int


def held_by_part(processes: Sequence[Process]) -> dict[str, Held]:
    """Read what each part of a cluster holds now; a process that ends meanwhile is left out."""
    memory: defaultdict[str, float] = defaultdict(float)
    files: defaultdict[str, int] = defaultdict(int)
    number: defaultdict[str, int] = defaultdict(int)
    for process in processes:
        own = Path("/proc", str(process.pid))
        try:
            resident = int((own / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            n_files = len(os.listdir(own / "fd"))
        except OSError:
            continue
        if not resident:  # it has ended, and nobody has asked how
            continue
        part = _known(part_of(process.title.split()))
        memory[part] += resident / 2**20
        files[part] += n_files
        number[part] += 1
    return {
        part: Held(memory_mb=memory[part], n_files=files[part], n_processes=number[part])
        for part in (*PARTS, OTHERS)
        if number[part]
    }


def _known(part: str) -> str:
    """Return the part of `PARTS` that a process is of; Transcribers are named after their models, too."""
    return next((known for known in PARTS if part.startswith(known)), OTHERS)


def ledger_mb(dsn: str) -> float:
    """Return the size of the ledger's database in MiB."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert found is not None, "a database has a size"
    return float(found[0]) / 2**20


def count_files(folder: Path) -> int:
    """Count the files below a folder, which may change meanwhile."""
    return sum(len(names) for _, _, names in os.walk(folder))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of all lies; NaN of none."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def columns() -> list[str]:
    """Return the names of a row's columns."""
    held = [f"{part} {what}" for part in (*PARTS, OTHERS) for what in ("MiB", "files", "processes")]
    return [
        *("run", "minute", "accepted", "ended", "live", "jobs_per_s", "p50_s", "p95_s"),
        *("ledger_mb", "store_keys", "list_s", "killed"),
        *held,
    ]


def row_of(held: Mapping[str, Held], **values: object) -> dict[str, object]:
    """Return a row: what each part holds beside these values."""
    row = dict(values)
    for part, found in held.items():
        row |= {
            f"{part} MiB": round(found.memory_mb, 1),
            f"{part} files": found.n_files,
            f"{part} processes": found.n_processes,
        }
    return row


def append_row(path: Path, row: Mapping[str, object]) -> None:
    """Append a row, below the names of the columns."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns())
        if new:
            writer.writeheader()
        writer.writerow(row)


def read_rows(path: Path) -> list[dict[str, float]]:
    """Return all rows; an empty cell, and a word, is NaN."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{name: _number(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return float("nan")


def growth(values: Iterable[float], is_valid: Callable[[float], bool] = lambda value: value == value) -> float:
    """Return by how much values in a row grow from the first to the last, by the line that fits them best."""
    known = [(place, value) for place, value in enumerate(values) if is_valid(value)]
    if len(known) < 2:
        return 0.0
    mean_x = sum(x for x, _ in known) / len(known)
    mean_y = sum(y for _, y in known) / len(known)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in known) / sum((x - mean_x) ** 2 for x, _ in known)
    return slope * (known[-1][0] - known[0][0])
