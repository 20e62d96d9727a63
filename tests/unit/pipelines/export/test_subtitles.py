"""Subtitle cues: limits of lines and times, breaks at punctuation and pauses, nothing lost."""

import re
import unicodedata
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Coverage, CoverageStatus, ModelInfo, Segment, Transcript, Word
from pipelines.export.subtitles import (
    BREAK_PAUSE_MS,
    MAX_CUE_MS,
    MAX_LINE_CHARS,
    MAX_LINE_WIDE_CHARS,
    MIN_CUE_MS,
    Cue,
    Subtitles,
    subtitle_cues,
)
from pipelines.text.typography import join_spoken, tokens

ENGLISH = (
    "Good morning everyone, thanks for joining. We have decided to move the release to the fourteenth of March "
    "because the database migration isn't finished, and Maria will write to the customers by Friday."
)
CHINESE = "大家早上好，感谢各位参加今天的会议。我们决定把发布日期推迟到三月十四号，因为数据库迁移还没有完成。"


def segment(text: str, start_s: float, end_s: float, *, words: tuple[Word, ...] = (), channel: int = 0) -> Segment:
    speaker = f"Channel {channel + 1}"
    return Segment(id=0, channel=channel, speaker=speaker, start_s=start_s, end_s=end_s, text=text, words=words)


def transcript(*segments: Segment, duration_s: float = 100.0, coverage: tuple[Coverage, ...] = ()) -> Transcript:
    return Transcript(
        duration_s=duration_s,
        language="en",
        languages=(),
        segments=segments,
        coverage=coverage,
        model=ModelInfo(name="test"),
        n_channels=1 + max((s.channel for s in segments), default=0),
    )


def timed(*spoken: tuple[str, float, float]) -> Segment:
    words = tuple(Word(text=text, start_s=start, end_s=end, probability=1) for text, start, end in spoken)
    return segment("".join(w.text for w in words), words[0].start_s, words[-1].end_s, words=words)


def columns(line: str) -> float:
    """Width of a line in parts of the limit: 1 is full."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in line)
    marks = sum(unicodedata.category(c) in ("Mn", "Mc", "Me") for c in line)
    return wide / MAX_LINE_WIDE_CHARS + (len(line) - wide - marks) / MAX_LINE_CHARS


def spelled(cues: tuple[Cue, ...]) -> str:
    return "".join("".join(line.split()) for cue in cues for line in cue.lines)


def test_a_short_sentence_is_one_cue() -> None:
    """What fits is not cut."""
    (cue,) = subtitle_cues(transcript(segment("Good morning everyone.", 1.0, 3.0)))
    assert (cue.start_ms, cue.end_ms, cue.lines) == (1000, 3000, ("Good morning everyone.",))


def test_cues_end_with_sentences() -> None:
    """A sentence that fits a cue is not mixed with the next one's beginning."""
    cues = subtitle_cues(transcript(segment(ENGLISH, 0, 20)))
    assert cues[0].lines == ("Good morning everyone, thanks for joining.",)
    assert cues[1].lines[0].startswith("We have decided")


def test_a_pause_between_words_ends_a_cue() -> None:
    """Text is not shown long before it is spoken."""
    pause_s = BREAK_PAUSE_MS / 1000
    cues = subtitle_cues(transcript(timed((" Well", 1, 2), (" then", 2 + pause_s, 4))))
    assert [(cue.lines, cue.start_ms) for cue in cues] == [(("Well",), 1000), (("then",), 3000)]


def test_chinese_breaks_at_punctuation_and_never_before_it() -> None:
    """Lines hold at most 18 characters and none starts with a comma or full stop."""
    cues = subtitle_cues(transcript(segment(CHINESE, 0, 15)))
    assert cues[0].lines == ("大家早上好，感谢各位参加今天的会议。",)
    assert spelled(cues) == CHINESE
    assert not any(line[0] in "，。" for cue in cues for line in cue.lines)


def test_chinese_words_from_the_decoder_are_joined_without_spaces() -> None:
    """Words of several characters may break inside; bare punctuation stays with the word before."""
    cues = subtitle_cues(
        transcript(timed(("大家", 0, 1), ("早上好", 1, 2), ("，", 2, 2), ("开始", 2, 3), ("。", 3, 3)))
    )
    assert [cue.lines for cue in cues] == [("大家早上好，开始。",)]


