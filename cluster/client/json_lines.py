"""Write JSON lines, to a file or to the standard output."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_lines(file: Path, items: Iterable[dict[str, Any]]) -> int:
    """Write an object a line, to the standard output for ``-``; return how many. A file is whole or not there."""
    if str(file) == "-":
        return sum(sys.stdout.write(f"{_line(item)}\n") > 0 for item in items)
    temporary = file.with_name(f"{file.name}.part")
    with temporary.open("w", encoding="utf-8") as out:
        n_items = sum(out.write(f"{_line(item)}\n") > 0 for item in items)
    temporary.replace(file)
    return n_items


def _line(item: dict[str, Any]) -> str:
    return json.dumps(item, ensure_ascii=False)
