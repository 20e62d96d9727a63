"""`DecodeSlots`: what the decode slots of a device are doing, and how fast they have been."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from pipelines.scheduling.replica_count import BUSY_OVER_S

_RECENT_BATCHES = 16


class DecodeSlots:
    """Counts the decoding threads of one device, their time and what came of it. Thread-safe.

    Times are seconds of ``clock``, which only goes forward. Speeds are those of the whole device: audio seconds per
    second while all ``n_slots`` decode.
    """

    def __init__(self, n_slots: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.n_slots = n_slots
        self._clock = clock
        self._lock = threading.Lock()
        self._since_s: dict[int, tuple[float, float]] = {}  # by thread: since when, and the share that is counted
        self._used_s = 0.0  # by batches that have ended
        self._standard_s = 0.0  # of that, for standard work
        self._looks: deque[tuple[float, float, float]] = deque([(clock(), 0.0, 0.0)])  # when, what was used by then
        self._batches: deque[tuple[float, float]] = deque(maxlen=_RECENT_BATCHES)  # audio, device seconds

    @contextlib.contextmanager
    def decoding(self, standard: float = 1.0) -> Iterator[int]:
        """Occupy a slot by the calling thread; gives the number of slots that decode now, this one included.

        ``standard`` is the share (0…1) of the batch that is not economy work.
        """
        slot = threading.get_ident()
        with self._lock:
            self._since_s[slot] = (self._clock(), standard)
            n_busy = len(self._since_s)
        try:
            yield n_busy
        finally:
            with self._lock:
                since_s, _ = self._since_s.pop(slot)
                self._used_s += self._clock() - since_s
                self._standard_s += standard * (self._clock() - since_s)

    @property
    def n_busy(self) -> int:
        """Number of slots that decode now."""
        return len(self._since_s)

    @property
    def longest_s(self) -> float:
        """How long the oldest batch has been decoding; 0 where none is."""
        with self._lock:
            return self._clock() - min(since_s for since_s, _ in self._since_s.values()) if self._since_s else 0.0

    def record_batch(self, audio_s: float, device_s: float) -> None:
        """Count a transcribed batch."""
        if audio_s > 0 and device_s > 0:
            with self._lock:
                self._batches.append((audio_s, device_s))

    def utilization(self) -> float:
        """Return the share of the slots' time that was used over `BUSY_OVER_S`, 0…1, as far as looks go back."""
        return self.utilizations()[0]

    def utilizations(self) -> tuple[float, float]:
        """Return what `utilization` does, and the part of it that was standard work."""
        with self._lock:
            now_s = self._clock()
            running = [(now_s - since_s, standard) for since_s, standard in self._since_s.values()]
            used_s = self._used_s + sum(seconds for seconds, _ in running)
            standard_s = self._standard_s + sum(seconds * standard for seconds, standard in running)
            self._looks.append((now_s, used_s, standard_s))
            while len(self._looks) > 2 and self._looks[1][0] <= now_s - BUSY_OVER_S:
                self._looks.popleft()
            since_s, used_before_s, standard_before_s = self._looks[0]
            passed_s = (now_s - since_s) * self.n_slots
        if passed_s <= 0:
            return 0.0, 0.0
        return (used_s - used_before_s) / passed_s, (standard_s - standard_before_s) / passed_s

    @property
    def speed(self) -> float:
        """Audio seconds per second over the last batches; 0 before the first."""
        with self._lock:
            device_s = sum(device_s for _, device_s in self._batches)
            return sum(audio_s for audio_s, _ in self._batches) / device_s if device_s else 0.0

    @property
    def batch_audio_s(self) -> float:
        """Audio seconds of a batch, mean of the last ones; 0 before the first."""
        with self._lock:
            return sum(audio_s for audio_s, _ in self._batches) / len(self._batches) if self._batches else 0.0
