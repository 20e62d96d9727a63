"""Times of words that a person wrote in place of what a model heard."""

import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import ModelInfo, Segment, Transcript, Word
from pipelines.export.subtitles import MIN_CUE_MS, Cue, subtitle_cues
from pipelines.text.typography import is_wide
from pipelines.transcript.retiming import MAX_CHARS_PER_S, WIDE_CHARACTER, WRITTEN, retime


def heard(text: str, *, start_s: float = 10.0, step_s: float = 0.5) -> tuple[Word, ...]:
    """Words as a model times them, each half a second."""
    parts = text.split(" ")
    return tuple(
        Word(text=f" {part}", start_s=start_s + i * step_s, end_s=start_s + (i + 1) * step_s, probability=0.7)
        for i, part in enumerate(parts)
    )


def times(words: tuple[Word, ...]) -> list[tuple[str, float, float]]:
    return [(word.text, round(word.start_s, 3), round(word.end_s, 3)) for word in words]


def test_a_word_takes_the_place_of_another() -> None:
    """The neighbours keep their times and probabilities; the new word has what lies between, and a person's word."""
    words = retime(heard("we ship on friday"), "We ship on Thursday", 10.0, 12.0)
    assert times(words) == [("We", 10.0, 10.5), (" ship", 10.5, 11.0), (" on", 11.0, 11.5), (" Thursday", 11.5, 12.0)]
    assert [word.probability for word in words] == [0.7, 0.7, 0.7, WRITTEN]


def test_words_come_and_go() -> None:
    """Words that were missing share the gap by their length, or a neighbour's time; those struck out leave a gap."""
    more = retime(heard("call the bank"), "call Ann of the bank", 10.0, 11.5)
    assert times(more) == [
        ("call", 10.0, 10.5),
        (" Ann", 10.5, 10.688),
        (" of", 10.688, 10.812),
        (" the", 10.812, 11.0),
        (" bank", 11.0, 11.5),
    ]
    less = retime(heard("well you know call the bank"), "call the bank", 10.0, 13.0)
    assert times(less) == [("call", 11.5, 12.0), (" the", 12.0, 12.5), (" bank", 12.5, 13.0)]
    share = retime(heard("a xylophone b"), "a to three b", 10.0, 11.5)
    assert times(share)[1:3] == [(" to", 10.5, 10.643), (" three", 10.643, 11.0)]


def test_characters_of_chinese() -> None:
    """Where no spaces part words, each character keeps its share of its word's time."""
    words = (
        Word(text="会议", start_s=0.0, end_s=1.0, probability=0.8),
        Word(text="开始。", start_s=1.0, end_s=2.5, probability=0.8),
    )
    assert times(retime(words, "会谈开始。", 0.0, 2.5)) == [
        ("会", 0.0, 0.5),
        ("谈", 0.5, 1.0),
        ("开", 1.0, 1.5),
        ("始", 1.5, 2.0),
        ("。", 2.0, 2.5),
    ]


def test_rare_characters_of_chinese() -> None:
    """Ideographs beyond the Basic Multilingual Plane are words of their own as well."""
    assert len(retime(heard("吉野家"), "𠮷𠮷家", 10.0, 11.5)) == 3


def test_without_times() -> None:
    """A segment whose words were not timed stays so, and no words have no times."""
    assert retime((), "anything", 0.0, 1.0) == ()
    assert retime(heard("gone"), "", 10.0, 10.5) == ()


TEXT = st.text(alphabet="ab 会议é.,'", max_size=30).map(lambda text: " ".join(text.split()))


@given(old=TEXT.filter(bool), new=TEXT)
def test_times_never_run_backwards(old: str, new: str) -> None:
    """Whatever is written: the words are its text, ascend, do not overlap, and stay within the segment."""
    before = heard(old)
    start_s, end_s = before[0].start_s, before[-1].end_s
    after = retime(before, new, start_s, end_s)
    assert "".join(word.text for word in after) == new
    assert all(word.start_s <= word.end_s for word in after)
    assert all(left.end_s <= right.start_s + 1e-9 for left, right in pairwise(after))
    if after:
        assert start_s <= after[0].start_s
        assert after[-1].end_s <= end_s + 1e-9


@given(text=TEXT.filter(lambda text: bool(text) and text.isascii()))
def test_the_same_words_keep_their_times(text: str) -> None:
    """A text that does not change changes no time."""
    before = heard(text)
    assert [(word.start_s, word.end_s) for word in retime(before, text, before[0].start_s, before[-1].end_s)] == [
        (word.start_s, word.end_s) for word in before
    ]


