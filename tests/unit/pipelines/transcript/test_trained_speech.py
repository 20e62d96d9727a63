"""Recordings that sound unlike what their model was trained on are told."""

import pytest

from pipelines.core import ChunkResult, DecodedSegment
from pipelines.models.catalogue import BUNDLED_DIR, BUNDLED_MODELS, PUBLISHED_MODELS, read_profile
from pipelines.notes import NoteCode
from pipelines.transcript.trained_speech import training_notes


def heard(seconds: float, avg_logprob: float) -> ChunkResult:
    segments = (DecodedSegment(start_s=0.0, end_s=seconds, text=" a"),) if seconds else ()
    return ChunkResult(
        index=0,
        language="en",
        segments=segments,
        avg_logprob=avg_logprob,
        no_speech_prob=0.0,
        compression_ratio=1.0,
        temperature=0.0,
    )


@pytest.mark.parametrize(
    ("results", "told"),
    [
        ([heard(8.0, -0.08), heard(7.0, -0.43)], False),  # overlapping synthetic voices: the least sure of all
        ([heard(1.5, -0.72)], True),  # the surest of the real recordings
        ([heard(8.0, -0.1), heard(1.0, -1.5)], False),
        ([heard(1.0, -0.1), heard(8.0, -0.9)], True),
        ([heard(0.0, -9.0)], False),  # silence: another note says so
        ([], False),
    ],
)
def test_what_the_bundled_models_know(results: list[ChunkResult], told: bool) -> None:
    """The mean over a recording's text decides, by the limit in the model's profile; the note names the way out."""
    for name in BUNDLED_MODELS:
        notes = training_notes(results, name, read_profile(BUNDLED_DIR / name).min_avg_logprob)
        assert bool(notes) is told
        assert all(note.code is NoteCode.UNLIKE_TRAINING for note in notes)
        assert all(name in note.text and "meetmemo models pull base" in note.text for note in notes)
    assert "base" in PUBLISHED_MODELS


def test_models_that_know_all_speech_say_nothing() -> None:
    """A published model is unsure of hard recordings too, which says nothing about its training."""
    assert training_notes([heard(8.0, -2.0)], "base", None) == ()
