"""Other speakers for a transcript that has some, was corrected, masked and matched with terms."""

from dataclasses import replace

from pipelines.core import NameSource, Speaker, TermMatch
from pipelines.speakers.relabelling import with_other_speakers
from pipelines.speakers.voices import Diarization
from tests.unit.pipelines.speakers.test_labelling import named, said, transcript, turns

HEARD = Diarization(channels=(turns(0, (0, 0.0, 1.0), (1, 1.0, 2.0)),))


def test_segments_part_where_the_new_voices_change() -> None:
    """Nothing is left of the speakers of before, and every word stays."""
    before = transcript(said("Is it? Yes, it", 0.0, speaker="Ann"))
    before = replace(before, speakers=(Speaker(label="Ann", name="Ann", source=NameSource.CORRECTED),))
    found = with_other_speakers(before, HEARD, labels=[""])
    assert named(found) == [(0, "Speaker 1", "Is it?"), (1, "Speaker 2", "Yes, it")]
    assert found.speakers == ()
    assert [word for each in found.segments for word in each.words] == list(before.segments[0].words)


def test_a_text_that_its_words_do_not_make_up_stays_whole() -> None:
    """A term that was written for what was heard is not lost to the words that were heard."""
    match = TermMatch(term="Kubernetes", heard="cube", at=0, start_s=0.0, end_s=0.5)
    segment = replace(said("cube runs since May", 0.0), text="Kubernetes runs since May", matches=(match,))
    found = with_other_speakers(transcript(segment), HEARD, labels=[""])
    assert named(found) == [(0, "Speaker 1", "Kubernetes runs since May")]
    assert (found.segments[0].words, found.segments[0].matches) == (segment.words, (match,))


def test_a_channel_that_nobody_was_told_apart_on_has_its_name() -> None:
    """Speakers of an earlier diarization of it do not stay."""
    segments = (said("one two three four", 0.0, speaker="Speaker 1"), said("five", 3.0, channel=1, speaker="Speaker 7"))
    found = with_other_speakers(transcript(*segments, n_channels=2), HEARD, labels=["Ann", "Bob"], names=["Ann", "Bob"])
    assert named(found)[-1] == (2, "Bob", "five")
