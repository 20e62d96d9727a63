"""Words and their speakers, on turns written by hand and on any others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Segment, Word
from pipelines.speakers.attribution import MAX_DISTANCE_S, assign_words, split_segments
from pipelines.speakers.voices import SpeakerTurn


def turn(speaker, start_s, end_s):
    return SpeakerTurn(speaker=speaker, start_s=start_s, end_s=end_s)


def word(text, start_s, end_s):
    return Word(text=f" {text}", start_s=start_s, end_s=end_s, probability=0.9)


def segment(*words, **fields):
    text = "".join(one.text for one in words)
    return Segment(
        id=0, channel=0, speaker="", start_s=words[0].start_s, end_s=words[-1].end_s, text=text, words=words, **fields
    )


def test_each_word_for_itself():
    """A word belongs to who talks for most of it; one outside of every turn to the nearest, if that is near."""
    turns = (turn(0, 0.0, 1.2), turn(1, 1.2, 3.0))
    words = (word("a", 0.2, 0.6), word("b", 1.0, 1.3), word("c", 1.1, 1.6), word("d", 3.2, 3.4), word("e", 9.0, 9.2))
    assert [spoken.speaker for spoken in assign_words(words, turns)] == [0, 0, 1, 1, None]


def test_overlap_is_marked():
    """A word over which two talk is marked; one in which they take turns is not."""
    turns = (turn(0, 0.0, 2.0), turn(1, 1.0, 1.6), turn(1, 2.0, 2.5))
    words = (word("a", 0.2, 0.8), word("b", 1.0, 1.5), word("c", 1.8, 2.2))
    assert [(spoken.speaker, spoken.overlap) for spoken in assign_words(words, turns)] == [
        (0, False),
        (0, True),
        (0, False),
    ]


def test_a_word_at_an_edge_does_not_flip_alone():
    """Between two words of one speaker, a touch of another's turn is not a turn; a whole word of theirs is."""
    words = (word("a", 0.0, 0.5), word("b", 0.5, 1.0), word("c", 1.0, 1.5))
    grazed = (turn(0, 0.0, 0.7), turn(1, 0.76, 0.98), turn(0, 0.99, 1.5))
    said = (turn(0, 0.0, 0.5), turn(1, 0.5, 1.0), turn(0, 1.0, 1.5))
    assert [spoken.speaker for spoken in assign_words(words, grazed)] == [0, 0, 0]
    assert [spoken.speaker for spoken in assign_words(words, said)] == [0, 1, 0]


@pytest.mark.parametrize(
    ("last", "end_s", "turn_s", "speakers"),
    [
        (" dear.", 3.0, 0.45, [0, 0, 0]),  # within the sentence, in a short turn
        (" dear.", 3.0, 0.9, [0, 0, 1]),  # somebody talks
        (" dear.", 3.4, 0.45, [0, 0, 1]),  # after a pause
    ],
)
def test_the_last_word_of_a_sentence_stays_with_it(last, end_s, turn_s, speakers):
    """A short turn takes no word from the edge of a sentence; a longer one, or one after a pause, does."""
    words = [word(" It", 1.0, 1.5), word(" is", 1.5, 2.4), word(last, end_s - 0.5, end_s)]
    turns = [turn(0, 0.0, 2.45), turn(1, end_s - 0.5, end_s - 0.5 + turn_s)]
    assert [spoken.speaker for spoken in assign_words(words, turns)] == speakers
    answer = [words[0], word(" is?", 1.5, 2.4), words[2]]
    assert [spoken.speaker for spoken in assign_words(answer, turns)] == [0, 0, 1]


def test_a_segment_parts_where_the_voice_changes():
    """Parts keep the words, the text and the outer times, and are numbered through."""
    whole = segment(
        word("Is", 0.5, 0.7), word("it", 0.7, 0.9), word("so?", 0.9, 1.2), word("Yes.", 1.5, 1.9), avg_logprob=-0.2
    )
    silent = Segment(id=1, channel=0, speaker="", start_s=2.0, end_s=3.0, text="Well.")
    parts = split_segments((whole, silent), (turn(4, 0.0, 1.3), turn(2, 1.4, 3.0)))
    assert [(part.segment.id, part.segment.text, part.speaker) for part in parts] == [
        (0, " Is it so?", 4),
        (1, " Yes.", 2),
        (2, "Well.", 2),
    ]
    assert (parts[0].segment.start_s, parts[0].segment.end_s, parts[1].segment.end_s) == (0.5, 1.2, 1.9)
    assert parts[0].segment.avg_logprob == -0.2
    assert parts[2].segment == Segment(id=2, channel=0, speaker="", start_s=2.0, end_s=3.0, text="Well.")


def test_a_word_without_a_speaker_parts_nothing():
    """It goes with the words before it."""
    words = (word("a", 0.0, 0.5), word("b", 4.0, 4.5), word("c", 8.0, 8.5))
    parts = split_segments((segment(*words),), (turn(0, 0.0, 0.5), turn(0, 8.0, 8.5)))
    assert [(part.segment.text, part.speaker) for part in parts] == [(" a b c", 0)]


times = st.floats(0, 30).map(lambda value: round(value, 2))
turn_lists = st.lists(st.tuples(st.integers(0, 3), times, times), max_size=8).map(
    lambda rows: tuple(turn(who, min(a, b), max(a, b) + 0.01) for who, a, b in rows)
)


@given(st.lists(st.tuples(times, st.floats(0, 1)), min_size=1, max_size=12), turn_lists)
def test_splitting_loses_no_word(rows, turns):
    """All words stay in order, each part has one speaker, and a speaker is near each word that has one."""
    words = tuple(word(str(i), start, start + length) for i, (start, length) in enumerate(sorted(rows)))
    spoken = assign_words(words, turns)
    assert tuple(one.word for one in spoken) == words
    for one in spoken:
        if one.speaker is None:
            middle = (one.word.start_s + one.word.end_s) / 2
            assert all(turn.start_s - middle > MAX_DISTANCE_S or middle - turn.end_s > MAX_DISTANCE_S for turn in turns)
    parts = split_segments((segment(*words),), turns)
    assert tuple(one for part in parts for one in part.segment.words) == words
    assert [part.segment.id for part in parts] == list(range(len(parts)))
    assert all(len(part.overlaps) == len(part.segment.words) for part in parts)
