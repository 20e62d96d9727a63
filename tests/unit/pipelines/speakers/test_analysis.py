"""What is kept of a span, with networks that are told apart by loudness."""

import numpy as np
import pytest

from pipelines.core import SAMPLE_RATE
from pipelines.speakers.analysis import analyse
from pipelines.speakers.diarization import cluster
from pipelines.speakers.options import SpeakerOptions
from tests.fakes.voices import LoudnessModels, noise


def test_a_change_of_voice_without_a_pause():
    """Segmentation follows one voice; embeddings part it, and a piece between places the change better."""
    voices = analyse(np.concatenate([noise(6.4, 0.9, 1), noise(5.6, 0.002, 2)]), 0, LoudnessModels())
    assert len(voices.runs) == 1
    assert any(piece.between for piece in voices.pieces)
    assert len(voices.vectors()) == len(voices.pieces)
    turns = cluster([voices], SpeakerOptions(min_speakers=2, max_speakers=2))
    assert [turn.speaker for turn in turns] == [0, 1]
    assert turns[0].end_s == turns[1].start_s == pytest.approx(6.4, abs=0.25)
    assert turns[1].end_s == pytest.approx(12.0, abs=0.1)


def test_sound_begins_where_the_span_begins():
    """Turns are on the recording's clock; pauses of a second part them."""
    sound = np.concatenate([np.zeros(SAMPLE_RATE, np.float32), noise(3, 0.5, 1), np.zeros(SAMPLE_RATE, np.float32)])
    (turn,) = cluster([analyse(sound, 100 * SAMPLE_RATE, LoudnessModels())])
    assert (turn.start_s, turn.end_s) == pytest.approx((101.0, 104.0), abs=0.05)


def test_a_short_remark_is_a_turn():
    """A third of a second gives an embedding of its own, repeated."""
    sound = np.concatenate([noise(3, 0.5, 1), np.zeros(SAMPLE_RATE, np.float32), noise(0.33, 0.5, 2)])
    voices = analyse(np.pad(sound, (0, SAMPLE_RATE)), 0, LoudnessModels())
    assert [piece.alone for piece in voices.pieces][-1] is False
    assert len(cluster([voices])) == 2
