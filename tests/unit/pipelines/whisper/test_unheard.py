"""Speech that no word covers: where it is found, and how what is heard there is joined."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import ChunkResult, DecodedSegment, UnheardSpeech, Word
from pipelines.whisper.options import Pcm
from pipelines.whisper.quality import compression_ratio
from pipelines.whisper.unheard import (
    SURROUNDINGS_S,
    Hole,
    covered,
    fill,
    find_holes,
    gaps_between,
    is_voiced,
    segment_of,
    shift,
)
from scripts.accuracy.clips import Clip, render
from tests.support.recordings import samples_of, truth

RATE = 16_000
N_SAMPLES = 20 * RATE


def words_in(text: str, start_s: float, end_s: float) -> tuple[Word, ...]:
    """The words of a text, evenly from start to end."""
    texts = [f" {word}" for word in text.split()]
    edges = [round(each, 2) for each in np.linspace(start_s, end_s, len(texts) + 1).tolist()]
    return tuple(
        Word(text=text, start_s=left, end_s=right, probability=0.9)
        for text, (left, right) in zip(texts, pairwise(edges), strict=True)
    )


def said(text: str, start_s: float, end_s: float) -> DecodedSegment:
    return segment_of(words_in(text, start_s, end_s))


def heard(*segments: DecodedSegment, **differing: Any) -> ChunkResult:
    sound = ChunkResult(
        index=3,
        language="en",
        segments=segments,
        avg_logprob=-0.2,
        no_speech_prob=0.1,
        compression_ratio=1.0,
        temperature=0.0,
    )
    return replace(sound, **differing)


def hole_from(start_s: float, end_s: float) -> Hole:
    """A hole in the middle of a row."""
    start, end = round((start_s - SURROUNDINGS_S) * RATE), round((end_s + SURROUNDINGS_S) * RATE)
    return Hole(start_s=start_s, end_s=end_s, start=start, end=end)


# Gaps


ticks = st.integers(0, 200)


@given(st.lists(st.tuples(ticks, ticks).map(lambda pair: (min(pair), max(pair))), max_size=12), st.integers(0, 200))
def test_gaps_are_what_no_stretch_covers(stretches: list[tuple[int, int]], n_ticks: int) -> None:
    """Stretches in any order, that overlap, touch or have no length: as if each tick was looked at."""
    inside = [(min(start, n_ticks), min(end, n_ticks)) for start, end in stretches]
    free = np.ones(n_ticks, np.bool_)
    for start, end in inside:
        free[start:end] = False
    edges = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]]).astype(np.int8)))
    expected = [(float(start), float(end)) for start, end in edges.reshape(-1, 2)]
    assert gaps_between(((float(start), float(end)) for start, end in inside), float(n_ticks)) == expected


def test_words_cover_what_they_last() -> None:
    """Where words are timed the pauses between them are free; a segment without words covers all of its time."""
    segment = said("one two", 1.0, 3.0)
    assert list(covered([segment, replace(segment, words=(), start_s=5.0, end_s=9.0)])) == [(1, 2), (2, 3), (5, 9)]


# Holes


@pytest.fixture(scope="module")
def row() -> Pcm:
    """The first seven sentences of the meeting."""
    return samples_of("meeting-3min.flac")[: 22 * RATE]


SENTENCES = truth("meeting-3min").segments[:7]


def without(*left_out: int) -> ChunkResult:
    """An outcome in which these sentences are missing."""
    return heard(*(said(s.text, s.start_s, s.end_s) for i, s in enumerate(SENTENCES) if i not in left_out))


@pytest.mark.parametrize("left_out", [(0,), (3,), (6,), (1, 5)])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_sentences_left_out_are_found(row: Pcm, left_out: Sequence[int], dtype: type) -> None:
    """At the beginning, in the middle and at the end of a row, whatever its samples are."""
    pcm = row if dtype == np.int16 else (row / 32_768).astype(np.float32)
    holes = find_holes(without(*left_out), pcm)
    assert len(holes) == len(left_out)
    for hole, i in zip(holes, left_out, strict=True):
        assert abs(hole.start_s - SENTENCES[i].start_s) < 0.3
        assert abs(hole.end_s - SENTENCES[i].end_s) < 0.3
        assert hole.start == round((hole.start_s - SURROUNDINGS_S) * RATE)
        assert hole.end == min(len(pcm), round((hole.end_s + SURROUNDINGS_S) * RATE))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_voices_are_told_from_other_sounds(row: Pcm, dtype: type) -> None:
    """A sentence is voiced, however short the row; coughs and a pause are not."""
    coughs = render(Clip(kind="cough", seconds=8.0, level_dbfs=-30.0, seed=1))
    sentence = row[round(SENTENCES[0].start_s * RATE) :][:RATE]
    scale = 1 if dtype == np.int16 else 32_768
    voiced = [is_voiced((pcm / scale).astype(dtype)) for pcm in (sentence, row, coughs, row[:300], row[:0])]
    assert voiced == [True, True, False, False, False]


def test_neighbours_left_out_are_one_hole(row: Pcm) -> None:
    """They are decoded together, with the pause between them."""
    (hole,) = find_holes(without(2, 3, 4), row)
    assert abs(hole.start_s - SENTENCES[2].start_s) < 0.3
    assert abs(hole.end_s - SENTENCES[4].end_s) < 0.3


def test_what_was_not_heard_at_all_is_one_hole(row: Pcm) -> None:
    """From the first speech to the last; its surroundings end where the row does."""
    cut = row[round(0.9 * RATE) : round(8.5 * RATE)]  # within two sentences
    (hole,) = find_holes(heard(), cut)
    assert (hole.start, hole.end) == (0, len(cut))
    assert hole.start_s < 0.1
    assert len(cut) / RATE - hole.end_s < 0.3


def test_what_was_heard_has_no_holes(row: Pcm) -> None:
    """Pauses between sentences are silent, and a word that is timed too short is none."""
    assert find_holes(without(), row) == []
    first = SENTENCES[0]
    assert find_holes(heard(said(first.text, first.start_s, first.end_s - 0.5)), row[: 3 * RATE]) == []


def test_segments_without_words_cover_their_time(row: Pcm) -> None:
    """Where the model alone gave the times, speech between segments is found all the same."""
    wordless = [replace(segment, words=()) for segment in without(3).segments]
    (hole,) = find_holes(heard(*wordless), row)
    assert abs(hole.start_s - SENTENCES[3].start_s) < 0.3


@pytest.mark.parametrize("name", ["music.mp3", "noise.flac", "silence.flac"])
def test_where_nobody_speaks_there_are_no_holes(name: str) -> None:
    """Music and noise between words are nobody's speech."""
    assert find_holes(heard(), samples_of(name)[: 30 * RATE]) == []


