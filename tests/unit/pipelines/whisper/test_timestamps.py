"""Tokens to times: nothing is lost, and every time is inside the row and ascending."""

from itertools import chain, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.whisper.timestamps import (
    Interval,
    TokenSegment,
    audible_ticks,
    place_words,
    sounding,
    split_segments,
    to_seconds,
    token_starts,
)

EOT, BEGIN = 100, 200  # text tokens below the first, timestamps from the second


def at(tick: int) -> int:
    return BEGIN + tick


def split(tokens: list[int], n_ticks: int = 1500, first: int = 0) -> list[TokenSegment]:
    return split_segments(tokens, eot=EOT, timestamp_begin=BEGIN, sound=Interval(start=first, end=n_ticks))


def test_pairs_of_timestamps_make_segments() -> None:
    """The ordinary form: each text between its start and its end."""
    assert split([at(0), 1, 2, at(50), at(60), 3, at(90)]) == [
        TokenSegment(start=0, end=50, tokens=(1, 2)),
        TokenSegment(start=60, end=90, tokens=(3,)),
    ]


def test_shared_timestamp_ends_one_segment_and_starts_the_next() -> None:
    """A single timestamp between texts serves both."""
    assert [(s.start, s.end) for s in split([at(5), 1, at(50), 2, at(90)])] == [(5, 50), (50, 90)]


def test_text_without_closing_timestamp_lasts_to_the_end_of_the_row() -> None:
    """The model stopped before closing: the text is kept, and known to be open."""
    assert split([at(10), 1, 2], n_ticks=100) == [TokenSegment(start=10, end=100, tokens=(1, 2), closed=False)]


def test_text_without_timestamps_is_one_segment() -> None:
    """Decoding without timestamps gives one segment as long as the row."""
    assert split([1, 2, 3], n_ticks=70) == [TokenSegment(start=0, end=70, tokens=(1, 2, 3), closed=False)]


def test_times_beyond_a_short_row_are_clamped() -> None:
    """The model hears 30 s, most of them padding; its times are cut to the row."""
    assert [(s.start, s.end) for s in split([at(0), 1, at(400)], n_ticks=100)] == [(0, 100)]


def test_text_placed_behind_the_row_joins_the_segment_before() -> None:
    """There is no room behind the end, and no text may be lost."""
    assert split([at(0), 1, at(100), at(120), 2, at(130)], n_ticks=100) == [
        TokenSegment(start=0, end=100, tokens=(1, 2))
    ]


def test_text_does_not_start_before_the_first_sound() -> None:
    """Whisper puts the first word at 0 even when a second of silence comes first."""
    assert [(s.start, s.end) for s in split([at(0), 1, at(80)], first=50)] == [(50, 80)]


def test_silence_around_speech_does_not_sound() -> None:
    """Digital silence before and after is not where words can be; quiet between loud parts is."""
    tone = np.full(320 * 10, 1000, np.int16)
    silence = np.zeros(320 * 5 + 7, np.int16)
    assert sounding(np.concatenate([silence, tone, silence, tone, silence])) == Interval(start=5, end=31)


def test_ticks_are_audible_against_the_loud_parts() -> None:
    """A tick counts from 40 dB below the loud ones on, at any loudness of the row, in either kind of samples."""
    loudness = np.repeat(np.array([0, 1000, 11, 1000, 9, 1000], np.float32), 320)
    expected = [False, True, True, True, False, True]
    for samples in (
        loudness.astype(np.int16),
        (30 * loudness).astype(np.int16),
        (loudness / 32_768).astype(np.float32),
    ):
        assert audible_ticks(samples).tolist() == expected


def test_loud_words_in_a_quiet_row_do_not_hide_it() -> None:
    """Loudness is that of the loudest tenth, not of a lone click."""
    samples = np.full(320 * 50, 100, np.int16)
    samples[320 * 7 : 320 * 8] = 32_000
    assert audible_ticks(samples).all()


