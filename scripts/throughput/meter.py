"""Measure this process and all its descendants: processor time, also by part, and peak proportional memory."""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType

import psutil

_SAMPLE_S = 0.5
_OWN_SHARE = 0.02
"""Of a core that measuring may take: the memory of a cluster's thirty processes takes 0.1 s to read."""
_OWN_S = 0.5
"""Processor time that it may take in any case, so that a short run's peak is seen, too."""


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Wall seconds, processor seconds (user and system), peak proportional set size in bytes.

    ``parts_s`` are the processor seconds by `part_of` the processes; measuring itself is not among them.
    """

    wall_s: float
    cpu_s: float
    peak_pss_bytes: int
    parts_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Spent:
    """Processor seconds of a living process: its own, and those of descendants that have ended."""

    part: str
    own_s: float
    ended_s: float


class Meter:
    """Measures this process and its descendants between enter and exit."""

    def __init__(self) -> None:
        self._root = psutil.Process()
        self._before: dict[tuple[int, float], _Spent] = {}
        self._peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch_memory, daemon=True)
        self._started_s = 0.0
        self._own_s = 0.0
        self.usage = Usage(wall_s=0, cpu_s=0, peak_pss_bytes=0)

    def __enter__(self) -> "Meter":
        self._look_at_memory()  # outside of what is measured, as the last look: it would delay a short recording
        self._before = self._spent()
        self._started_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wall_s = time.monotonic() - self._started_s
        after = self._spent()
        self._stop.set()
        self._thread.join()
        parts_s = self._between(self._before, after)
        self._look_at_memory()
        self.usage = Usage(wall_s=wall_s, cpu_s=sum(parts_s.values()), peak_pss_bytes=self._peak, parts_s=parts_s)

    def _between(
        self, before: Mapping[tuple[int, float], _Spent], after: Mapping[tuple[int, float], _Spent]
    ) -> dict[str, float]:
        parts_s: dict[str, float] = defaultdict(float)
        for key, spent in after.items():
            earlier = before.get(key, _Spent(part="", own_s=0, ended_s=0))
            parts_s[spent.part] += spent.own_s - earlier.own_s
            parts_s[f"{spent.part}: ended children"] += spent.ended_s - earlier.ended_s
        # What has ended meanwhile is with its parent, whole: not what it had spent before.
        for key in before.keys() - after.keys():
            parts_s[f"{before[key].part}: before"] -= before[key].own_s
        parts_s[part_of(self._root.cmdline())] -= self._own_s
        return {part: spent_s for part, spent_s in parts_s.items() if spent_s}

    def _spent(self) -> dict[tuple[int, float], _Spent]:
        spent = {}
        for process in self._processes():
            try:
                times, command = process.cpu_times(), process.cmdline()
            except psutil.NoSuchProcess:
                continue
            spent[process.pid, process.create_time()] = _Spent(
                part=part_of(command),
                own_s=times.user + times.system,
                ended_s=times.children_user + times.children_system,
            )
        return spent

    def _watch_memory(self) -> None:
        took_s = 0.0
        while not self._stop.wait(max(_SAMPLE_S, took_s / _OWN_SHARE if self._own_s > _OWN_S else 0.0)):
            took_s = self._look_at_memory()
            self._own_s += took_s

    def _look_at_memory(self) -> float:
        """Note the peak; returns the processor seconds that it took."""
        began_s = time.thread_time()
        pss = 0
        for process in self._processes():
            try:
                pss += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        self._peak = max(self._peak, pss)
        return time.thread_time() - began_s

    def _processes(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]


def memory_by_part() -> dict[str, int]:
    """Return the proportional set size of this process and its descendants now, in bytes, by `part_of` each."""
    found: dict[str, int] = defaultdict(int)
    root = psutil.Process()
    for process in [root, *root.children(recursive=True)]:
        try:
            found[part_of(process.cmdline())] += process.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return dict(found)


def part_of(command: Sequence[str]) -> str:
    """Return the purpose of a process: the deployment of one of Ray's replicas, else its module or program."""
    program, *arguments = command or ["ended"]
    if program.startswith("ray::"):
        # ray::ServeReplica:app:Name.method, ray::Name.method or ray::IDLE
        return program.removeprefix("ray::").split()[0].rpartition(":")[2].partition(".")[0]
    name = Path(program).name
    if name.startswith("python"):
        modules = [after for flag, after in pairwise(arguments) if flag == "-m"]
        scripts = [Path(argument).stem for argument in arguments if argument.endswith(".py")]
        return next(iter(modules + scripts), name)
    return name