# Joining


BEFORE, AFTER = said("we begin with the budget", 1.0, 4.0), said("then comes the roadmap", 10.0, 12.0)
HOLE = hole_from(5.0, 9.0)  # decoded from 4.7 s on


def found_in_hole(text: str = "who pays for all of this", start_s: float = 0.5, end_s: float = 3.5) -> DecodedSegment:
    """A segment on the clock of the hole's samples."""
    return said(text, start_s, end_s)


def ascending(result: ChunkResult) -> bool:
    stretches = list(covered(result.segments))
    return all(start_s <= end_s for start_s, end_s in stretches) and all(
        left[1] <= right[0] for left, right in pairwise(stretches)
    )


def test_what_is_heard_is_inserted_in_order() -> None:
    """Between the segments beside it, with its words, on the row's clock."""
    result = fill(heard(BEFORE, AFTER), HOLE, heard(found_in_hole()), N_SAMPLES)
    assert result.segments == (BEFORE, shift(found_in_hole(), 4.7), AFTER)
    assert (result.segments[1].start_s, result.segments[1].end_s) == (5.2, 8.2)
    assert result.segments[1].words[0].start_s == 5.2
    assert (result.index, result.unheard, result.error) == (3, (), "")
    assert ascending(result)


def test_several_segments_are_inserted() -> None:
    """A hole may hold more than a sentence."""
    first, second = found_in_hole("who pays", 0.4, 1.5), found_in_hole("nobody does", 2.0, 3.5)
    result = fill(heard(BEFORE, AFTER), HOLE, heard(first, second), N_SAMPLES)
    texts = [segment.text for segment in result.segments]
    assert texts == [BEFORE.text, " who pays", " nobody does", AFTER.text]


