"""`Stopwatch`: the seconds that the steps of an iterator take, as wall time and as processor time."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Stopwatch:
    """Measures what runs inside; each step may run in another thread, but only one at a time.

    ``cpu_s`` counts the thread that steps, not threads it starts.
    """

    def __init__(self) -> None:
        self.wall_s = 0.0
        self.cpu_s = 0.0
        self._lap_s = 0.0

    def steps(self, items: Iterable[T]) -> Iterator[T]:
        """Yield the same items; what producing them takes is counted, what their reader does is not."""
        iterator = iter(items)
        while True:
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.wall_s += time.perf_counter() - wall_s
                self.cpu_s += time.thread_time() - cpu_s
            yield item

    def lap_s(self) -> float:
        """Return the wall seconds since the last call."""
        lap_s, self._lap_s = self.wall_s - self._lap_s, self.wall_s
        return lap_s