@given(st.integers(0, 3000))
def test_each_whole_tick_is_judged(n_samples: int) -> None:
    """What is left over at the end is not; a row below a tick has one, which is not audible."""
    audible = audible_ticks(np.full(n_samples, 500, np.int16))
    assert len(audible) == max(1, n_samples // 320)
    assert audible.all() == (n_samples >= 320)


def test_digital_silence_has_no_audible_tick() -> None:
    """Nothing stands out where nothing is."""
    assert not audible_ticks(np.zeros(3200, np.int16)).any()


@given(st.integers(0, 2000), st.integers(0, 32_767))
def test_sounding_part_is_inside_the_row(n_samples: int, amplitude: int) -> None:
    """Any row, of any length and loudness, has a sounding part of at least one tick."""
    sound = sounding(np.full(n_samples, amplitude, np.int16))
    assert 0 <= sound.start < sound.end <= max(1, n_samples // 320)


def test_nothing_decoded_is_no_segment() -> None:
    """Timestamps alone are no text."""
    assert split([]) == []
    assert split([at(0), at(1499)]) == []


def test_seconds_are_exact_hundredths() -> None:
    """Ticks of 20 ms become decimal seconds without noise."""
    assert [to_seconds(tick) for tick in (0, 1, 7, 1500)] == [0.0, 0.02, 0.14, 30.0]


tokens = st.lists(st.one_of(st.integers(0, EOT - 1), st.integers(BEGIN, BEGIN + 1500)), max_size=60)


@given(tokens, st.integers(1, 1500))
def test_segments_keep_all_text_and_ascend_within_the_row(decoded: list[int], n_ticks: int) -> None:
    """Whatever the model emits, each text token is in one segment, and segments tile forward inside the row."""
    segments = split(decoded, n_ticks)
    assert list(chain.from_iterable(s.tokens for s in segments)) == [token for token in decoded if token < EOT]
    assert all(0 <= s.start < s.end <= n_ticks for s in segments)
    assert all(left.end <= right.start for left, right in pairwise(segments))


def test_token_starts_are_the_first_steps_of_the_path() -> None:
    """A token begins where the path first reaches it."""
    assert token_starts([(0, 0), (0, 1), (1, 2), (2, 2), (2, 3), (3, 7)]) == [0, 2, 2, 7]


def place(spans: list[tuple[int, int]], *, start: int, end: int, first: int = 0, n_ticks: int = 1500) -> list[Interval]:
    intervals = [Interval(start=left, end=right) for left, right in spans]
    return place_words(intervals, start=start, end=end, sound=Interval(start=first, end=n_ticks))


def test_plausible_words_are_left_where_they_are() -> None:
    """Aligned words inside their segment keep their times."""
    assert [(w.start, w.end) for w in place([(10, 25), (25, 40), (45, 60)], start=10, end=60)] == [
        (10, 25),
        (25, 40),
        (45, 60),
    ]


def test_first_word_does_not_reach_back_into_silence() -> None:
    """A word stretched over the pause before it starts late, near where it is said."""
    assert place([(0, 300), (300, 315), (315, 330)], start=0, end=330)[0] == Interval(start=270, end=300)


def test_last_word_does_not_reach_into_the_silence_after() -> None:
    """A word stretched over the pause behind it ends early."""
    assert place([(10, 25), (25, 40), (40, 400)], start=10, end=400)[-1] == Interval(start=40, end=70)


def test_words_stay_near_their_segment() -> None:
    """An alignment that strays far from the model's own times is pulled back to within half a second."""
    placed = place([(500, 520), (520, 540)], start=100, end=150)
    assert all(75 <= word.start < word.end <= 175 for word in placed)


spans = st.lists(st.tuples(st.integers(-20, 1600), st.integers(0, 400)), min_size=1, max_size=40)


@given(spans, st.integers(0, 1499), st.integers(1, 1500), st.integers(0, 1499), st.integers(1, 1500))
def test_placed_words_are_all_timed_and_ascend(
    raw: list[tuple[int, int]], start: int, length: int, first: int, n_ticks: int
) -> None:
    """Whatever the alignment says, each word gets an interval, in order, inside the row, after what came before."""
    first = min(first, n_ticks)
    placed = place([(s, s + d) for s, d in raw], start=start, end=start + length, first=first, n_ticks=n_ticks)
    assert len(placed) == len(raw)
    assert all(first <= word.start <= word.end <= n_ticks for word in placed)
    assert all(left.end <= right.start for left, right in pairwise(placed))
    if n_ticks - first >= len(raw):
        assert all(word.start < word.end for word in placed)