@pytest.mark.parametrize(("hole", "place"), [(hole_from(0.4, 0.9), 0), (hole_from(13.0, 15.0), 2)])
def test_ends_of_rows_are_filled(hole: Hole, place: int) -> None:
    """Before the first segment and after the last."""
    found = said("who pays", 0.4, 0.7)
    result = fill(heard(BEFORE, AFTER), hole, heard(found), N_SAMPLES)
    assert result.segments[place].text == " who pays"
    assert len(result.segments) == 3


def test_a_row_in_which_nothing_was_heard_is_filled() -> None:
    """There is nothing beside it that it might repeat."""
    result = fill(heard(), HOLE, heard(found_in_hole()), N_SAMPLES)
    assert [segment.text for segment in result.segments] == [found_in_hole().text]
    assert result.unheard == ()


def test_a_segment_with_a_hole_in_it_is_parted() -> None:
    """What was heard stands where it is said, and segments do not overlap."""
    around = segment_of((*words_in("we begin with", 1.0, 4.0), *words_in("then comes the roadmap", 10.0, 12.0)))
    result = fill(heard(around), HOLE, heard(found_in_hole()), N_SAMPLES)
    texts = [segment.text for segment in result.segments]
    assert texts == [" we begin with", found_in_hole().text, " then comes the roadmap"]
    assert ascending(result)
    assert all(left.end_s <= right.start_s for left, right in pairwise(result.segments))


def test_words_of_the_surroundings_are_not_heard_twice() -> None:
    """What is decoded again reaches a little into the words beside the hole: those are left out."""
    hole = hole_from(4.1, 9.9)
    again = heard(segment_of((*words_in("budget", 0.0, 0.3), *words_in("who pays for it", 0.4, 5.9))))
    result = fill(heard(BEFORE, AFTER), hole, again, N_SAMPLES)
    assert [segment.text for segment in result.segments] == [BEFORE.text, " who pays for it", AFTER.text]


def test_words_that_reach_into_the_surroundings_are_cut_to_their_room() -> None:
    """A word that lies mostly in the hole begins where the words before it end, and ends where the next begin."""
    hole = hole_from(4.0, 10.0)
    again = heard(said("who pays for all of this", 0.2, 6.5))
    result = fill(heard(BEFORE, AFTER), hole, again, N_SAMPLES)
    assert [segment.text for segment in result.segments] == [BEFORE.text, " who pays for all of this", AFTER.text]
    assert ascending(result)
    assert (result.segments[1].start_s, result.segments[1].end_s) == (4.0, 10.0)


def test_segments_without_words_are_inserted_whole() -> None:
    """By their middle: those in the hole's surroundings are left out."""
    inside = replace(found_in_hole(), words=())
    beside = DecodedSegment(start_s=0.0, end_s=0.3, text=" budget")
    result = fill(heard(BEFORE, AFTER), HOLE, heard(beside, inside), N_SAMPLES)
    assert result.segments == (BEFORE, replace(shift(inside, 4.7)), AFTER)


@pytest.mark.parametrize(
    "again",
    [
        heard(),
        heard(found_in_hole(), suspect=("repetition",)),
        heard(found_in_hole(), error="the device was lost"),
        heard(said("beside it", 0.0, 0.2)),
        heard(found_in_hole("...")),
    ],
    ids=["nothing", "suspect", "failed", "in the surroundings", "marks alone"],
)
def test_a_hole_without_a_sound_outcome_stays_unheard(again: ChunkResult) -> None:
    """The rest of the row is as it was, and where nothing was understood is told."""
    before = heard(BEFORE, AFTER, unheard=(UnheardSpeech(start_s=0.2, end_s=0.9),))
    result = fill(before, HOLE, again, N_SAMPLES)
    assert result == replace(before, unheard=(*before.unheard, UnheardSpeech(start_s=5.0, end_s=9.0)))


@pytest.mark.parametrize(
    "text", ["We begin with the budget.", "begin with the budgets", "Then comes the roadmap", "then came the roadmap"]
)
def test_what_stands_beside_the_hole_is_dropped(text: str) -> None:
    """When the text was complete and only its times wrong, nothing is doubled."""
    result = fill(heard(BEFORE, AFTER), HOLE, heard(found_in_hole(text)), N_SAMPLES)
    assert result.segments == (BEFORE, AFTER)
    assert result.unheard == (UnheardSpeech(start_s=5.0, end_s=9.0),)


