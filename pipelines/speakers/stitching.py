"""Join the voices of overlapping windows to tracks: one voice as far as it can be followed from window to window."""

import numpy as np
import numpy.typing as npt

from pipelines.speakers.frames import WINDOW_FRAMES

Floats = npt.NDArray[np.float32]

MIN_AGREEMENT = 6.0  # frames in which a voice and a track are both active: 0.1 s


class TrackAverage:
    """Averages the activity of voices over all windows that hear a frame, track by track."""

    def __init__(self, n_frames: int) -> None:
        """Take windows up to frame ``n_frames``."""
        self._sums = np.zeros((n_frames, 0), np.float32)
        self._n_windows = np.zeros(n_frames, np.float32)

    def add(self, start: int, activity: Floats) -> None:
        """Take a window's voices, float32 ``[WINDOW_FRAMES, n_voices]`` in [0, 1], the first at frame ``start``."""
        span = slice(start, start + WINDOW_FRAMES)
        known = self._sums[span] / np.maximum(self._n_windows[span], 1.0)[:, None]
        voices = [voice for voice in range(activity.shape[1]) if activity[:, voice].max() >= 0.5]
        agreement = np.array([np.minimum(activity[:, [voice]], known).sum(axis=0) for voice in voices])
        tracks = matched(agreement, MIN_AGREEMENT) if voices else {}
        for row, voice in enumerate(voices):
            track = tracks.get(row)
            if track is None:
                track = self._sums.shape[1]
                self._sums = np.pad(self._sums, ((0, 0), (0, 1)))
            self._sums[span, track] += activity[:, voice]
        self._n_windows[span] += 1.0

    def mean(self) -> Floats:
        """Return the activity ``[n_frames, n_tracks]``."""
        return (self._sums / np.maximum(self._n_windows, 1.0)[:, None]).astype(np.float32)


def matched(agreement: Floats, least: float) -> dict[int, int]:
    """Pair rows with columns one to one for the greatest agreement of at most three rows; pairs need ``least``."""
    best: tuple[float, dict[int, int]] = (0.0, {})
    candidates = [
        [None, *(int(column) for column in np.argsort(-row)[: len(agreement)] if row[column] >= least)]
        for row in agreement
    ]

    def search(row: int, total: float, pairs: dict[int, int]) -> None:
        nonlocal best
        if total > best[0]:
            best = (total, pairs)
        if row == len(candidates):
            return
        for column in candidates[row]:
            if column is None:
                search(row + 1, total, pairs)
            elif column not in pairs.values():
                search(row + 1, total + float(agreement[row, column]), {**pairs, row: column})

    search(0, 0.0, {})
    return best[1]
