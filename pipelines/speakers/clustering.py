"""Cluster embeddings by average linkage, with a threshold that fits how much one voice varies in the recording."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

SHARED = 0.6
"""Similarity that two clusters of one voice have, as a share of that of neighbouring pieces of one voice."""
USUAL_SPREAD = 0.3  # cosine distance of neighbouring pieces of one voice, before any was heard
USUAL_WEIGHT = 5  # pairs that the usual spread counts as
MAX_THRESHOLD = 0.75

APART = 0.15  # distance added between pieces that segmentation gave to different voices of one window
TOGETHER = 0.05  # distance taken away between those that it gave to one
MAX_POINTS = 800  # clustered at a time: bounds time and memory for a day of speech
PRE_SHARE = 0.7  # of the threshold: pieces this close are joined before the others are compared


@dataclass(frozen=True, kw_only=True)
class Points:
    """Embeddings to cluster, in order of time.

    ``vectors``: float32 ``[n, size]`` of length 1; ``weights``: seconds of sound, ``[n]``; ``tracks``: local voices,
    ``[n]``, those of different spans different; ``times_s``: their middles, ``[n]``.
    """

    vectors: Floats
    weights: Floats
    tracks: npt.NDArray[np.int_]
    times_s: Floats

    def __len__(self) -> int:
        return len(self.vectors)

    def part(self, chosen: npt.NDArray[np.int_] | npt.NDArray[np.bool_]) -> "Points":
        return Points(
            vectors=self.vectors[chosen],
            weights=self.weights[chosen],
            tracks=self.tracks[chosen],
            times_s=self.times_s[chosen],
        )


def threshold(points: Points, max_gap_s: float = 4.0) -> float:
    """Return the cosine distance above which clusters are different voices."""
    spreads = [USUAL_SPREAD] * USUAL_WEIGHT
    last: dict[int, int] = {}
    for i, track in enumerate(points.tracks.tolist()):
        before = last.get(track)
        if before is not None and points.times_s[i] - points.times_s[before] <= max_gap_s:
            spreads.append(1.0 - float(points.vectors[i] @ points.vectors[before]))
        last[track] = i
    return min(MAX_THRESHOLD, 1.0 - SHARED * (1.0 - float(np.median(spreads))))


def cluster_points(
    points: Points, *, min_clusters: int = 1, max_clusters: int | None = None, min_weight: float = 0.0, reach_s: float
) -> npt.NDArray[np.int_]:
    """Return a cluster number ``[n]`` for each point; clusters below ``min_weight`` do not count for the bounds.

    ``reach_s``: segmentation is believed about pieces that are no further apart.
    """
    if not len(points):
        return np.zeros(0, np.int_)
    limit = threshold(points)
    groups = _pre_clustered(points, PRE_SHARE * limit, reach_s)
    merges, distances = _linkage(points, groups, reach_s)
    n_groups = int(groups.max()) + 1
    n_merges = int(np.searchsorted(np.maximum.accumulate(distances), limit, side="right")) if distances else 0

    def labels_after(count: int) -> npt.NDArray[np.int_]:
        owner = np.arange(n_groups)
        for kept, gone in merges[:count]:
            owner[owner == gone] = kept
        return np.unique(owner[groups], return_inverse=True)[1]

    def n_counting(labels: npt.NDArray[np.int_]) -> int:
        weights = np.bincount(labels, weights=points.weights)
        return max(1, int(np.sum(weights >= min_weight)))

    labels = labels_after(n_merges)
    while n_counting(labels) < min_clusters and n_merges > 0:
        n_merges -= 1
        labels = labels_after(n_merges)
    while max_clusters is not None and n_counting(labels) > max_clusters and n_merges < len(merges):
        n_merges += 1
        labels = labels_after(n_merges)
    return labels


def _pre_clustered(points: Points, limit: float, reach_s: float) -> npt.NDArray[np.int_]:
    """Group points that are surely one voice, block by block in time, where there are too many to compare all."""
    if len(points) <= MAX_POINTS:
        return np.arange(len(points))
    groups = np.zeros(len(points), np.int_)
    n_groups = 0
    for at in range(0, len(points), MAX_POINTS):
        block = points.part(np.arange(at, min(at + MAX_POINTS, len(points))))
        merges, distances = _linkage(block, np.arange(len(block)), reach_s)
        owner = np.arange(len(block))
        for (kept, gone), distance in zip(merges, distances, strict=True):
            if distance > limit:
                break
            owner[owner == gone] = kept
        inverse = np.unique(owner, return_inverse=True)[1]
        groups[at : at + len(block)] = n_groups + inverse
        n_groups += int(inverse.max()) + 1
    return groups


def _linkage(points: Points, groups: npt.NDArray[np.int_], reach_s: float) -> tuple[list[tuple[int, int]], list[float]]:
    """Merge groups by average linkage until one is left: pairs (kept, gone) in order, and their distances."""
    n_groups = int(groups.max()) + 1
    weights = np.bincount(groups, weights=points.weights, minlength=n_groups).astype(np.float64)
    distances = _distances(points, groups, weights, reach_s)
    np.fill_diagonal(distances, np.inf)
    merges: list[tuple[int, int]] = []
    at: list[float] = []
    for _ in range(n_groups - 1):
        kept, gone = divmod(int(distances.argmin()), n_groups)
        at.append(float(distances[kept, gone]))
        merges.append((kept, gone))
        total = weights[kept] + weights[gone]
        row = (weights[kept] * distances[kept] + weights[gone] * distances[gone]) / total
        row[kept] = np.inf
        weights[kept] = total
        distances[kept] = distances[:, kept] = row
        distances[gone] = distances[:, gone] = np.inf
    return merges, at


def _distances(
    points: Points, groups: npt.NDArray[np.int_], weights: npt.NDArray[np.float64], reach_s: float
) -> npt.NDArray[np.float64]:
    """Return the mean distances ``[n_groups, n_groups]`` between the points of two groups."""
    n_groups = len(weights)
    sums = np.zeros((n_groups, points.vectors.shape[1]))
    np.add.at(sums, groups, points.vectors * points.weights[:, None])
    distances: npt.NDArray[np.float64] = 1.0 - (sums @ sums.T) / np.outer(weights, weights)
    order = np.argsort(points.times_s, kind="stable")
    for position, i in enumerate(order):  # points are few within reach: the whole matrix would be a day's square
        j = order[position + 1 :]
        j = j[points.times_s[j] - points.times_s[i] < reach_s]
        moved = np.where(points.tracks[j] == points.tracks[i], -TOGETHER, APART)
        share = points.weights[i] * points.weights[j] / (weights[groups[i]] * weights[groups[j]])
        np.add.at(distances, (groups[i], groups[j]), moved * share)
        np.add.at(distances, (groups[j], groups[i]), moved * share)
    return distances