def test_a_word_longer_than_two_lines_is_cut_up() -> None:
    """A hostile word neither overflows the screen nor is dropped."""
    cues = subtitle_cues(transcript(segment("x" * 500, 0, 30)))
    assert spelled(cues) == "x" * 500
    assert all(len(line) <= MAX_LINE_CHARS for cue in cues for line in cue.lines)


def test_untimed_text_is_spread_over_speech_only() -> None:
    """In a segment with a silence inside, no cue is shown in the silence."""
    coverage = (
        Coverage(channel=0, start_s=0, end_s=5, health=CoverageStatus.TRANSCRIBED),
        Coverage(channel=0, start_s=5, end_s=65, health=CoverageStatus.SILENCE),
        Coverage(channel=0, start_s=65, end_s=70, health=CoverageStatus.SUSPECT),
    )
    cues = subtitle_cues(transcript(segment("One two three. Four five six.", 0, 70), coverage=coverage))
    assert [(cue.lines[0], cue.end_ms <= 5000, cue.start_ms >= 65000) for cue in cues] == [
        ("One two three.", True, False),
        ("Four five six.", False, True),
    ]


def test_words_that_do_not_spell_the_text_are_not_trusted() -> None:
    """The text is shown, not the words."""
    odd = (Word(text=" Hi", start_s=0, end_s=1, probability=1),)
    cues = subtitle_cues(transcript(segment("Hello there.", 0, 2, words=odd)))
    assert [cue.lines for cue in cues] == [("Hello there.",)]


def test_a_brief_cue_stays_into_silence_but_not_into_the_next() -> None:
    """A quick "Yes." can be read when there is room."""
    cues = subtitle_cues(transcript(segment("Yes.", 1, 1.1), segment("No.", 1.5, 1.6), segment("Hm.", 99.9, 99.95)))
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(1000, 1500), (1500, 1500 + MIN_CUE_MS), (99900, 100000)]


def test_two_segments_at_one_moment_are_both_shown() -> None:
    """Segments without duration still become cues of at least a millisecond, one after the other."""
    cues = subtitle_cues(transcript(segment("a", 1, 1), segment("b", 1, 1), segment("c", 1, 2)))
    assert [cue.lines for cue in cues] == [("a",), ("b",), ("c",)]
    assert [cue.start_ms for cue in cues] == [1000, 1001, 1002]


def test_channels_interleave_by_time() -> None:
    """Cues of two channels are ordered by start and may overlap each other."""
    cues = subtitle_cues(transcript(segment("B speaks.", 1, 4, channel=1), segment("A speaks.", 2, 3)))
    assert [(cue.channel, cue.start_ms) for cue in cues] == [(1, 1000), (0, 2000)]


def test_names_are_written_where_the_speaker_changes() -> None:
    """The name takes part of the first line, which still keeps to the limit."""
    talk = transcript(segment(ENGLISH, 0, 20), segment("Thank you.", 20, 22, channel=1))
    cues = subtitle_cues(talk, name_speakers=True)
    named = [cue.lines[0] for cue in cues if re.match(r"Channel \d: ", cue.lines[0])]
    assert named == [cues[0].lines[0], "Channel 2: Thank you."]
    assert all(len(line) <= MAX_LINE_CHARS for cue in cues for line in cue.lines)


def test_an_empty_transcript_has_no_cues() -> None:
    """Nothing said, nothing shown."""
    assert subtitle_cues(transcript()) == ()


LETTERS = st.sampled_from([*"abc .,!?-\u0301", "word ", "字", "，", "。", "「", "ー", "กำ", "\n", "  "])
SPEECH = st.lists(LETTERS, min_size=1, max_size=120).map("".join).filter(str.strip)


@st.composite
def spoken_transcripts(draw: st.DrawFn) -> Transcript:
    """One or two channels of segments with word times or without."""
    segments = []
    for channel in range(draw(st.integers(1, 2))):
        at = 0.0
        for text in draw(st.lists(SPEECH, max_size=4)):
            start_s = at + draw(st.floats(0, 3))
            at = start_s + draw(st.floats(0, 30))
            words: tuple[Word, ...] = ()
            parts = re.findall(r"\s*\S+", text)
            if draw(st.booleans()):
                bounds = sorted(
                    draw(st.lists(st.floats(start_s, at), min_size=len(parts) * 2, max_size=len(parts) * 2))
                )
                words = tuple(
                    Word(text=part, start_s=bounds[2 * i], end_s=bounds[2 * i + 1], probability=1)
                    for i, part in enumerate(parts)
                )
            segments.append(segment(text, start_s, at, words=words, channel=channel))
    segments.sort(key=lambda s: (s.start_s, s.channel))
    return transcript(*segments, duration_s=200.0)