def test_long_texts_that_repeat_themselves() -> None:
    """What is alike before and after all changes keeps its times; in between nobody searches for hours."""
    n_words = 2000
    old = heard(" ".join(["start", *(f"a x{n}" for n in range(n_words)), "end"]), step_s=0.001)
    text = " ".join(["start", *(f"a y{n}" for n in range(n_words)), "end"])
    started_s = time.process_time()
    words = retime(old, text, 10.0, 15.0)
    assert time.process_time() - started_s < 5
    assert "".join(word.text for word in words) == text
    assert [words[n].probability for n in (0, 1, 2, -1)] == [0.7, 0.7, WRITTEN, 0.7]
    assert (words[-1].start_s, words[-1].end_s) == (old[-1].start_s, old[-1].end_s)
    assert all(before.end_s <= after.start_s for before, after in pairwise(words))


def reading_s(text: str) -> float:
    """The shortest time in which text can be read, as its words ask for it."""
    parts = [part for word in text.split() for part in (word if is_wide(word[0]) else [word])]
    return sum(max(1.0, sum(WIDE_CHARACTER if is_wide(c) else 1 for c in part)) for part in parts) / MAX_CHARS_PER_S


def cues_of(words: tuple[Word, ...], text: str, start_s: float, end_s: float) -> tuple[Cue, ...]:
    segment = Segment(id=0, channel=0, speaker="", start_s=start_s, end_s=end_s, text=text, words=words)
    return subtitle_cues(
        Transcript(
            duration_s=end_s, language="en", languages=(), segments=(segment,), coverage=(), model=ModelInfo(name="m")
        )
    )


WORD = st.one_of(
    st.text(alphabet="abcdefgh", min_size=1, max_size=12), st.text(alphabet="会议开始", min_size=1, max_size=9)
)


@given(
    old=st.lists(WORD, min_size=1, max_size=12),
    slack=st.lists(st.floats(1.0, 6.0), min_size=12, max_size=12),
    edit=st.tuples(st.integers(0, 12), st.integers(0, 12), st.lists(WORD, max_size=12)),
)
def test_corrected_text_can_be_read(old: list[str], slack: list[float], edit: tuple[int, int, list[str]]) -> None:
    """Where the segment has the time, every cue of its text lasts as long as it takes to read it."""
    before: list[Word] = []
    for word, times in zip(old, slack, strict=False):
        at_s = before[-1].end_s if before else 10.0
        text = f" {word}" if before else word
        before.append(Word(text=text, start_s=at_s, end_s=at_s + times * reading_s(word), probability=0.7))
    end_s = before[-1].end_s
    first, n_gone, written = edit
    text = " ".join([*old[:first], *written, *old[first + n_gone :]])
    after = retime(tuple(before), text, 10.0, end_s)
    assert "".join(word.text for word in after) == text
    assert all(left.start_s <= left.end_s <= right.start_s + 1e-9 for left, right in pairwise(after))
    if reading_s(text) > end_s - 10.0:
        return
    assert all(word.end_s - word.start_s >= reading_s(word.text) - 1e-9 for word in after)
    for cue in cues_of(after, text, 10.0, end_s):
        assert cue.end_ms - cue.start_ms >= min(MIN_CUE_MS, 1000 * reading_s(" ".join(cue.lines))) - 2


def test_only_neighbours_give_way() -> None:
    """A sentence written into a pause that there is not: what is far from it keeps its times."""
    old = heard(" ".join(f"word{n:02}" for n in range(40)))
    added = "and this sentence was never heard by anybody who listened"
    said = [word.text.strip() for word in old]
    after = retime(old, " ".join([*said[:20], added, *said[20:]]), 10.0, 30.0)
    held = {word.text.strip(): (word.start_s, word.end_s) for word in old}
    moved = [word.text for word in after if held.get(word.text.strip(), (0, 0)) != (word.start_s, word.end_s)]
    assert 10 < len(moved) <= 10 + 9
    assert after[0].start_s == 10.0
    assert after[-1].end_s == 30.0


def test_a_segment_without_the_time_is_shared_by_all() -> None:
    """More ideographs than can be said in it: none of its cues is a flash of some milliseconds."""
    old = heard("okay let us begin", step_s=0.4)
    text = "okay let us " + "会" * 150 + " begin"
    after = retime(old, text, 10.0, 11.6)
    cues = cues_of(after, text, 10.0, 11.6)
    assert min(cue.end_ms - cue.start_ms for cue in cues) > 150
    assert cues[-1].end_ms == 11_600
