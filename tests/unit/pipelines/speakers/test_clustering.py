"""Clustering on voices made of noise around a few directions, and speakers found from spans of them."""

import base64
import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import codec
from pipelines.core import SAMPLE_RATE
from pipelines.errors import OptionError
from pipelines.speakers import clustering
from pipelines.speakers.clustering import Points, cluster_points, threshold
from pipelines.speakers.diarization import cheapest_path, cluster, without_phantoms
from pipelines.speakers.frames import frames_of
from pipelines.speakers.options import SpeakerOptions
from pipelines.speakers.protocol import EMBEDDING_SIZE
from pipelines.speakers.voices import SpanVoices, SpeakerTurn, VoicePiece, VoiceRun


def voices(labels, spread=0.3, seed=0):
    """Return unit vectors around one random direction for each label; ``spread`` is the distance within a voice."""
    random = np.random.default_rng(seed)
    directions = random.normal(size=(max(labels) + 1, EMBEDDING_SIZE)) / np.sqrt(EMBEDDING_SIZE)
    noise = random.normal(size=(len(labels), EMBEDDING_SIZE)) / np.sqrt(EMBEDDING_SIZE)
    vectors = np.sqrt(1 - spread) * directions[list(labels)] + np.sqrt(spread) * noise
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def points(labels, *, tracks=None, apart_s=2.0, **options):
    n = len(labels)
    return Points(
        vectors=voices(labels, **options),
        weights=np.full(n, 2.0, np.float32),
        tracks=np.arange(n) if tracks is None else np.array(tracks),
        times_s=np.arange(n, dtype=np.float32) * np.float32(apart_s),
    )


def same_partition(one, other):
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


