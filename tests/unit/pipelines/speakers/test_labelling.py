"""Speakers of a transcript, named by turns written by hand."""

import pytest

from pipelines.core import ModelInfo, Segment, Transcript, Word
from pipelines.speakers.labelling import number_of, speaker_name, with_speakers
from pipelines.speakers.voices import ChannelTurns, Diarization, SpeakerTurn


def said(text: str, start_s: float, channel: int = 0, speaker: str = "") -> Segment:
    """A segment whose words take half a second each."""
    words = tuple(
        Word(text=f" {word}", start_s=start_s + i / 2, end_s=start_s + i / 2 + 0.5, probability=0.9)
        for i, word in enumerate(text.split())
    )
    return Segment(
        id=0, channel=channel, speaker=speaker, start_s=start_s, end_s=words[-1].end_s, text=text, words=words
    )


def transcript(*segments: Segment, n_channels: int = 1) -> Transcript:
    return Transcript(
        duration_s=60.0,
        language="en",
        languages=(),
        segments=segments,
        coverage=(),
        model=ModelInfo(name="m"),
        n_channels=n_channels,
    )


def turns(channel: int, *rows: tuple[int, float, float]) -> ChannelTurns:
    found = (SpeakerTurn(speaker=speaker, start_s=start, end_s=end) for speaker, start, end in rows)
    return ChannelTurns(channel=channel, turns=tuple(found))


def named(found: Transcript) -> list[tuple[int, str, str]]:
    return [(segment.id, segment.speaker, segment.text) for segment in found.segments]


@pytest.mark.parametrize("with_words", [True, False])
def test_one_microphone(with_words: bool) -> None:
    """Segments part, speakers count in the order of speaking, whatever the clusters' numbers."""
    heard = Diarization(channels=(turns(0, (3, 0.0, 1.0), (1, 1.0, 2.0), (3, 5.0, 6.0)),))
    found = with_speakers(
        transcript(said("Is it? Yes, it", 0.0), said("Good. Bye.", 5.0)), heard, with_words=with_words
    )
    assert named(found) == [
        (0, "Speaker 1", "Is it?"),
        (1, "Speaker 2", "Yes, it"),
        (2, "Speaker 1", "Good. Bye."),
    ]
    assert [len(segment.words) for segment in found.segments] == ([2, 2, 2] if with_words else [0, 0, 0])


def test_a_single_voice_has_a_number() -> None:
    """So that its owner sees that voices were told apart."""
    found = with_speakers(transcript(said("a b", 0.0)), Diarization(channels=(turns(0, (0, 0, 1)),)), with_words=False)
    assert named(found) == [(0, "Speaker 1", "a b")]


def test_where_nobody_was_heard() -> None:
    """A segment far from every turn goes with the one before it; one at the beginning with the next."""
    heard = Diarization(channels=(turns(0, (0, 10.0, 11.0), (1, 20.0, 21.0)),))
    spoken = transcript(said("a b", 0.0), said("c d", 10.0), said("e f", 20.0), said("g h", 40.0))
    found = with_speakers(spoken, heard, with_words=False)
    assert [segment.speaker for segment in found.segments] == ["Speaker 1", "Speaker 1", "Speaker 2", "Speaker 2"]
    nobody = with_speakers(spoken, Diarization(channels=(turns(0),)), with_words=False)
    assert {segment.speaker for segment in nobody.segments} == {""}


def test_channels_of_one_voice_each_are_the_speakers() -> None:
    """They keep their names; as soon as one has two voices, all without a given name are numbered together."""
    call = transcript(
        said("Hello you there", 0.0, 0, "Channel 1"), said("Hi you too", 2.0, 1, "Channel 2"), n_channels=2
    )
    one_each = Diarization(channels=(turns(0, (0, 0.0, 1.5)), turns(1, (0, 2.0, 3.5))))
    assert named(with_speakers(call, one_each, with_words=False)) == [
        (0, "Channel 1", "Hello you there"),
        (1, "Channel 2", "Hi you too"),
    ]
    two_there = Diarization(channels=(turns(0, (0, 0.0, 1.5)), turns(1, (0, 2.0, 3.0), (1, 3.0, 3.5))))
    assert named(with_speakers(call, two_there, with_words=False)) == [
        (0, "Speaker 1", "Hello you there"),
        (1, "Speaker 2", "Hi you"),
        (2, "Speaker 3", "too"),
    ]


def test_a_channel_that_was_not_heard_keeps_its_name() -> None:
    """One with a name is among them; parts of all channels are in the order of time."""
    call = transcript(said("Hello you there", 0.0, 0, "Ann"), said("Hi you too", 1.2, 1, "Channel 2"), n_channels=2)
    heard = Diarization(channels=(turns(1, (0, 1.2, 2.2), (1, 2.2, 2.7)),))
    assert named(with_speakers(call, heard, with_words=False)) == [
        (0, "Ann", "Hello you there"),
        (1, "Speaker 1", "Hi you"),
        (2, "Speaker 2", "too"),
    ]


def test_a_track_of_one_voice_keeps_its_name() -> None:
    """Sound tracks have names of their own; one with several voices is numbered."""
    names = ("Desktop", "Microphone")
    call = transcript(said("Hello you there", 0.0, 0, "Desktop"), said("Hi you", 2.0, 1, "Microphone"), n_channels=2)
    heard = Diarization(channels=(turns(0, (0, 0.0, 1.0), (1, 1.0, 1.5)), turns(1, (0, 2.0, 3.0))))
    assert named(with_speakers(call, heard, names=names, with_words=False)) == [
        (0, "Speaker 1", "Hello you"),
        (1, "Speaker 2", "there"),
        (2, "Microphone", "Hi you"),
    ]


def test_overlap_is_marked() -> None:
    """A segment is marked where another voice speaks during most of its words."""
    heard = Diarization(channels=(turns(0, (0, 0.0, 4.0), (1, 2.0, 3.0)),))
    found = with_speakers(transcript(said("a b", 0.0), said("c d", 2.0)), heard, with_words=False)
    assert [segment.overlap for segment in found.segments] == [False, True]


def test_nothing_was_told_apart() -> None:
    """Segments stay as they are; words that served only this are left out."""
    spoken = transcript(said("a b", 0.0))
    assert named(with_speakers(spoken, Diarization(missing="why"), with_words=False)) == [(0, "", "a b")]


def test_numbers_of_names() -> None:
    """A name that somebody gave is no number."""
    assert number_of(speaker_name(12)) == 12
    assert number_of("Ann") == number_of("Speaker 0") == number_of("speaker 1") == 0
