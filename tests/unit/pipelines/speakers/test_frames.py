"""Runs, hysteresis, powerset classes and the joining of windows, on activities written by hand."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.speakers.analysis import cut, window_starts
from pipelines.speakers.frames import (
    FRAME_SAMPLES,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
    runs_of,
    with_hysteresis,
    without_blips,
    without_gaps,
)
from pipelines.speakers.powerset import SETS, voice_probabilities
from pipelines.speakers.stitching import TrackAverage, matched


@given(st.lists(st.booleans(), max_size=60))
def test_runs_describe_their_mask(values):
    """Painting the runs again gives the mask, and no two touch."""
    mask = np.array(values, bool)
    painted = np.zeros_like(mask)
    runs = runs_of(mask)
    for start, end in runs:
        painted[start:end] = True
    assert (painted == mask).all()
    assert all(first[1] < second[0] for first, second in pairwise(runs))


def test_hysteresis_holds_between_its_limits():
    """A voice begins at the onset and lasts until it falls below the offset."""
    activity = np.array([0.45, 0.5, 0.45, 0.41, 0.39, 0.45, 0.6], np.float32)
    assert with_hysteresis(activity, 0.5, 0.4).tolist() == [False, True, True, True, False, False, True]


def test_gaps_close_and_blips_go():
    """Gaps inside are closed, those at the ends stay; short runs go."""
    mask = np.array([0, 1, 1, 0, 1, 1, 0, 0, 0, 1, 0], bool)
    assert runs_of(without_gaps(mask, 1)) == [(1, 6), (9, 10)]
    assert runs_of(without_blips(mask, 2)) == [(1, 3), (4, 6)]


def windows_of(*classes):
    """Return log probabilities ``[n_windows, n_frames, len(SETS)]`` of frames' probabilities of classes."""
    with np.errstate(divide="ignore"):
        return np.log(np.array(classes, np.float32))


def test_powerset_classes():
    """Nobody, each voice alone, each pair: certain classes give certain voices, whatever the window has of each."""
    assert SETS == ((), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2))
    expected = [[voice in voices for voice in range(3)] for voices in SETS]
    assert voice_probabilities(windows_of(np.eye(7))[0]).tolist() == expected


def test_doubt_is_shared_by_how_much_overlap_the_window_has():
    """The same doubt between one voice and two: two where much is overlapped, one where little is, even as usual."""
    one, two, doubt = np.eye(7)[1], np.eye(7)[4], [0, 0.6, 0, 0, 0.4, 0, 0]
    much, little = [doubt, *[two] * 9], [doubt, *[one] * 9]
    usual = [doubt, *[one] * 3]  # 0.4 of 4 frames: a tenth
    voices = voice_probabilities(windows_of(much, little))[:, 0]
    assert voices[:, 0] == pytest.approx(1.0)
    assert voices[0, 1] > 0.7
    assert voices[1, 1] < 0.3
    assert voice_probabilities(windows_of(usual)[0])[0, 1] == pytest.approx(0.4)


def test_voices_keep_their_track_when_windows_order_them_otherwise():
    """Two windows name two voices the other way round: the average has each on one track."""
    shift = 100
    truth = np.zeros((WINDOW_FRAMES + shift, 2), np.float32)
    truth[:300, 0] = 1
    truth[280:, 1] = 1
    average = TrackAverage(len(truth))
    average.add(0, truth[:WINDOW_FRAMES])
    average.add(shift, truth[shift:, ::-1])
    assert (average.mean() == truth).all()


def test_pairing_is_the_best_of_all():
    """The greatest single agreement is not part of the greatest sum."""
    assert matched(np.array([[10, 9], [9, 1]], np.float32), 0.5) == {0: 1, 1: 0}
    assert matched(np.array([[10, 9], [0, 0]], np.float32), 0.5) == {0: 0}


@given(st.integers(0, 10_000_000))
def test_windows_hear_every_sample(n_samples):
    """The last window reaches the end, the one before does not."""
    starts = window_starts(n_samples)
    ends = [start * FRAME_SAMPLES + WINDOW_SAMPLES for start in starts]
    assert ends[-1] >= n_samples
    assert all(end < n_samples for end in ends[:-1])


@given(st.integers(0, 1000), st.integers(1, 3000))
def test_pieces_tile_their_run(start, length):
    """Pieces touch, none is twice as long as another."""
    pieces = cut((start, start + length))
    assert pieces[0][0] == start
    assert pieces[-1][1] == start + length
    assert all(first[1] == second[0] for first, second in pairwise(pieces))
    lengths = [end - begin for begin, end in pieces]
    assert max(lengths) <= 2 * min(lengths)
