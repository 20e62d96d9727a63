"""Words to segments: cut after sentences and at pauses, and where it is too long; no word is lost."""

from collections.abc import Sequence
from itertools import accumulate, chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Word
from pipelines.whisper.sentences import MAX_PAUSE_S, MAX_SEGMENT_S, ends_clause, split_sentences


def spoken(
    texts: Sequence[str], pauses_s: Sequence[float] = (), *, word_s: float = 0.3, gap_s: float = 0.02
) -> list[Word]:
    """Words of equal length; ``pauses_s`` are those before the first words, the others are ``gap_s``."""
    before_s = [*pauses_s, *[gap_s] * (len(texts) - len(pauses_s))]
    starts_s = [end_s - word_s for end_s in accumulate(word_s + pause_s for pause_s in before_s)]
    return [
        Word(text=text, start_s=start_s, end_s=start_s + word_s, probability=0.9)
        for text, start_s in zip(texts, starts_s, strict=True)
    ]


def cut(text: str) -> list[str]:
    """Cut a text whose words are said one after the other."""
    words = [f" {word}" for word in text.split()]
    return ["".join(word.text for word in sentence).strip() for sentence in split_sentences(spoken(words))]


@pytest.mark.parametrize(
    "sentences",
    [
        ["We ship on Friday.", "Who tells the customers?", "I do!", "Good…", "Next point."],
        ['He said "We ship."', "Then he left.", '"Why?"', "(He was tired.)", "»Gut.«", "Next."],
        ["It costs 3.5 million.", "That is 12.000 more than in 2.3 of the plan."],
        ["Is it ready?", "No.", "We wait."],
        ["Версия готова.", "Кто её проверит?", "Я."],
        ["هل هو جاهز؟", "نعم."],
        ["यह तैयार है।", "कौन बताएगा?"],
    ],
    ids=["ends", "closing marks", "decimals", "an answer", "cyrillic", "arabic", "hindi"],
)
def test_sentences_end_at_their_marks(sentences: list[str]) -> None:
    """After each full stop, question or exclamation mark, with what closes after it."""
    assert cut(" ".join(sentences)) == sentences


@pytest.mark.parametrize(
    "text",
    [
        "Ask Dr. Smith and Mrs. Jones",
        "Ask (Dr. Smith) first",
        'Then "Mr. Smith" came',
        "Take No. 5 and Nr. 7 then",
        "Meet at 5 p.m. London time",
        "Tools, e.g. Python, help",
        "Das ist z.B. Unsinn",
        "It was J. R. R. Tolkien who wrote it",
        "Really? he asked and went on",
        "Version 2. of the plan",
        "Stop! said the boss",
        "wait, what: no; yes",
    ],
)
def test_marks_within_a_sentence_end_none(text: str) -> None:
    """Abbreviations, initials, and marks after which it goes on in lower case."""
    assert cut(text) == [text]


def test_an_ellipsis_after_an_initial_ends_a_sentence() -> None:
    """Several full stops are no abbreviation's."""
    assert cut("It was J... Then he stopped") == ["It was J...", "Then he stopped"]


def test_writing_without_spaces_is_cut_too() -> None:
    """Full stops of Chinese and Japanese; a lone ideograph before a full stop is no initial."""
    words = spoken(["我们", "周五", "发布", "。", "谁", "通知", "客户", "？", "我", "。", "好.", "下", "一个", "！"])
    assert ["".join(word.text for word in sentence) for sentence in split_sentences(words)] == [
        "我们周五发布。",
        "谁通知客户？",
        "我。",
        "好.",
        "下一个！",
    ]


@pytest.mark.parametrize(("pause_s", "n_segments"), [(MAX_PAUSE_S - 0.1, 1), (MAX_PAUSE_S + 0.1, 2)])
def test_long_pauses_part_whatever_the_text(pause_s: float, n_segments: int) -> None:
    """Who goes on after more than a second begins another segment, also in lower case."""
    assert len(split_sentences(spoken([" so", " we", " went", " on"], [0, 0.02, pause_s]))) == n_segments


def test_what_is_too_long_is_halved_where_it_pauses() -> None:
    """Without any punctuation the longest pause near the middle decides."""
    words = spoken([f" word{i}" for i in range(50)], [0.02] * 22 + [0.6])
    assert words[-1].end_s - words[0].start_s > MAX_SEGMENT_S
    assert [len(part) for part in split_sentences(words)] == [22, 28]


def test_of_equal_pauses_the_comma_counts() -> None:
    """A clause ends rather there than between any two words; without either it is the middle."""
    words = [f" word{i}" for i in range(50)]
    assert [len(part) for part in split_sentences(spoken(words))] == [25, 25]
    words[21] += ","
    assert [len(part) for part in split_sentences(spoken(words))] == [22, 28]


def test_what_is_short_enough_is_left_whole() -> None:
    """A sentence of less than fifteen seconds is not cut, whatever its pauses and commas."""
    words = spoken([f" word{i}," for i in range(30)], [0.02] * 15 + [0.9])
    assert words[-1].end_s - words[0].start_s < MAX_SEGMENT_S
    assert split_sentences(words) == [tuple(words)]


def test_nothing_said_is_no_segment() -> None:
    """No words, no segments; a lone word is one, however long."""
    assert split_sentences([]) == []
    (word,) = spoken([" Mmm"], word_s=2 * MAX_SEGMENT_S)
    assert split_sentences([word]) == [(word,)]


pieces = st.sampled_from(
    [" so", " So", " Dr.", " it.", " it", ",", ".", "?", " a.m.", ' "', '."', "。", "我", " 3.5", " ", "", " J.", "…"]
)


@given(st.lists(st.tuples(pieces, st.floats(0, 2), st.floats(0, 3)), max_size=60))
def test_no_word_is_lost_or_moved(said: list[tuple[str, float, float]]) -> None:
    """Whatever is said: the segments' words, joined, are the words, and no segment is empty."""
    words, at_s = [], 0.0
    for text, pause_s, word_s in said:
        words.append(Word(text=text, start_s=at_s + pause_s, end_s=at_s + pause_s + word_s, probability=0.5))
        at_s += pause_s + word_s
    segments = split_sentences(words)
    assert list(chain.from_iterable(segments)) == words
    assert all(segments)
    assert all(right.start_s - left.end_s < MAX_PAUSE_S for segment in segments for left, right in pairwise(segment))
    assert all(len(s) == 1 or s[-1].end_s - s[0].start_s <= MAX_SEGMENT_S for s in segments)


@pytest.mark.parametrize("word", [" end.", " end,", ' "end."', " end?)", "末。", " نعم،", "…"])
def test_a_clause_ends_with_its_mark(word: str) -> None:
    """Also where a quotation mark or a bracket closes after it."""
    assert ends_clause(word)


@pytest.mark.parametrize("word", [" on", "'s", " (so", "", " ", " 3.5", " it's"])
def test_no_clause_ends_without_one(word: str) -> None:
    """Apostrophes and decimal points end nothing."""
    assert not ends_clause(word)
