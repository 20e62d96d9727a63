"""A process for each arm, so that none leaves anything behind for the next: one line of JSON in, one out."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_END_S = 180.0


@contextlib.contextmanager
def worker(module: str, *arguments: str, cores: int) -> "Iterator[subprocess.Popen[str]]":
    """Run a module on the first ``cores`` processors; yield it when it has said that it is ready."""
    environment = {**os.environ, "PYTHONPATH": _python_path(), "OMP_NUM_THREADS": str(cores), "HF_HUB_OFFLINE": "1"}
    allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    with subprocess.Popen(
        ["taskset", "-c", allowed, sys.executable, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    ) as process:
        assert process.stdin is not None
        _answer(process)
        yield process
        process.stdin.close()
        process.wait(timeout=_END_S)


def ask(process: "subprocess.Popen[str]", question: dict[str, Any]) -> dict[str, Any]:
    """Return what a worker answers; raises ``RuntimeError`` when it ends instead."""
    assert process.stdin is not None
    process.stdin.write(json.dumps(question) + "\n")
    process.stdin.flush()
    return _answer(process)


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Read the worker's next line of JSON; other lines, printed by libraries, are skipped."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            answer: dict[str, Any] = json.loads(line)
            return answer
    raise RuntimeError(f"{process.args!r} ended without an answer")


def _python_path() -> str:
    return os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
