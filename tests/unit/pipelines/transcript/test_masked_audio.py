"""What must not be heard: masked words with their margins, whole segments without times, what nobody understood."""

from dataclasses import replace

import pytest

from pipelines.core import Coverage, CoverageStatus, ModelInfo, Segment, TermMatch, Transcript, Word
from pipelines.transcript.coverage import UNHEARD_SPEECH
from pipelines.transcript.masked_audio import LETTER_S, MARGIN_S, MAX_MARGIN_S, masked_audio

WORDS = (
    Word(text=" Call", start_s=1.0, end_s=1.4, probability=1.0),
    Word(text=" Jennifer", start_s=1.5, end_s=2.0, probability=1.0),
    Word(text=" now.", start_s=4.0, end_s=4.4, probability=1.0),
)
SEGMENT = Segment(id=0, channel=1, speaker="", start_s=1.0, end_s=4.4, text="Call Jennifer now.", words=WORDS)


def said(*segments: Segment, coverage: tuple[Coverage, ...] = ()) -> Transcript:
    return Transcript(
        duration_s=10.0,
        language="en",
        languages=(),
        segments=segments,
        coverage=coverage,
        model=ModelInfo(name="m"),
        n_channels=2,
    )


def test_a_word_and_the_pauses_beside_it():
    """From the margin before a word, over its neighbour's end, into the pause behind it."""
    ((start_s, end_s),) = masked_audio(said(SEGMENT), ("names",)).stretches
    assert start_s == pytest.approx(1.5 - MARGIN_S)
    assert end_s == pytest.approx(2.0 + MAX_MARGIN_S)


def test_a_word_that_was_timed_too_short():
    """Nobody says eight letters in 20 ms: what is lacking is hidden before and after."""
    words = (WORDS[0], replace(WORDS[1], start_s=1.7, end_s=1.72), replace(WORDS[2], start_s=1.8))
    ((start_s, end_s),) = masked_audio(said(replace(SEGMENT, words=words)), ("names",)).stretches
    assert start_s == pytest.approx(1.4 - (8 * LETTER_S - 0.02))
    assert end_s == pytest.approx(1.87 + 8 * LETTER_S - 0.02)


def test_other_words_are_heard():
    """Without anything to mask nothing is silenced; without kinds, not even what failed."""
    assert masked_audio(said(SEGMENT), ("phones",)).stretches == ()
    failed = Coverage(channel=0, start_s=5, end_s=6, health=CoverageStatus.FAILED)
    assert masked_audio(said(SEGMENT, coverage=(failed,)), ()).stretches == ()


@pytest.mark.parametrize("timed", [True, False])
def test_a_segment_whose_words_have_no_times(timed):
    """All of it is silenced: where words are missing, or are those of a translation."""
    segment = replace(SEGMENT, words=() if timed else WORDS)
    ((start_s, end_s),) = masked_audio(said(segment), ("names",), timed=timed).stretches
    assert start_s <= 1.0
    assert end_s >= 4.4


def test_a_name_under_a_term():
    """Where a term was written for a name, the words do not say where the name is: the segment is silenced."""
    text = "Call Gennifoor now."
    words = (WORDS[0], replace(WORDS[1], text=" Gennifoor"), WORDS[2])
    match = TermMatch(term="Gennifoor", heard="Jennifer", at=5, start_s=1.5, end_s=2.0)
    segment = replace(SEGMENT, text=text, words=words, matches=(match,))
    ((start_s, end_s),) = masked_audio(said(segment), ("names",)).stretches
    assert start_s <= 1.0
    assert end_s >= 4.4


def test_what_nobody_understood():
    """Failed chunks and unheard speech may hold anything; silence and what was understood do not."""
    coverage = (
        Coverage(channel=0, start_s=5, end_s=6, health=CoverageStatus.FAILED, note="x"),
        Coverage(channel=1, start_s=5.5, end_s=7, health=CoverageStatus.SUSPECT, note=UNHEARD_SPEECH),
        Coverage(channel=0, start_s=7.5, end_s=8, health=CoverageStatus.SILENCE),
        Coverage(channel=0, start_s=8, end_s=9, health=CoverageStatus.TRANSCRIBED),
    )
    assert masked_audio(said(coverage=coverage), ("names",)).stretches == ((5, 7),)


def test_masked_words_that_meet_are_one_stretch():
    """Stretches are ascending and apart, also of words on two channels at once."""
    other = replace(SEGMENT, id=1, channel=0, words=tuple(replace(w, start_s=w.start_s + 0.3) for w in WORDS))
    stretches = masked_audio(said(SEGMENT, other), ("names",)).stretches
    assert len(stretches) == 1
