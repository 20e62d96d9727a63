"""Hear a span: which voices are active when, and an embedding of every stretch in which one is alone."""

import base64
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pipelines.speakers.fbank import HOP_SAMPLES, log_mel
from pipelines.speakers.frames import (
    FRAME_SAMPLES,
    MIN_FRAMES,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
    Mask,
    Run,
    frames_of,
    n_frames,
    runs_of,
    sample_of,
    with_hysteresis,
    without_blips,
    without_gaps,
)
from pipelines.speakers.powerset import voice_probabilities
from pipelines.speakers.protocol import CONTEXT_FRAMES, EMBEDDING_SIZE, VoiceModels
from pipelines.speakers.stitching import TrackAverage
from pipelines.speakers.voices import SpanVoices, VoicePiece, VoiceRun, unit

Floats = npt.NDArray[np.float32]
Sound = npt.NDArray[np.int16] | npt.NDArray[np.float32]

STEP_FRAMES = frames_of(2.5)  # between windows: every frame is heard four times
ONSET, OFFSET = 0.5, 0.45  # of a voice's mean activity
PIECE_FRAMES = frames_of(CONTEXT_FRAMES / 100)
MIN_PIECE_FRAMES = frames_of(0.5)  # one voice alone for less gives no embedding of its own
DOUBT = 0.5  # cosine distance of two pieces that touch, above which their voices may be two
BATCH = 8
INT16_SCALE = 32768.0


def analyse(sound: Sound, start: int, models: VoiceModels) -> SpanVoices:
    """Hear ``sound``, mono ``[n_samples]`` at 16 kHz, int16 or float32 in ±1, which begins at sample ``start``.

    Takes about 20 bytes of memory for a sample, 80 MB for a span of 5 minutes. The result is the same whoever computes
    it and whenever, but for the last bits of the processor's arithmetic.
    """
    if sound.dtype == np.int16:
        sound = sound.astype(np.float32) / INT16_SCALE
    samples = sound.astype(np.float32, copy=False)
    activity = _activity(samples, models)
    masks = [_spoken(activity[:, track]) for track in range(activity.shape[1])]
    runs = [VoiceRun(track=i, start=run[0], end=run[1]) for i, mask in enumerate(masks) for run in runs_of(mask)]
    runs.sort(key=lambda run: (run.start, run.track))
    n_voices = np.sum(masks, axis=0) if masks else np.zeros(len(activity))
    pieces = [piece for number, run in enumerate(runs) for piece in _pieces(number, run, n_voices == 1)]
    features = log_mel(samples)
    vectors = _embeddings(features, pieces, models)
    between = list(_between(pieces, vectors))
    vectors = np.concatenate([vectors, _embeddings(features, between, models)])
    pieces += between
    return SpanVoices(
        start=start,
        n_samples=len(samples),
        runs=tuple(runs),
        pieces=tuple(pieces),
        embeddings=base64.b64encode(vectors.astype("<f2").tobytes()).decode("ascii"),
    )


def _activity(samples: Floats, models: VoiceModels) -> Floats:
    """Return the mean activity ``[n_frames, n_tracks]`` of all tracks."""
    starts = window_starts(len(samples))
    average = TrackAverage(starts[-1] + WINDOW_FRAMES)
    for at in range(0, len(starts), BATCH):
        batch = starts[at : at + BATCH]
        windows = np.zeros((len(batch), WINDOW_SAMPLES), np.float32)
        for window, start in zip(windows, batch, strict=True):
            heard = samples[start * FRAME_SAMPLES : start * FRAME_SAMPLES + WINDOW_SAMPLES]
            window[: len(heard)] = heard
        for start, voices in zip(batch, voice_probabilities(models.segment(windows)), strict=True):
            average.add(start, voices)
    return average.mean()[: n_frames(len(samples))]


def window_starts(n_samples: int) -> list[int]:
    """Return the frames at which windows begin, so that they hear every sample."""
    n_steps = -(-max(0, n_samples - WINDOW_SAMPLES) // (STEP_FRAMES * FRAME_SAMPLES))
    return [step * STEP_FRAMES for step in range(n_steps + 1)]


def _spoken(activity: Floats) -> Mask:
    return without_blips(without_gaps(with_hysteresis(activity, ONSET, OFFSET), MIN_FRAMES), MIN_FRAMES)


def _pieces(number: int, run: VoiceRun, alone: Mask) -> Iterator[VoicePiece]:
    """Cut the stretches in which a run's voice is alone into pieces; without any, the whole run is one."""
    stretches = [(run.start + a, run.start + b) for a, b in runs_of(alone[run.start : run.end])]
    long_enough = [stretch for stretch in stretches if stretch[1] - stretch[0] >= MIN_PIECE_FRAMES]
    for stretch in long_enough:
        for start, end in cut(stretch):
            yield VoicePiece(run=number, start=start, end=end, alone=True)
    if not long_enough:
        yield VoicePiece(run=number, start=run.start, end=run.end, alone=False)


def cut(run: Run) -> list[Run]:
    """Cut a run into equal pieces of about `PIECE_FRAMES`, touching each other."""
    start, end = run
    n_pieces = max(1, round((end - start) / PIECE_FRAMES))
    edges = np.linspace(start, end, n_pieces + 1).astype(int).tolist()
    return list(pairwise(edges))


def _between(pieces: list[VoicePiece], vectors: Floats) -> Iterator[VoicePiece]:
    """Yield pieces over the middles of two that touch and may be two voices."""
    for i, (first, second) in enumerate(pairwise(pieces)):
        touching = first.run == second.run and first.end == second.start and first.alone
        if touching and 1.0 - float(vectors[i] @ vectors[i + 1]) > DOUBT:
            middle, end = (first.start + first.end) // 2, (second.start + second.end) // 2
            yield VoicePiece(run=first.run, start=middle, end=end, alone=True, between=True)


def _embeddings(features: Floats, pieces: list[VoicePiece], models: VoiceModels) -> Floats:
    """Return embeddings ``[n_pieces, EMBEDDING_SIZE]`` of length 1."""
    if not pieces:
        return np.zeros((0, EMBEDDING_SIZE), np.float32)
    vectors = [
        models.embed(np.stack([_context(features, piece) for piece in pieces[at : at + BATCH]]))
        for at in range(0, len(pieces), BATCH)
    ]
    return unit(np.concatenate(vectors))


def _context(features: Floats, piece: VoicePiece) -> Floats:
    """Return `CONTEXT_FRAMES` features from the middle of a piece, which is repeated where it is shorter."""
    first = min(sample_of(piece.start) // HOP_SAMPLES, len(features) - 1)
    heard = features[first : max(first + 1, sample_of(piece.end) // HOP_SAMPLES)]
    skipped = max(0, len(heard) - CONTEXT_FRAMES) // 2
    return np.resize(heard[skipped : skipped + CONTEXT_FRAMES], (CONTEXT_FRAMES, features.shape[1]))
