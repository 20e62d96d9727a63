"""Stitching: window times to the recording's clock, order, no overlap, nothing lost, coverage that tiles."""

from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import (
    SAMPLE_RATE,
    BlobRef,
    Chunk,
    ChunkResult,
    Coverage,
    CoverageStatus,
    Damage,
    DecodedSegment,
    ModelInfo,
    Segment,
    Span,
    SpeechInterval,
    SpokenLanguage,
    Transcript,
    UnheardSpeech,
    Word,
)
from pipelines.transcript.chunk_clock import MAX_INNER_SILENCE_S, ChunkTimeline
from pipelines.transcript.coverage import DAMAGED_AUDIO, NO_RESULT, NO_WORDS, NOT_SEGMENTED, UNHEARD_SPEECH
from pipelines.transcript.stitching import shared_out, stitch

MODEL = ModelInfo(name="test")
PCM = BlobRef(key="t/j/pcm/0-0", n_bytes=0)


def seconds(*bounds: float) -> tuple[SpeechInterval, ...]:
    """Pieces from pairs of seconds: ``seconds(1, 2, 5, 6)`` is speech at 1–2 s and 5–6 s."""
    samples = [round(bound * SAMPLE_RATE) for bound in bounds]
    return tuple(SpeechInterval(start=a, end=b) for a, b in zip(samples[::2], samples[1::2], strict=True))


def span_of(*chunks: Chunk, end_s: float, start_s: float = 0, channel: int = 0, index: int = 0) -> Span:
    return Span(
        index=index,
        channel=channel,
        start=round(start_s * SAMPLE_RATE),
        end=round(end_s * SAMPLE_RATE),
        pcm=PCM,
        chunks=chunks,
    )


def chunk_of(pieces: tuple[SpeechInterval, ...], index: int = 0, channel: int = 0) -> Chunk:
    return Chunk(index=index, channel=channel, span=0, pieces=pieces)


def result_of(*segments: DecodedSegment, index: int = 0, suspect: tuple[str, ...] = (), error: str = "") -> ChunkResult:
    return ChunkResult(
        index=index,
        language="en",
        segments=segments,
        avg_logprob=-0.3,
        no_speech_prob=0.01,
        compression_ratio=1.4,
        temperature=0.0,
        suspect=suspect,
        error=error,
    )


def word(text: str, start_s: float, end_s: float) -> Word:
    return Word(text=text, start_s=start_s, end_s=end_s, probability=0.9)


def decoded(*words: Word) -> DecodedSegment:
    return DecodedSegment(
        start_s=words[0].start_s, end_s=words[-1].end_s, text="".join(w.text for w in words), words=words
    )


def stitch_one(pieces: tuple[SpeechInterval, ...], *segments: DecodedSegment, duration_s: float = 100.0) -> Transcript:
    """Stitch a recording of one channel, one span and one chunk."""
    return stitch(
        [span_of(chunk_of(pieces), end_s=duration_s)],
        {0: result_of(*segments)},
        duration_s=duration_s,
        n_channels=1,
        languages=(),
        model=MODEL,
    )


def times(transcript: Transcript) -> list[tuple[str, float, float]]:
    return [(segment.text, segment.start_s, segment.end_s) for segment in transcript.segments]


# --- The window's clock


@st.composite
def piece_layouts(draw: st.DrawFn, min_gap: int = 1) -> tuple[SpeechInterval, ...]:
    """Ascending pieces of 1–40 samples with gaps between them."""
    pieces: list[SpeechInterval] = []
    at = draw(st.integers(0, 50))
    for _ in range(draw(st.integers(1, 6))):
        n_samples = draw(st.integers(1, 40))
        pieces.append(SpeechInterval(start=at, end=at + n_samples))
        at += n_samples + draw(st.integers(min_gap, 30))
    return tuple(pieces)


@given(piece_layouts(min_gap=0), st.data())
def test_every_window_sample_maps_where_it_was_cut_from(
    pieces: tuple[SpeechInterval, ...], data: st.DataObject
) -> None:
    """The clock agrees with writing the joined samples out one by one and looking each up."""
    joined = [sample for piece in pieces for sample in range(piece.start, piece.end)]
    position = data.draw(st.integers(0, len(joined)))
    clock = ChunkTimeline(pieces)
    expected_start = joined[position] if position < len(joined) else joined[-1] + 1
    expected_end = joined[position - 1] + 1 if position else joined[0]
    assert clock.start(position / SAMPLE_RATE) == expected_start
    assert clock.end(position / SAMPLE_RATE) == expected_end