@pytest.mark.parametrize(
    ("beside", "text"),
    [
        ("Hello, this is David from engineering.", "Hello, this is Alice from product."),
        ("It costs twelve dollars per seat.", "It costs forty dollars per year."),
    ],
)
def test_sentences_that_are_built_alike_are_both_kept(beside: str, text: str) -> None:
    """People introduce themselves in the same words but for two."""
    result = fill(heard(BEFORE, said(beside, 10.0, 12.0)), HOLE, heard(found_in_hole(text)), N_SAMPLES)
    assert [segment.text.strip() for segment in result.segments] == [BEFORE.text.strip(), text, beside]
    assert result.unheard == ()


def test_the_text_before_a_hole_in_a_segment_is_beside_it() -> None:
    """Not the end of the segment, which comes after the hole."""
    around = segment_of(
        (*words_in("we begin with the budget", 1.0, 4.0), *words_in("then comes a much longer", 10, 12))
    )
    result = fill(heard(around), HOLE, heard(found_in_hole("we begin with the budget")), N_SAMPLES)
    assert result.segments == (around,)
    assert result.unheard


def test_what_stays_unheard_within_a_hole_moves_to_the_rows_clock() -> None:
    """What was decoded again may have holes of its own."""
    again = heard(found_in_hole(), unheard=(UnheardSpeech(start_s=0.5, end_s=1.75),))
    before = heard(BEFORE, AFTER, unheard=(UnheardSpeech(start_s=13.0, end_s=14.5),))
    result = fill(before, HOLE, again, N_SAMPLES)
    assert result.unheard == (UnheardSpeech(start_s=13.0, end_s=14.5), UnheardSpeech(start_s=5.2, end_s=6.45))


def test_a_filled_row_is_judged_as_a_whole() -> None:
    """Likelihood by length, the higher temperature, the most attempts, the text's own compression."""
    again = heard(found_in_hole(), avg_logprob=-0.7, temperature=0.4, n_attempts=3)
    result = fill(heard(BEFORE, AFTER, n_attempts=2), HOLE, again, N_SAMPLES)
    share = (HOLE.end - HOLE.start) / N_SAMPLES
    assert result.avg_logprob == pytest.approx(-0.2 * (1 - share) - 0.7 * share)
    assert (result.temperature, result.n_attempts) == (0.4, 3)
    assert result.compression_ratio == compression_ratio("".join(segment.text for segment in result.segments))


layouts = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40)), min_size=1, max_size=15)


@given(layouts, layouts, st.integers(0, 300), st.integers(50, 300), st.data())
def test_no_word_is_lost_doubled_or_out_of_order(
    row: list[tuple[int, int]], again: list[tuple[int, int]], start: int, length: int, data: st.DataObject
) -> None:
    """Whatever is heard, wherever: the row's words stay, in order, and times ascend."""
    hole = hole_from((start + 15) / 50, (start + 15 + length) / 50)
    before = [w for w in timed(row, "row") if w.end_s <= hole.start_s or w.start_s >= hole.end_s]
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(before) - 1)), max_size=3)))
    result = heard(*(segment_of(before[i:j]) for i, j in pairwise([0, *cuts, len(before)]) if before[i:j]))
    filled = fill(result, hole, heard(segment_of(timed(again, "hole"))), 10**6)
    words = [word for segment in filled.segments for word in segment.words]
    assert [word for word in words if "row" in word.text] == before
    assert len({word.text for word in words}) == len(words)
    assert all(segment.text == "".join(word.text for word in segment.words) for segment in filled.segments)
    assert ascending(filled)


def timed(layout: list[tuple[int, int]], name: str) -> list[Word]:
    words, at = [], 0
    for i, (pause, length) in enumerate(layout):
        at += pause + length
        text = f" {name}{i}"
        words.append(Word(text=text, start_s=(at - length) / 50, end_s=at / 50, probability=0.9))
    return words


def test_punctuation_covers_no_speech() -> None:
    """A full stop is timed like a word and stands for none."""
    dots = (said(".", 0.0, 4.0), DecodedSegment(start_s=4.0, end_s=8.0, text="…"))
    assert list(covered(dots)) == []
