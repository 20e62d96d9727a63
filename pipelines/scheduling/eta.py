"""Measure how fast the cluster transcribes, and estimate when a job will be done at that speed."""

from collections import deque

_RESOLUTION = 1 / 500
"""Of the window: reports that come closer together are one sample, however many there are."""


class SpeedMeter:
    """Measures audio seconds per wall second over the last ``window_s`` seconds in which there was work.

    Pure: the caller gives monotonic times. Idle stretches do not count, or the first job after a
    quiet night would be promised for next week.
    """

    def __init__(self, window_s: float = 120.0) -> None:
        self._window_s = window_s
        self._samples: deque[tuple[float, float]] = deque()  # busy seconds, audio seconds
        self._whole_s = (0.0, 0.0)  # their sums
        self._last_s = (0.0, 0.0)  # what is not a sample yet
        self._busy_since: float | None = None

    def start(self, now: float) -> None:
        """Note that work arrived, or goes on."""
        if self._busy_since is None:
            self._busy_since = now

    def stop(self) -> None:
        """Note that no work is left."""
        self._busy_since = None

    def done(self, now: float, audio_s: float) -> None:
        """Note that ``audio_s`` seconds were transcribed since the last call."""
        since = now if self._busy_since is None else self._busy_since
        self._busy_since = now
        busy_s, heard_s = self._last_s
        self._last_s = (busy_s + max(0.0, now - since), heard_s + audio_s)
        if self._last_s[0] >= self._window_s * _RESOLUTION:
            self._samples.append(self._last_s)
            self._last_s = (0.0, 0.0)
            while sum(busy for busy, _ in self._samples) > self._window_s and len(self._samples) > 1:
                self._samples.popleft()
            self._whole_s = (sum(busy for busy, _ in self._samples), sum(heard for _, heard in self._samples))

    @property
    def speed(self) -> float:
        """Audio seconds per wall second; 0 before the first measurement."""
        busy_s, heard_s = (whole + last for whole, last in zip(self._whole_s, self._last_s, strict=True))
        return heard_s / busy_s if busy_s > 0 else 0.0


def eta_s(job_remaining_s: float, backlog_s: float, n_live_jobs: int, speed: float) -> float | None:
    """Return seconds until a job is transcribed when live jobs share the machine fairly.

    None while the speed is unknown, and while nothing is known to remain: then no audio was found yet, or what was
    found is done. ``job_remaining_s`` and ``backlog_s`` (all jobs, this one included) are audio seconds.
    """
    if speed <= 0 or job_remaining_s <= 0:
        return None
    return min(max(backlog_s, job_remaining_s), job_remaining_s * max(1, n_live_jobs)) / speed