@given(piece_layouts(), st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_the_clock_never_runs_backwards(pieces: tuple[SpeechInterval, ...], window_times: list[float]) -> None:
    """Later window times never map earlier, nor outside the chunk, even when the model's times leave the window."""
    clock = ChunkTimeline(pieces)
    ordered = sorted(window_times)
    for earlier, later in pairwise(ordered):
        start, end = clock.interval(earlier, later)
        assert pieces[0].start <= start <= end <= pieces[-1].end
        assert clock.start(earlier) <= clock.start(later)
        assert clock.end(earlier) <= clock.end(later)
        assert clock.end(later) <= clock.start(later)


@given(piece_layouts(), st.data())
def test_silence_within_is_the_longest_gap(pieces: tuple[SpeechInterval, ...], data: st.DataObject) -> None:
    """The silence between two samples of speech is the longest gap between the pieces they lie in."""
    spoken = [sample for piece in pieces for sample in range(piece.start, piece.end)]
    first = data.draw(st.sampled_from(spoken))
    last = data.draw(st.sampled_from([sample for sample in spoken if sample >= first]))
    between = [sample for sample in spoken if first <= sample <= last]
    longest = max((b - a - 1 for a, b in pairwise(between)), default=0)
    assert ChunkTimeline(pieces).silence_within(first, last + 1) == longest


def test_a_chunk_without_pieces_is_refused() -> None:
    """A clock needs at least one piece."""
    with pytest.raises(ValueError, match="without pieces"):
        ChunkTimeline(())


# --- Segments and words


def test_a_segment_that_straddles_a_join_starts_and_ends_in_its_own_pieces() -> None:
    """Its start maps through the first piece's offset, its end through the second's."""
    got = stitch_one(seconds(10, 12, 12.4, 25), DecodedSegment(start_s=1, end_s=4, text=" over the join"))
    assert times(got) == [("over the join", 11.0, 14.4)]


def test_a_segment_is_split_at_a_long_silence_also_without_words() -> None:
    """No segment holds silence that was cut out; each side gets the share of the text that its length is."""
    got = stitch_one(seconds(10, 12, 20, 25), DecodedSegment(start_s=1, end_s=4, text=" one and then two three"))
    assert times(got) == [("one and", 11.0, 12.0), ("then two three", 20.0, 22.0)]
    (chinese, rest) = stitch_one(seconds(0, 3, 9, 12), DecodedSegment(start_s=0, end_s=6, text="今天开会讨论")).segments
    assert (chinese.text, rest.text) == ("今天开", "会讨论")


@given(
    st.lists(st.text("ab ", min_size=1, max_size=9), max_size=8), st.lists(st.integers(0, 9), min_size=1, max_size=5)
)
def test_a_shared_out_text_stays_whole(words: list[str], lengths: list[int]) -> None:
    """No word is lost, doubled or moved, whatever the lengths."""
    text = " ".join(words)
    parts = shared_out(text, lengths)
    assert len(parts) == len(lengths)
    if " " in text.strip():
        assert " ".join(parts).split() == text.split()
    else:
        assert "".join(parts) == text.strip()


def test_times_exactly_at_a_join_stay_with_their_side() -> None:
    """An end at the join stays in the earlier piece, a start at the join moves to the later piece."""
    got = stitch_one(
        seconds(10, 12, 20, 25),
        DecodedSegment(start_s=0, end_s=2, text="before"),
        DecodedSegment(start_s=2, end_s=5, text="after"),
    )
    assert times(got) == [("before", 10.0, 12.0), ("after", 20.0, 23.0)]


def test_times_beyond_the_window_are_clamped_to_speech() -> None:
    """Whisper pads its window to 30 s and may time words in the padding; they end where speech ends."""
    got = stitch_one(seconds(10, 12), DecodedSegment(start_s=1, end_s=30, text="too long"))
    assert times(got) == [("too long", 11.0, 12.0)]


def test_an_end_before_its_start_becomes_its_start() -> None:
    """A decoder that times a segment backwards yields an empty interval, not a negative one."""
    got = stitch_one(seconds(10, 12), DecodedSegment(start_s=1, end_s=0.5, text="backwards"))
    assert times(got) == [("backwards", 11.0, 11.0)]


def test_a_segment_is_split_at_a_long_silence_when_its_words_are_known() -> None:
    """Two sentences packed side by side, minutes apart in truth, become two segments with their own words."""
    words = (word(" Good", 0, 1), word(" morning.", 1, 2), word(" Good", 2, 3), word(" night.", 3, 4))
    got = stitch_one(seconds(0, 2, 60, 62), decoded(*words))
    assert times(got) == [("Good morning.", 0.0, 2.0), ("Good night.", 60.0, 62.0)]
    assert [[w.text for w in segment.words] for segment in got.segments] == [
        [" Good", " morning."],
        [" Good", " night."],
    ]


def test_a_segment_is_not_split_at_a_short_silence() -> None:
    """A breath between pieces is part of the sentence."""
    got = stitch_one(seconds(0, 2, 2 + MAX_INNER_SILENCE_S, 6), decoded(word(" Good", 0, 2), word(" morning.", 2, 3)))
    assert times(got) == [("Good morning.", 0.0, 3.0 + MAX_INNER_SILENCE_S)]


def test_a_segment_is_not_split_when_its_words_do_not_spell_it() -> None:
    """Splitting by words would lose text that the words do not hold; the segment stays whole."""
    segment = DecodedSegment(start_s=0, end_s=4, text="One, two!", words=(word(" One", 0, 2), word(" two", 2, 4)))
    got = stitch_one(seconds(0, 2, 60, 62), segment)
    assert times(got) == [("One, two!", 0.0, 62.0)]


def test_a_word_blurred_over_a_long_silence_keeps_its_longer_side() -> None:
    """Alignment may smear a word over a join; on the recording it must not last a minute."""
    got = stitch_one(seconds(0, 2, 60, 62), decoded(word(" Hello", 1, 2.25), word(" there", 2.25, 3)))
    assert [(w.text, w.start_s, w.end_s) for s in got.segments for w in s.words] == [
        (" Hello", 1.0, 2.0),
        (" there", 60.25, 61.0),
    ]


def test_overlapping_segments_of_a_channel_are_clipped() -> None:
    """The earlier segment ends where the next one starts, and its words with it."""
    got = stitch_one(
        seconds(0, 10),
        decoded(word(" long", 0, 3), word(" one", 3, 6)),
        decoded(word(" next", 5, 7)),
    )
    assert times(got) == [("long one", 0.0, 5.0), ("next", 5.0, 7.0)]
    assert got.segments[0].words[-1].end_s == 5.0


def test_blank_segments_are_dropped() -> None:
    """A segment of nothing but space is not part of a transcript."""
    assert stitch_one(seconds(0, 2), DecodedSegment(start_s=0, end_s=1, text="  ")).segments == ()


@pytest.mark.parametrize("text", [".", " …", "♪", "[ ]", "?!", "。"])
def test_punctuation_alone_is_no_word(text: str) -> None:
    """There is no segment of it, with or without word times, and the ledger says that no word was heard."""
    for segment in (DecodedSegment(start_s=0, end_s=1, text=text), decoded(word(text, 0, 1))):
        got = stitch_one(seconds(0, 2), segment, duration_s=2)
        assert got.segments == ()
        assert [(c.health, c.note) for c in got.coverage] == [(CoverageStatus.TRANSCRIBED, NO_WORDS)]


def test_text_of_a_failed_chunk_is_not_used() -> None:
    """What a failed decode left behind is not trusted; the ledger says that the stretch failed and why."""
    got = stitch(
        [span_of(chunk_of(seconds(0, 2)), end_s=3)],
        {0: result_of(DecodedSegment(start_s=0, end_s=1, text="junk"), error="out of memory")},
        duration_s=3,
        n_channels=1,
        languages=(),
        model=MODEL,
    )
    assert got.segments == ()
    assert got.coverage[0] == Coverage(
        channel=0, start_s=0, end_s=2, health=CoverageStatus.FAILED, note="out of memory"
    )


def test_quality_figures_and_suspicion_pass_to_the_segment() -> None:
    """A segment carries its chunk's log-probability, ratio, temperature and health."""
    result = replace(result_of(DecodedSegment(start_s=0, end_s=1, text="hm"), suspect=("loop",)), temperature=0.4)
    span = span_of(chunk_of(seconds(0, 2)), end_s=2)
    got = stitch([span], {0: result}, duration_s=2, n_channels=1, languages=(), model=MODEL).segments[0]
    assert (got.health, got.avg_logprob, got.no_speech_prob) == (CoverageStatus.SUSPECT, -0.3, 0.01)
    assert (got.compression_ratio, got.temperature) == (1.4, 0.4)


# --- Channels, speakers, languages


@pytest.fixture
def call() -> tuple[list[Span], dict[int, ChunkResult]]:
    """A stereo call: the second channel starts first, the first speaks longest."""
    spans = [
        span_of(chunk_of(seconds(1, 9), index=0, channel=0), end_s=10, channel=0),
        span_of(chunk_of(seconds(0, 2), index=1, channel=1), end_s=10, channel=1, index=1),
    ]
    results = {
        0: result_of(
            DecodedSegment(start_s=0, end_s=4, text="Hello, who is it?"),
            DecodedSegment(start_s=5, end_s=8, text="Good."),
        ),
        1: result_of(DecodedSegment(start_s=0, end_s=2, text="It is me."), index=1),
    }
    return spans, results


def test_channels_are_merged_on_one_clock(call: tuple[list[Span], dict[int, ChunkResult]]) -> None:
    """Segments are ordered by start over the channels, numbered from 0, and may overlap across channels."""
    got = stitch(*call, duration_s=10, n_channels=2, languages=(), model=MODEL)
    assert [(s.id, s.speaker, s.start_s, s.text) for s in got.segments] == [
        (0, "Channel 2", 0.0, "It is me."),
        (1, "Channel 1", 1.0, "Hello, who is it?"),
        (2, "Channel 1", 6.0, "Good."),
    ]
    assert got.n_channels == 2


def test_given_speakers_name_the_channels(call: tuple[list[Span], dict[int, ChunkResult]]) -> None:
    """A channel without a given name keeps its number."""
    got = stitch(*call, duration_s=10, n_channels=2, languages=(), model=MODEL, speakers=("Agent", " "))
    assert [s.speaker for s in got.segments] == ["Channel 2", "Agent", "Agent"]


def test_one_channel_has_no_speaker_label() -> None:
    """A mixed recording does not pretend to know its speakers."""
    assert stitch_one(seconds(0, 2), DecodedSegment(start_s=0, end_s=1, text="hi")).segments[0].speaker == ""


def test_the_language_is_the_one_that_is_spoken_longest(call: tuple[list[Span], dict[int, ChunkResult]]) -> None:
    """The language that is spoken for 8 s outvotes a surer one of 2 s."""
    votes = (
        SpokenLanguage(channel=1, language="de", probability=0.99, seconds=2),
        SpokenLanguage(channel=0, language="zh", probability=0.7, seconds=8),
    )
    got = stitch(*call, duration_s=10, n_channels=2, languages=votes, model=MODEL)
    assert got.language == "zh"
    assert got.languages == votes


def test_without_votes_the_decoded_language_counts(call: tuple[list[Span], dict[int, ChunkResult]]) -> None:
    """A job whose language was given holds no vote: the results name it; no results, no language."""
    spans, results = call
    assert stitch(spans, results, duration_s=10, n_channels=2, languages=(), model=MODEL).language == "en"
    assert stitch(spans, {}, duration_s=10, n_channels=2, languages=(), model=MODEL).language == ""


def test_a_chunk_stored_twice_is_refused(call: tuple[list[Span], dict[int, ChunkResult]]) -> None:
    """Doubled text is never produced silently."""
    spans, results = call
    with pytest.raises(ValueError, match="chunk 0 occurs 2 times"):
        stitch([*spans, spans[0]], results, duration_s=10, n_channels=2, languages=(), model=MODEL)


def test_a_channel_outside_the_recording_is_refused(call: tuple[list[Span], dict[int, ChunkResult]]) -> None:
    """A span of a channel that the recording lacks is an error of the caller."""
    with pytest.raises(ValueError, match="channel 1"):
        stitch(*call, duration_s=10, n_channels=1, languages=(), model=MODEL)


# --- Coverage


def test_the_ledger_names_every_kind_of_interval() -> None:
    """Silence, speech, suspects, failures, missing results and what no span covers, each where it lies."""
    spans = [
        span_of(
            chunk_of(seconds(1, 2, 3, 4), index=0),
            chunk_of(seconds(4, 6), index=1),
            chunk_of(seconds(6, 8), index=2),
            end_s=10,
        ),
        span_of(chunk_of(seconds(10, 12), index=3), chunk_of(seconds(12, 14), index=4), start_s=10, end_s=15, index=1),
    ]
    hello = DecodedSegment(start_s=0, end_s=1, text="hello")
    results = {
        0: result_of(hello),
        1: result_of(hello, index=1, suspect=("loop", "low log-probability")),
        2: result_of(index=2, error="out of memory"),
        4: result_of(index=4),
    }
    got = stitch(spans, results, duration_s=20, n_channels=1, languages=(), model=MODEL)
    assert [(c.start_s, c.end_s, c.health.value, c.note) for c in got.coverage] == [
        (0, 1, "silence", ""),
        (1, 2, "transcribed", ""),
        (2, 3, "silence", ""),
        (3, 4, "transcribed", ""),
        (4, 6, "suspect", "loop, low log-probability"),
        (6, 8, "failed", "out of memory"),
        (8, 10, "silence", ""),
        (10, 12, "failed", NO_RESULT),
        (12, 14, "transcribed", NO_WORDS),
        (14, 15, "silence", ""),
        (15, 20, "failed", NOT_SEGMENTED),
    ]


def test_what_was_lost_is_failed_whatever_lies_there() -> None:
    """A damaged stretch over silence and the padding of speech, one on another channel, one behind the last span."""
    spans = [
        span_of(chunk_of(seconds(1, 4.2)), end_s=10),
        span_of(chunk_of(seconds(7, 9), index=1, channel=1), end_s=10, channel=1, index=1),
    ]
    hello = DecodedSegment(start_s=0, end_s=1, text="hello")
    results = {0: result_of(hello), 1: result_of(hello, index=1)}
    damaged = [
        Damage(start=4 * SAMPLE_RATE, end=6 * SAMPLE_RATE),
        Damage(start=8 * SAMPLE_RATE, end=9 * SAMPLE_RATE, channels=(1,)),
        Damage(start=10 * SAMPLE_RATE, end=20 * SAMPLE_RATE),
    ]
    got = stitch(spans, results, duration_s=20, n_channels=2, languages=(), model=MODEL, damaged=damaged)
    assert [(c.channel, c.start_s, c.end_s, c.health.value, c.note) for c in got.coverage] == [
        (0, 0, 1, "silence", ""),
        (0, 1, 4, "transcribed", ""),
        (0, 4, 6, "failed", DAMAGED_AUDIO),
        (0, 6, 10, "silence", ""),
        (0, 10, 20, "failed", DAMAGED_AUDIO),
        (1, 0, 4, "silence", ""),
        (1, 4, 6, "failed", DAMAGED_AUDIO),
        (1, 6, 7, "silence", ""),
        (1, 7, 8, "transcribed", ""),
        (1, 8, 9, "failed", DAMAGED_AUDIO),
        (1, 9, 10, "silence", ""),
        (1, 10, 20, "failed", DAMAGED_AUDIO),
    ]


def test_unheard_speech_is_suspect_where_it_lies() -> None:
    """A hole in a row's text is told at its place on the recording's clock, also across a join; the rest counts."""
    hello = DecodedSegment(start_s=0, end_s=1, text="hello")
    unheard = (UnheardSpeech(start_s=1.5, end_s=3.5), UnheardSpeech(start_s=4.5, end_s=5.0))
    pieces = seconds(10, 12, 20, 24)
    got = stitch(
        [span_of(chunk_of(pieces), end_s=25)],
        {0: replace(result_of(hello), unheard=unheard)},
        duration_s=25,
        n_channels=1,
        languages=(),
        model=MODEL,
    )
    assert [(c.start_s, c.end_s, c.health.value, c.note) for c in got.coverage] == [
        (0, 10, "silence", ""),
        (10, 11.5, "transcribed", ""),
        (11.5, 12, "suspect", UNHEARD_SPEECH),
        (12, 20, "silence", ""),
        (20, 21.5, "suspect", UNHEARD_SPEECH),
        (21.5, 22.5, "transcribed", ""),
        (22.5, 23, "suspect", UNHEARD_SPEECH),
        (23, 24, "transcribed", ""),
        (24, 25, "silence", ""),
    ]


def test_words_may_be_left_out_of_segments() -> None:
    """Words decide where a segment is cut, whoever wants to see them."""
    words = (word(" Good", 0, 1), word(" morning.", 1, 2), word(" Good", 2, 3), word(" night.", 3, 4))
    spans = [span_of(chunk_of(seconds(0, 2, 60, 62)), end_s=62)]
    got = stitch(
        spans,
        {0: result_of(decoded(*words))},
        duration_s=62,
        n_channels=1,
        languages=(),
        model=MODEL,
        with_words=False,
    )
    assert times(got) == [("Good morning.", 0.0, 2.0), ("Good night.", 60.0, 62.0)]
    assert not any(segment.words for segment in got.segments)


def test_equal_neighbours_merge_over_chunks_and_spans() -> None:
    """Speech cut for want of silence is one interval again."""
    hello = DecodedSegment(start_s=0, end_s=1, text="hello")
    spans = [
        span_of(chunk_of(seconds(0, 5), index=0), end_s=5),
        span_of(chunk_of(seconds(5, 9), index=1), start_s=5, end_s=9, index=1),
    ]
    results = {0: result_of(hello), 1: result_of(hello, index=1)}
    got = stitch(spans, results, duration_s=9, n_channels=1, languages=(), model=MODEL)
    assert got.coverage == (Coverage(channel=0, start_s=0, end_s=9, health=CoverageStatus.TRANSCRIBED),)


@pytest.mark.parametrize("duration_s", [9.99998, 10.00003])
def test_a_fraction_of_a_sample_makes_no_interval(duration_s: float) -> None:
    """A duration that is no whole number of samples still ends the last interval exactly."""
    got = stitch([span_of(end_s=10)], {}, duration_s=duration_s, n_channels=1, languages=(), model=MODEL)
    assert got.coverage == (Coverage(channel=0, start_s=0, end_s=duration_s, health=CoverageStatus.SILENCE),)


def test_an_empty_recording_has_an_empty_transcript() -> None:
    """No seconds, no intervals, no segments."""
    got = stitch([], {}, duration_s=0, n_channels=1, languages=(), model=MODEL)
    assert (got.segments, got.coverage, got.text) == ((), (), "")


# --- Random recordings


@dataclass(frozen=True)
class Recording:
    """A made-up job: what was cut, what came back, and the words that must survive."""

    spans: list[Span]
    results: dict[int, ChunkResult]
    duration_s: float
    n_channels: int
    words: list[str]


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    """Up to three channels of spans and chunks with pieces of 0.1–9 s, words anywhere in (or past) their windows."""
    n_channels = draw(st.integers(1, 3))
    spans: list[Span] = []
    results: dict[int, ChunkResult] = {}
    words: list[str] = []
    ends: list[int] = []
    for channel in range(n_channels):
        at = 0
        for _ in range(draw(st.integers(0, 3))):
            start, chunks = at, []
            for _ in range(draw(st.integers(0, 3))):
                pieces = []
                for _ in range(draw(st.integers(1, 4))):
                    at += draw(st.sampled_from([0, 800, 16_000, 40_000]))
                    n_samples = draw(st.integers(1_600, 144_000))
                    pieces.append(SpeechInterval(start=at, end=at + n_samples))
                    at += n_samples
                chunk = Chunk(index=len(results), channel=channel, span=len(spans), pieces=tuple(pieces))
                result = draw(chunk_results(chunk, first_word=len(words)))
                results[chunk.index] = result
                chunks.append(chunk)
                if not result.error:
                    words += [w.text for segment in result.segments for w in segment.words]
            at += draw(st.sampled_from([0, 1, 16_000]))
            spans.append(Span(index=len(spans), channel=channel, start=start, end=at, pcm=PCM, chunks=tuple(chunks)))
        ends.append(at)
    duration_s = (max(ends) + draw(st.integers(0, 48_000))) / SAMPLE_RATE
    return Recording(spans=spans, results=results, duration_s=duration_s, n_channels=n_channels, words=words)


@st.composite
def chunk_results(draw: st.DrawFn, chunk: Chunk, first_word: int) -> ChunkResult:
    """A result whose words are numbered from ``first_word``, with ascending times that may leave the window."""
    n_words = draw(st.integers(0, 8))
    window_s = chunk.n_samples / SAMPLE_RATE
    bounds = sorted(draw(st.lists(st.floats(-0.5, window_s + 0.5), min_size=2 * n_words, max_size=2 * n_words)))
    words = [word(f" w{first_word + i}", bounds[2 * i], bounds[2 * i + 1]) for i in range(n_words)]
    cut = draw(st.integers(0, n_words))
    return result_of(
        *(decoded(*part) for part in (words[:cut], words[cut:]) if part),
        index=chunk.index,
        suspect=draw(st.sampled_from([(), ("loop",)])),
        error=draw(st.sampled_from(["", "", "broken"])),
    )


@given(recordings())
def test_stitching_loses_doubles_and_disorders_nothing(recording: Recording) -> None:
    """Every decoded word appears once, times ascend within the recording, no channel overlaps itself."""
    got = stitch(
        recording.spans,
        recording.results,
        duration_s=recording.duration_s,
        n_channels=recording.n_channels,
        languages=(),
        model=MODEL,
    )
    assert Counter(w.text for segment in got.segments for w in segment.words) == Counter(recording.words)
    assert Counter(got.text.split()) == Counter(text.strip() for text in recording.words)
    assert [segment.id for segment in got.segments] == list(range(len(got.segments)))
    assert [(s.start_s, s.channel) for s in got.segments] == sorted((s.start_s, s.channel) for s in got.segments)
    for channel in range(recording.n_channels):
        check_channel([segment for segment in got.segments if segment.channel == channel], recording)


def check_channel(segments: list[Segment], recording: Recording) -> None:
    reached = 0.0
    for segment in segments:
        assert reached <= segment.start_s <= segment.end_s <= recording.duration_s
        reached = segment.start_s
        for spoken in segment.words:
            assert reached <= spoken.start_s <= spoken.end_s <= segment.end_s
            reached = spoken.end_s
        reached = segment.end_s


@given(recordings())
def test_coverage_tiles_every_channel(recording: Recording) -> None:
    """Intervals join end to end from 0 to the duration, with no two equal neighbours and no empty one."""
    got = stitch(
        recording.spans,
        recording.results,
        duration_s=recording.duration_s,
        n_channels=recording.n_channels,
        languages=(),
        model=MODEL,
    )
    for channel in range(recording.n_channels):
        intervals = [interval for interval in got.coverage if interval.channel == channel]
        bounds = [0.0, *(interval.end_s for interval in intervals)]
        assert [interval.start_s for interval in intervals] == bounds[:-1]
        assert bounds[-1] == recording.duration_s
        assert all(interval.start_s < interval.end_s for interval in intervals)
        assert all((a.health, a.note) != (b.health, b.note) for a, b in pairwise(intervals))


@given(recordings())
def test_the_ledger_agrees_with_the_chunks(recording: Recording) -> None:
    """The middle of every piece has the verdict of its chunk."""
    got = stitch(
        recording.spans,
        recording.results,
        duration_s=recording.duration_s,
        n_channels=recording.n_channels,
        languages=(),
        model=MODEL,
    )
    for chunk in (chunk for span in recording.spans for chunk in span.chunks):
        result = recording.results[chunk.index]
        expected = (
            CoverageStatus.FAILED
            if result.error
            else CoverageStatus.SUSPECT
            if result.suspect
            else CoverageStatus.TRANSCRIBED
        )
        for piece in chunk.pieces:
            middle_s = (piece.start + piece.end) / 2 / SAMPLE_RATE
            (interval,) = [c for c in got.coverage if c.channel == chunk.channel and c.start_s <= middle_s < c.end_s]
            assert interval.health == expected
