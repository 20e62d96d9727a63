"""`ReplicaCounts`: how many replicas each model has, asked of Serve's controller no more often than once in a while."""

import threading
import time
from collections.abc import Callable, Mapping

OLDEST_S = 2.0
"""Of an answer that is given again: polls of batches, readiness and metrics ask several times a second."""


class ReplicaCounts:
    """Remembers an answer for `OLDEST_S` seconds. Thread-safe: who asks meanwhile waits for the one who is asking.

    An answer of Serve's controller holds the settings of every deployment, which are checked as they come: it takes
    some 40 ms of processor time.
    """

    def __init__(self, count: Callable[[], Mapping[str, int]], clock: Callable[[], float] = time.monotonic) -> None:
        """Take ``count``, which asks and blocks, and a ``clock`` of seconds."""
        self._count = count
        self._clock = clock
        self._lock = threading.Lock()
        self._counted_s = float("-inf")
        self._counts: Mapping[str, int] = {}

    def __call__(self) -> Mapping[str, int]:
        """Return the replicas of each model; raises what asking raises, and remembers nothing then."""
        with self._lock:
            asked_s = self._clock()
            if asked_s >= self._counted_s + OLDEST_S:
                self._counts = self._count()
                self._counted_s = asked_s
            return self._counts
