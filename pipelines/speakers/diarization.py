"""From the voices of all spans to turns of speakers: one clustering over the whole recording."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipelines.core import SAMPLE_RATE
from pipelines.speakers.clustering import Points, cluster_points
from pipelines.speakers.frames import (
    FRAME_SAMPLES,
    MIN_FRAMES,
    WINDOW_SAMPLES,
    Mask,
    frames_of,
    runs_of,
    sample_of,
    without_gaps,
)
from pipelines.speakers.options import SpeakerOptions
from pipelines.speakers.protocol import EMBEDDING_SIZE
from pipelines.speakers.voices import SpanVoices, SpeakerTurn, VoicePiece, VoiceRun, unit

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int_]

MIN_CLUSTERED_FRAMES = frames_of(1.0)  # a piece shorter than this is told by the clusters, and founds none
MIN_CLUSTER_S = 1.0  # of clustered speech that a speaker needs
CHANGE_COST = 0.3  # similarity, times seconds, that a change of speaker within a run must gain
REFINEMENTS = 3
MAX_SELF_OVERLAP = 0.5  # of a run during which its speaker may be heard already, in another run
MIN_ANOTHER_FRAMES = frames_of(1.0)  # of a run over all speakers found that shows one more
BORROW_FRAMES = frames_of(10.0)  # a run without a piece of its own takes the speaker its track has so near

PHANTOM_SHARE = 0.02
PHANTOM_TURN_S = 2.0
"""A speaker with less than this share of the speech and no turn as long as this is nobody."""


def cluster(spans: Iterable[SpanVoices], options: SpeakerOptions | None = None) -> tuple[SpeakerTurn, ...]:
    """Tell who spoke when in one channel of a recording, by start; ``spans`` may come in any order."""
    options = options or SpeakerOptions()
    ordered = sorted(spans, key=lambda span: span.start)
    vectors = [span.vectors() for span in ordered]
    centroids = _centroids(ordered, vectors, options)
    if not len(centroids):
        return ()
    another = options.max_speakers is None or len(centroids) < options.max_speakers
    labelled: list[dict[int, Labels]] = []
    for _ in range(REFINEMENTS):
        sums = np.zeros_like(centroids)
        labelled = []
        for span, embedded in zip(ordered, vectors, strict=True):
            labels = _piece_labels(span, embedded, centroids, another=another)
            labelled.append(labels)
            for run, pieces in _pieces_by_run(span).items():
                for label, (number, piece) in zip(labels[run], pieces, strict=True):
                    if piece.alone and not piece.between:
                        sums[label] += embedded[number] * (piece.end - piece.start)
        heard = np.linalg.norm(sums, axis=1) > 0
        centroids = np.where(heard[:, None], unit(sums), centroids)
    turns = [
        turn
        for span, labels in zip(ordered, labelled, strict=True)
        for turn in _turns(span, labels, len(centroids) + 1)
    ]
    turns = without_phantoms(turns, keep=options.min_speakers)
    return _numbered(_joined(turns))


def _centroids(spans: Sequence[SpanVoices], vectors: Sequence[Floats], options: SpeakerOptions) -> Floats:
    """Return one embedding of length 1 for each speaker found, ``[n_speakers, size]``."""
    points, long_enough = _points(spans, vectors)
    if not len(points):
        return np.zeros((0, 0), np.float32)
    if long_enough.any():
        points = points.part(long_enough)
    labels = cluster_points(
        points,
        min_clusters=options.min_speakers,
        max_clusters=options.max_speakers,
        min_weight=MIN_CLUSTER_S,
        reach_s=WINDOW_SAMPLES / SAMPLE_RATE,
    )
    weights = np.bincount(labels, weights=points.weights)
    sums = np.zeros((len(weights), points.vectors.shape[1]), np.float32)
    np.add.at(sums, labels, points.vectors * points.weights[:, None])
    order = np.argsort(-weights, kind="stable")
    chosen = order[(weights[order] >= MIN_CLUSTER_S) | (np.arange(len(order)) < options.min_speakers)]
    return unit(sums[chosen[: options.max_speakers]])


def _points(spans: Sequence[SpanVoices], vectors: Sequence[Floats]) -> tuple[Points, npt.NDArray[np.bool_]]:
    """Return every piece with one voice alone, in order of time, and which are long enough to found a speaker."""
    rows = []
    for number, (span, embedded) in enumerate(zip(spans, vectors, strict=True)):
        for piece, vector in zip(span.pieces, embedded, strict=True):
            if piece.alone and not piece.between:
                middle = span.start + sample_of((piece.start + piece.end) // 2)
                rows.append((middle / SAMPLE_RATE, (number, span.runs[piece.run].track), piece, vector))
    rows.sort(key=lambda row: row[0])
    names = {name: i for i, name in enumerate(dict.fromkeys(row[1] for row in rows))}
    n_frames = np.array([row[2].end - row[2].start for row in rows], np.int_)
    points = Points(
        vectors=np.array([row[3] for row in rows], np.float32).reshape(len(rows), EMBEDDING_SIZE),
        weights=(n_frames * (FRAME_SAMPLES / SAMPLE_RATE)).astype(np.float32),
        tracks=np.array([names[row[1]] for row in rows], np.int_),
        times_s=np.array([row[0] for row in rows], np.float32),
    )
    return points, n_frames >= MIN_CLUSTERED_FRAMES


def _pieces_by_run(span: SpanVoices) -> dict[int, list[tuple[int, VoicePiece]]]:
    """Return the numbered pieces of each run, by time."""
    by_run: dict[int, list[tuple[int, VoicePiece]]] = defaultdict(list)
    for number, piece in enumerate(span.pieces):
        by_run[piece.run].append((number, piece))
    for pieces in by_run.values():
        pieces.sort(key=lambda item: item[1].start + item[1].end)
    return by_run


def _piece_labels(span: SpanVoices, vectors: Floats, centroids: Floats, *, another: bool) -> dict[int, Labels]:
    """Return the speakers of each run's pieces: the most similar ones, where changes within a run are dear.

    A run in which its voice is never alone sounds like the voices that it overlaps with, and is none of them: it goes
    to the most similar speaker who is silent then. If there is none, ``another`` gives it to one more, who has the
    number ``len(centroids)``.
    """
    similarity = vectors @ centroids.T
    by_run = _pieces_by_run(span)
    taken = np.zeros((len(centroids) + 1, max((run.end for run in span.runs), default=0)), np.bool_)
    alone: dict[int, Labels] = {}
    for number, pieces in by_run.items():
        if pieces[0][1].alone:
            rows = similarity[[row for row, _ in pieces]]
            seconds = np.array([(piece.end - piece.start) * FRAME_SAMPLES / SAMPLE_RATE for _, piece in pieces])
            alone[number] = cheapest_path(rows * seconds[:, None], CHANGE_COST)
            _mark(taken, span.runs[number], pieces, alone[number])
    labels = dict(alone)
    for number in sorted(by_run.keys() - alone.keys(), key=lambda i: (span.runs[i].start - span.runs[i].end, i)):
        run = span.runs[number]
        share = taken[:-1, run.start : run.end].mean(axis=1)
        speaker = _nearest_of_track(span, number, alone)
        if speaker is None or share[speaker] > MAX_SELF_OVERLAP:
            speaker = int((similarity[by_run[number][0][0]] - share).argmax())
            if another and share[speaker] > MAX_SELF_OVERLAP and run.end - run.start >= MIN_ANOTHER_FRAMES:
                speaker = len(centroids)
        labels[number] = np.array([speaker])
        _mark(taken, run, by_run[number], labels[number])
    return labels


def _mark(spoken: Mask, run: VoiceRun, pieces: Sequence[tuple[int, VoicePiece]], labels: Labels) -> None:
    """Give every frame of a run the speaker of the piece that is nearest to it, in ``spoken`` ``[n_speakers, n]``."""
    edges = [(a.end + b.start) // 2 for (_, a), (_, b) in pairwise(pieces)]
    for label, (start, end) in zip(labels, pairwise([run.start, *edges, run.end]), strict=True):
        spoken[label, start:end] = True


def _nearest_of_track(span: SpanVoices, run: int, labels: dict[int, Labels]) -> int | None:
    """Return the speaker that the track of a run has nearest to it, None where it is not heard alone so near."""
    own = span.runs[run]
    nearest: tuple[int, int] | None = None
    for other, found in labels.items():
        there = span.runs[other]
        if there.track == own.track:
            before = there.end <= own.start
            gap = own.start - there.end if before else there.start - own.end
            if gap <= BORROW_FRAMES and (nearest is None or gap < nearest[0]):
                nearest = (gap, int(found[-1] if before else found[0]))
    return None if nearest is None else nearest[1]


def cheapest_path(scores: Floats, change_cost: float) -> Labels:
    """Return the labels ``[n]`` with the greatest sum of ``scores`` ``[n, n_labels]`` less the cost of every change."""
    best = scores[0].copy()
    origins = []
    for row in scores[1:]:
        changed = best.max() - change_cost
        origins.append(np.where(best >= changed, np.arange(len(best)), best.argmax()))
        best = np.maximum(best, changed) + row
    path = [int(best.argmax())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return np.array(path[::-1], np.int_)


def _turns(span: SpanVoices, labels: dict[int, Labels], n_speakers: int) -> list[SpeakerTurn]:
    """Return the turns of a span by the speakers of its pieces."""
    n_frames = max((run.end for run in span.runs), default=0)
    spoken = np.zeros((n_speakers, n_frames), np.bool_)
    for number, pieces in _pieces_by_run(span).items():
        _mark(spoken, span.runs[number], pieces, labels[number])
    last = span.start + span.n_samples
    return [
        SpeakerTurn(
            speaker=speaker,
            start_s=(span.start + (sample_of(start) if start else 0)) / SAMPLE_RATE,
            end_s=min(span.start + sample_of(end), last) / SAMPLE_RATE,
        )
        for speaker in range(n_speakers)
        for start, end in runs_of(without_gaps(spoken[speaker], MIN_FRAMES))
    ]


def without_phantoms(turns: Sequence[SpeakerTurn], keep: int) -> list[SpeakerTurn]:
    """Leave out speakers with little speech and only short turns, but never to fewer than ``keep`` speakers."""
    lengths: dict[int, list[float]] = defaultdict(list)
    for turn in turns:
        lengths[turn.speaker].append(turn.end_s - turn.start_s)
    total = sum(sum(own) for own in lengths.values())
    by_speech = sorted(lengths, key=lambda speaker: -sum(lengths[speaker]))
    people = {
        speaker
        for rank, speaker in enumerate(by_speech)
        if rank < keep or sum(lengths[speaker]) >= PHANTOM_SHARE * total or max(lengths[speaker]) > PHANTOM_TURN_S
    }
    return [turn for turn in turns if turn.speaker in people]


def _joined(turns: Iterable[SpeakerTurn]) -> list[SpeakerTurn]:
    """Join turns of one speaker that touch where spans meet."""
    joined: list[SpeakerTurn] = []
    last: dict[int, int] = {}
    for turn in sorted(turns, key=lambda turn: (turn.start_s, turn.speaker)):
        before = last.get(turn.speaker)
        if before is not None and turn.start_s - joined[before].end_s <= MIN_FRAMES * FRAME_SAMPLES / SAMPLE_RATE:
            whole = SpeakerTurn(
                speaker=turn.speaker,
                start_s=joined[before].start_s,
                end_s=max(turn.end_s, joined[before].end_s),
            )
            joined[before] = whole
        else:
            last[turn.speaker] = len(joined)
            joined.append(turn)
    return joined


def _numbered(turns: Sequence[SpeakerTurn]) -> tuple[SpeakerTurn, ...]:
    numbers = {speaker: i for i, speaker in enumerate(dict.fromkeys(turn.speaker for turn in turns))}
    return tuple(SpeakerTurn(speaker=numbers[turn.speaker], start_s=turn.start_s, end_s=turn.end_s) for turn in turns)