@given(spoken_transcripts(), st.booleans())
def test_every_limit_holds_for_any_transcript(talk: Transcript, name_speakers: bool) -> None:
    """At most two lines within the limits, at most 7 s, no overlap in a channel, times within the recording."""
    cues = subtitle_cues(talk, name_speakers=name_speakers)
    assert list(cues) == sorted(cues, key=lambda cue: (cue.start_ms, cue.channel))
    for cue in cues:
        assert 1 <= len(cue.lines) <= 2
        assert all(line.strip() == line for line in cue.lines)
        assert all(columns(line) <= 1 + 1e-9 for line in cue.lines)
        assert 0 < cue.end_ms - cue.start_ms <= MAX_CUE_MS
        assert cue.end_ms <= talk.duration_s * 1000
    for channel in (0, 1):
        of_channel = [cue for cue in cues if cue.channel == channel]
        assert all(a.end_ms <= b.start_ms for a, b in pairwise(of_channel))


@given(spoken_transcripts())
def test_no_character_is_lost_or_doubled(talk: Transcript) -> None:
    """The cues of a channel spell the channel's text."""
    cues = subtitle_cues(talk)
    for channel in (0, 1):
        said = "".join("".join(s.text.split()) for s in talk.segments if s.channel == channel)
        assert spelled(tuple(cue for cue in cues if cue.channel == channel)) == said


@given(spoken_transcripts())
def test_cues_begin_with_speech(talk: Transcript) -> None:
    """No cue starts before its words; a cue ends with them or after the shortest time one can read."""
    for channel in (0, 1):
        cues = [cue for cue in subtitle_cues(talk) if cue.channel == channel]
        segments = [s for s in talk.segments if s.channel == channel]
        if cues:
            assert cues[0].start_ms >= round(segments[0].start_s * 1000)
            last_s = segments[-1].end_s
            assert cues[-1].end_ms <= max(round(last_s * 1000), cues[-1].start_ms + MIN_CUE_MS)


@given(st.text(max_size=80))
def test_tokens_spell_the_text(text: str) -> None:
    """Cutting where lines may break loses nothing but repeated spaces."""
    assert "".join(tokens(text)) == re.sub(r"\s+", " ", text.rstrip())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't stop", ["don't", " stop"]),
        ("版本v2.0，很好", ["版", "本", "v2.0，", "很", "好"]),
        ("他说“你好”。", ["他", "说", "“你", "好”。"]),
        ("coûte 3.50 €", ["coûte", " 3.50", " €"]),
    ],
)
def test_tokens_respect_punctuation(text: str, expected: list[str]) -> None:
    """Numbers, apostrophes and Asian quotes stay with what they belong to."""
    assert tokens(text) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Hello ", " world."], "Hello world."),
        (["你好。", "世界"], "你好。世界"),
        (["发布 API", "文档"], "发布 API文档"),
        (["", "  ", "one"], "one"),
    ],
)
def test_joining_speech_puts_spaces_only_where_the_script_has_them(texts: list[str], expected: str) -> None:
    """English sentences are spaced, Chinese ones are not."""
    assert join_spoken(texts) == expected


@given(spoken_transcripts(), st.booleans())
def test_cues_that_were_cut_before(talk: Transcript, first: bool) -> None:
    """Cues with names and without may be asked for in any order, and again."""
    both = Subtitles(talk)
    for name_speakers in (first, not first, first):
        assert both.cues(name_speakers=name_speakers) == subtitle_cues(talk, name_speakers=name_speakers)


def test_nothing_is_cut_twice() -> None:
    """Where nobody is named, cues with names and without are the same ones, cut once for both."""
    both = Subtitles(transcript(replace(segment(ENGLISH, 0, 20), speaker="")))
    plain, named = both.cues(), both.cues(name_speakers=True)
    assert len(plain) > 1
    assert all(one.lines is other.lines for one, other in zip(plain, named, strict=True))
