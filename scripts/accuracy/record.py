"""What a measurement prints and keeps: its tables, and on which machine, when and by which command they were made."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.throughput.report import run_record


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Markdown for readers, and ``details`` that JSON can hold."""

    text: str
    details: Any


def report(measurement: Measurement, name: str, model: str, cores: int, out: Path | None) -> str:
    """Return the Markdown headed by machine, date and command; write it and the details to ``out``, if given."""
    record = {**run_record("measure-accuracy", cores), "model": model}
    head = f"`{record['command']}`, {record['date']}, {record['machine']}, model {model}."
    text = f"{head}\n\n{measurement.text.strip()}\n"
    if out:
        out.mkdir(parents=True, exist_ok=True)
        body = json.dumps({**record, name: measurement.details}, indent=1, ensure_ascii=False)
        (out / f"{name}.json").write_text(body + "\n", encoding="utf-8")
        (out / f"{name}.md").write_text(text, encoding="utf-8")
    return text
