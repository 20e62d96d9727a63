"""The clock of the segmentation network: frames of 270 samples in windows of 10 s.

A run is a half-open range ``[start, end)`` of frames in which something is true.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipelines.core import SAMPLE_RATE

Mask = npt.NDArray[np.bool_]
Run = tuple[int, int]

FRAME_SAMPLES = 270  # between the middles of two frames
FIELD_SAMPLES = 991  # that a frame hears
WINDOW_SAMPLES = 10 * SAMPLE_RATE
WINDOW_FRAMES = (WINDOW_SAMPLES - FIELD_SAMPLES) // FRAME_SAMPLES + 1
OFFSET_SAMPLES = (FIELD_SAMPLES - FRAME_SAMPLES) // 2  # from a frame's first sample heard to its own share of time


def frames_of(seconds: float) -> int:
    """Return the number of frames that is closest to a duration."""
    return round(seconds * SAMPLE_RATE / FRAME_SAMPLES)


MIN_FRAMES = frames_of(0.1)
"""Frames of the shortest run that is kept, and of the longest pause that is not."""


def n_frames(n_samples: int) -> int:
    """Return how many frames ``n_samples`` give, at least one."""
    return max(1, (n_samples - FIELD_SAMPLES) // FRAME_SAMPLES + 1)


def sample_of(frame: int) -> int:
    """Return the sample at which a frame's share of time begins."""
    return frame * FRAME_SAMPLES + OFFSET_SAMPLES


def runs_of(mask: Mask) -> list[Run]:
    """Return the runs in which a mask ``[n_frames]`` is true."""
    edges = np.diff(np.concatenate([[0], mask.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(int(start), int(end)) for start, end in zip(starts, ends, strict=True)]


def with_hysteresis(activity: npt.NDArray[np.float32], onset: float, offset: float) -> Mask:
    """Return a mask that begins where ``activity`` reaches ``onset`` and ends where it falls below ``offset``."""
    decided = np.where((activity >= onset) | (activity < offset), np.arange(len(activity)), -1)
    last = np.maximum.accumulate(decided)
    mask: Mask = (last >= 0) & (activity[np.maximum(last, 0)] >= onset)
    return mask


def without_gaps(mask: Mask, max_gap: int) -> Mask:
    """Close gaps of up to ``max_gap`` frames between runs."""
    closed = mask.copy()
    runs = runs_of(mask)
    for (_, end), (start, _) in pairwise(runs):
        if start - end <= max_gap:
            closed[end:start] = True
    return closed


def without_blips(mask: Mask, min_frames: int) -> Mask:
    """Remove runs of fewer than ``min_frames`` frames."""
    kept = mask.copy()
    for start, end in runs_of(mask):
        if end - start < min_frames:
            kept[start:end] = False
    return kept