@given(st.lists(st.integers(0, 4), min_size=8, max_size=60), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_clear_voices_are_found(labels, seed):
    """As many clusters as there are voices, each of one voice, in any order."""
    assert same_partition(cluster_points(points(labels, seed=seed), reach_s=0.0).tolist(), labels)


def test_more_points_than_are_compared_at_once(monkeypatch):
    """Joining block by block first finds the same voices."""
    labels = [i // 7 % 4 for i in range(300)]
    monkeypatch.setattr(clustering, "MAX_POINTS", 50)
    assert same_partition(cluster_points(points(labels), reach_s=10.0).tolist(), labels)


def test_a_voice_that_varies_more_is_still_one():
    """The threshold grows with the distance between neighbouring pieces of one track."""
    steady = points([0] * 20, tracks=[0] * 20, spread=0.1)
    varied = points([0] * 20, tracks=[0] * 20, spread=0.6)
    assert threshold(steady) < threshold(varied)
    assert len(set(cluster_points(varied, reach_s=10.0).tolist())) == 1


def test_segmentation_parts_what_embeddings_alone_would_join():
    """Two tracks in one window, half as far apart as voices are: two voices. Far apart in time: one."""
    near = voices([0, 0], spread=0.0)[0]
    other = voices([0, 1], spread=0.0)[1]
    between = 0.75 * near + np.sqrt(1 - 0.75**2) * (other - (other @ near) * near) / np.linalg.norm(
        other - (other @ near) * near
    )
    vectors = np.array([near, between] * 6, np.float32)
    limit = threshold(points([0] * 12))
    distance = 1 - float(near @ between)
    assert distance + clustering.APART < limit  # at this distance segmentation does not overrule
    far = np.float32(1.0 - (limit - 0.05))
    orthogonal = (other - (other @ near) * near) / np.linalg.norm(other - (other @ near) * near)
    vectors = np.array([near, far * near + np.sqrt(1 - far**2) * orthogonal], np.float32)
    pair = Points(
        vectors=vectors,
        weights=np.full(2, 2.0, np.float32),
        tracks=np.array([0, 1]),
        times_s=np.array([0.0, 3.0], np.float32),
    )
    assert len(set(cluster_points(pair, reach_s=10.0).tolist())) == 2
    assert len(set(cluster_points(pair, reach_s=1.0).tolist())) == 1


@pytest.mark.parametrize(("low", "high", "found"), [(1, None, 3), (1, 2, 2), (5, None, 5), (4, 4, 4), (1, 1, 1)])
def test_bounds_of_the_number(low, high, found):
    """Bounds move the cut of the dendrogram, whatever the threshold says."""
    labels = cluster_points(points([0, 1, 2] * 8), min_clusters=low, max_clusters=high, reach_s=0.0)
    assert len(set(labels.tolist())) == found


def span(start_s, labels, *, piece_s=2.0, pause_s=0.5, between=(), seed=1):
    """Return a span in which voices talk one after the other, a run of one piece each."""
    length, pause = frames_of(piece_s), frames_of(pause_s)
    runs, pieces = [], []
    for i, label in enumerate(labels):
        start = i * (length + pause)
        runs.append(VoiceRun(track=label, start=start, end=start + length))
        pieces.append(VoicePiece(run=i, start=start, end=start + length, alone=True))
    vectors = voices([*labels, 3], seed=seed)[:-1]
    return SpanVoices(
        start=round(start_s * SAMPLE_RATE),
        n_samples=round(len(labels) * (piece_s + pause_s) * SAMPLE_RATE),
        runs=tuple(runs),
        pieces=tuple(pieces),
        embeddings=base64.b64encode(vectors.astype("<f2").tobytes()).decode(),
    )


def test_speakers_keep_their_number_over_spans():
    """Tracks are numbered anew in each span, speakers over the whole recording, in the order they are first heard."""
    spans = [span(0, [2, 1, 2]), span(60, [1, 0, 2, 1])]
    turns = cluster(reversed(spans))
    assert [turn.speaker for turn in turns] == [0, 1, 0, 1, 2, 0, 1]
    assert turns == cluster(spans)
    assert turns[3].start_s == pytest.approx(60.0, abs=0.05)
    assert turns[4].start_s == pytest.approx(62.5, abs=0.05)
    assert all(turn.end_s - turn.start_s == pytest.approx(2.0, abs=0.05) for turn in turns)


def test_span_voices_survive_the_codec():
    """What a worker stores, another one reads: the same turns."""
    original = span(7.5, [0, 1, 0, 2])
    copy = codec.decode(SpanVoices, codec.encode(original))
    assert copy == original
    assert cluster([copy]) == cluster([original])


def test_an_exact_number_is_kept():
    """Asked for two, the three voices become two."""
    turns = cluster([span(0, [0, 1, 2] * 4)], SpeakerOptions(min_speakers=2, max_speakers=2))
    assert {turn.speaker for turn in turns} == {0, 1}


def overlapped(labels, *, sounds_like, over_s):
    """Return a span in which a voice that is never alone speaks over the first run, like the voice heard there."""
    heard = span(0, labels, piece_s=4.0)
    run = VoiceRun(track=9, start=frames_of(1.0), end=frames_of(1.0 + over_s))
    piece = VoicePiece(run=len(labels), start=run.start, end=run.end, alone=False)
    vectors = np.concatenate([heard.vectors(), heard.vectors()[[sounds_like]]])
    return replace(
        heard,
        runs=(*heard.runs, run),
        pieces=(*heard.pieces, piece),
        embeddings=base64.b64encode(vectors.astype("<f2").tobytes()).decode(),
    )


def turn_over_the_first(turns):
    """Return the speakers of turns that begin within the first run."""
    return [turn.speaker for turn in turns if 0.5 < turn.start_s < 3]


def test_nobody_talks_over_oneself():
    """A voice that is never alone goes to who is silent then, though it sounds like who is talking."""
    turns = cluster([overlapped([0, 1, 0, 1], sounds_like=0, over_s=2.0)])
    assert turn_over_the_first(turns) == [1]


@pytest.mark.parametrize(
    ("over_s", "most", "over"),
    [(2.5, None, [1]), (2.5, 2, [1]), (2.5, 1, []), (0.5, None, [])],
)
def test_a_voice_over_the_only_speaker_is_another(over_s, most, over):
    """Unless it is short, or one speaker was asked for."""
    options = SpeakerOptions(max_speakers=most)
    turns = cluster([overlapped([0, 0, 0], sounds_like=0, over_s=over_s)], options)
    assert turn_over_the_first(turns) == over


def test_nothing_said_has_no_turns():
    """Spans without voices give none, and so do none."""
    assert cluster([]) == ()
    assert cluster([SpanVoices(start=0, n_samples=16000)]) == ()


@pytest.mark.parametrize("bounds", [{"min_speakers": 0}, {"min_speakers": 3, "max_speakers": 2}])
def test_bounds_that_contradict(bounds):
    """They are refused by the error of options."""
    with pytest.raises(OptionError):
        SpeakerOptions(**bounds)


def test_phantoms_are_nobody():
    """Little speech in short turns goes; a long turn or enough speech stays; the floor holds."""
    turns = [
        SpeakerTurn(speaker=0, start_s=0, end_s=150),
        SpeakerTurn(speaker=1, start_s=150, end_s=151.5),  # 1 %, short
        SpeakerTurn(speaker=2, start_s=160, end_s=162.5),  # under 2 %, but a turn of 2.5 s
        *(SpeakerTurn(speaker=3, start_s=170 + 2 * i, end_s=171 + 2 * i) for i in range(5)),  # 3 % in short turns
    ]
    assert {turn.speaker for turn in without_phantoms(turns, keep=1)} == {0, 2, 3}
    assert {turn.speaker for turn in without_phantoms(turns, keep=4)} == {0, 1, 2, 3}


@given(st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=6))
def test_the_path_is_the_best_of_all(rows):
    """No sequence of labels has a greater sum less its changes."""
    scores = np.array(rows, np.float32)

    def value(path):
        changes = sum(a != b for a, b in itertools.pairwise(path))
        return sum(float(scores[i, label]) for i, label in enumerate(path)) - 0.3 * changes

    best = max(value(path) for path in itertools.product(range(3), repeat=len(rows)))
    assert value(cheapest_path(scores, 0.3).tolist()) == pytest.approx(best, abs=1e-5)
