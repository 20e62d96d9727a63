"""What a process and all its descendants use: processor time, peak proportional memory."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType

import psutil

_SAMPLE_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Wall seconds, processor seconds (user and system), peak proportional set size in bytes."""

    wall_s: float
    cpu_s: float
    peak_pss_bytes: int


class Meter:
    """Measures the processes under ``pid`` between enter and exit; what ends meanwhile counts up to its last sample."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._spent: dict[tuple[int, float], float] = {}
        self._before: dict[tuple[int, float], float] = {}
        self._peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample_until_stopped, daemon=True)
        self._started_s = 0.0
        self.usage = Usage(wall_s=0, cpu_s=0, peak_pss_bytes=0)

    def __enter__(self) -> "Meter":
        self._sample()
        self._before = dict(self._spent)
        self._peak = 0
        self._started_s = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        wall_s = time.monotonic() - self._started_s
        self._stop.set()
        self._thread.join()
        self._sample()
        cpu_s = sum(spent - self._before.get(key, 0.0) for key, spent in self._spent.items())
        self.usage = Usage(wall_s=wall_s, cpu_s=cpu_s, peak_pss_bytes=self._peak)

    def _sample_until_stopped(self) -> None:
        while not self._stop.wait(_SAMPLE_S):
            self._sample()

    def _sample(self) -> None:
        pss = 0
        for process in (self._root, *self._root.children(recursive=True)):
            try:
                times = process.cpu_times()
                self._spent[process.pid, process.create_time()] = times.user + times.system
                pss += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
        self._peak = max(self._peak, pss)
