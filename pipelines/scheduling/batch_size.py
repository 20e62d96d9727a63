"""Adapt the number of rows decoded at once to the first batches of real work, without trials."""

from statistics import median

GAIN = 1.05  # twice the rows must be decoded so much faster to be worth a single row's longer wait
SAMPLES = 4  # full batches per size, so that one odd recording does not decide
LONGEST_BATCH_S = 20.0  # a job waits for whole batches


class AdaptiveBatchSize:
    """Doubles ``size`` while full batches are decoded clearly faster for it, up to ``largest``; then it stays."""

    def __init__(self, size: int, largest: int) -> None:
        """Begin with ``size`` rows; where ``largest`` is no more than that, the size is fixed."""
        self.size = size
        self._largest = largest
        self._speeds: list[float] = []
        self._speed_before = 0.0
        self._ended = largest < 2 * size

    def record_batch(self, n_rows: int, audio_s: float, device_s: float) -> bool:
        """Take in a decoded batch of ``audio_s`` seconds of sound; return whether `size` has changed."""
        if self._ended or n_rows < self.size or device_s <= 0:
            return False
        self._speeds.append(audio_s / device_s)
        if len(self._speeds) < SAMPLES:
            return False
        speed, self._speeds = median(self._speeds), []
        if speed < GAIN * self._speed_before:
            self.size //= 2
            self._ended = True
            return True
        self._speed_before = speed
        self._ended = 2 * self.size > self._largest or 2 * device_s > LONGEST_BATCH_S
        if not self._ended:
            self.size *= 2
        return not self._ended
