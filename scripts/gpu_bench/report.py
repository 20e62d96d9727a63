"""The measurements as a table, with what to set, in Markdown and JSON; written anew after every row."""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipelines.models.devices import Device, find_devices, usable_cores
from pipelines.models.nvidia_driver import find_driver
from pipelines.storage.atomic_write import write_atomic
from scripts.gpu_bench.advice import Advice, explain
from scripts.gpu_bench.cells import Measurement, Outcome

_GIB = 1 << 30
_COLUMNS = (
    "model",
    "rows from",
    "workers",
    "encoder",
    "pooling",
    "batch",
    "× real time",
    "s a batch",
    "ms a window: features",
    "encoder",
    "decoder",
    "memory GiB",
    "device busy",
    "waited",
    "note",
)


@dataclass
class Report:
    """What a run has found so far, and where it is written. Folder and files appear with the first `write`."""

    folder: Path
    machine: dict[str, Any]
    measured: list[Measurement] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def write(self) -> None:
        """Replace both files by what is known now, each in one step."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / "bench-gpu.md", self.markdown(), mode=0o644)
        write_atomic(self.folder / "bench-gpu.json", json.dumps(self.as_dict(), indent=1) + "\n", mode=0o644)

    def markdown(self) -> str:
        """Return headings, the machine, the table, and what to set."""
        machine = "\n".join(f"- {name}: {value}" for name, value in self.machine.items())
        parts = ["# bench-gpu", machine, table(self.measured)]
        parts += [_advice_text(one, int(self.machine.get("cores", 0))) for one in self.advice]
        parts += ["\n".join(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n\n".join(parts) + "\n"

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON's types."""
        return {
            "machine": self.machine,
            "rows": [asdict(one) for one in self.measured],
            "advice": [
                {
                    "settings": one.settings,
                    "segmenters_per_gpu": one.n_segmenters,
                    "why": explain(one, int(self.machine.get("cores", 0))),
                }
                for one in self.advice
            ],
            "notes": self.notes,
        }


def table(measured: Sequence[Measurement]) -> str:
    """Format rows as Markdown."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    return "\n".join([*lines, *map(line, measured)])


def line(one: Measurement) -> str:
    """Format one row; what was not measured stays empty, and the note says why."""
    cell = one.cell
    head = [cell.model, str(cell.feed), str(cell.n_workers), cell.encoder, str(cell.pooling), str(cell.batch_size)]
    if one.outcome is Outcome.MEASURED:
        figures = [
            f"{one.speed:.1f}",
            f"{one.batch_s:.2f}",
            f"{one.features_ms:.2f}",
            f"{one.encoder_ms:.2f}",
            f"{one.decoder_ms:.2f}",
            "–" if one.memory_bytes is None else f"{one.memory_bytes / _GIB:.2f}",
            _percent(one.utilisation),
            _percent(one.waited),
            one.detail,
        ]
    else:
        note = f"{one.outcome}: {one.detail}" if one.detail else str(one.outcome)
        figures = [*[""] * 8, note.replace("|", "/")]
    return "| " + " | ".join([*head, *figures]) + " |"


def describe_machine(device: Device) -> dict[str, Any]:
    """Say when, on what and by which command something is measured."""
    driver = find_driver()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["scripts/bench-gpu", *sys.argv[1:]]),
        "device": f"{device.name}, {device.memory_bytes / _GIB:.0f} GiB",
        "driver": driver.version if driver else "none",
        "processor": f"{find_devices()[-1].name}, {platform.machine()}",
        "cores": usable_cores(),
        **{name: version(name) for name in ("torch", "ctranslate2")},
    }


def _advice_text(advice: Advice, n_cores: int) -> str:
    (first, *others) = (f"{name}: {json.dumps(value)}" for name, value in advice.settings.items())
    settings = "\n".join(["models:", f"  - {first}", *(f"    {other}" for other in others)])
    sentences = "\n".join(f"- {sentence}" for sentence in explain(advice, n_cores))
    return f"## What to set for {advice.alone.cell.model}\n\n```yaml\n{settings}\n```\n\n{sentences}"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
