"""Spans and chunks: nothing lost, nothing twice, cut in silence, alike for every way the audio arrives."""

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.decode import decode_audio
from pipelines.audio.pcm import Pcm
from pipelines.audio.segmentation import STEP_SAMPLES, SegmentationOptions, SpanDraft, split_audio
from pipelines.audio.vad import Probabilities, Speech, VoiceActivity
from pipelines.audio.vad_options import FRAME_SAMPLES, VadOptions
from pipelines.core import SAMPLE_RATE, SpeechInterval
from pipelines.errors import OptionError
from tests.support.recordings import RECORDINGS, truth

LOUD = 9000
SHORT = SegmentationOptions(window_s=4.0, first_span_s=3.0, span_s=12.0, max_span_s=32.0)


class LoudnessModel:
    """Takes for speech what is loud: a stand-in for Silero that lets tests draw speech."""

    def __call__(self, frames: Pcm) -> Probabilities:
        level = np.abs(frames.astype(np.int32)).mean(axis=1)
        return np.clip(level / LOUD, 0.0, 1.0).astype(np.float32)


def draw(layout: Iterable[tuple[float, int]]) -> Pcm:
    """PCM of one channel from ``(seconds, level)`` stretches, every sample telling its place a little."""
    parts = [np.full(round(seconds * SAMPLE_RATE), level, np.int16) for seconds, level in layout]
    pcm = np.concatenate([*parts, np.zeros(0, np.int16)])
    pcm += (np.arange(len(pcm)) % 7).astype(np.int16)
    return pcm


def split(pcm: Pcm, options: SegmentationOptions = SHORT, block: int = 160_000) -> list[SpanDraft]:
    """Segment ``[n_channels, n_samples]`` given in blocks of ``block`` samples."""
    blocks = (pcm[:, at : at + block] for at in range(0, pcm.shape[1], block))
    return list(split_audio(blocks, options, speech_model=LoudnessModel))


def speech_of(pcm: Pcm, vad: VadOptions) -> list[Speech]:
    activity = VoiceActivity(vad, LoudnessModel())
    return [*activity.push(pcm), *activity.finish()]


def pieces_of(spans: list[SpanDraft], channel: int) -> list[SpeechInterval]:
    return [piece for span in spans if span.channel == channel for chunk in span.chunks for piece in chunk.pieces]


def check_contract(spans: list[SpanDraft], pcm: Pcm, options: SegmentationOptions) -> None:
    """What holds for every recording: see the assertions."""
    assert [span.index for span in spans] == list(range(len(spans)))
    chunks = [chunk for span in spans for chunk in span.chunks]
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    for span in spans:
        for chunk in span.chunks:
            joined = np.concatenate([pcm[span.channel, piece.start : piece.end] for piece in chunk.pieces])
            assert np.array_equal(span.row(chunk), joined)
    for channel in range(len(pcm)):
        mine = [span for span in spans if span.channel == channel]
        edges = [0, *(span.end for span in mine)]
        assert [(span.start, span.end) for span in mine] == list(itertools.pairwise(edges))
        assert edges[-1] == pcm.shape[1]
        covered = np.zeros(pcm.shape[1], np.int8)
        for span in mine:
            assert 0 < span.end - span.start <= options.max_span_s * SAMPLE_RATE
            np.testing.assert_array_equal(span.pcm, pcm[channel, span.start : span.end])
            for chunk in span.chunks:
                assert (chunk.channel, chunk.span) == (channel, span.index)
                assert 0 < chunk.n_samples <= options.window_s * SAMPLE_RATE
                assert span.start <= chunk.start < chunk.end <= span.end
                for piece in chunk.pieces:
                    assert piece.n_samples > 0
                    covered[piece.start : piece.end] += 1
        pieces = pieces_of(spans, channel)
        assert all(one.end <= other.start for one, other in itertools.pairwise(pieces))
        assert covered.max(initial=0) <= 1
        expected = np.zeros(pcm.shape[1], np.int8)
        for speech in speech_of(pcm[channel], options.vad):
            expected[speech.start : speech.end] = 1
        # Cuts inside running speech may fall into the padding behind it; nothing else may differ.
        assert not (expected & ~covered & 1).any()
        extra = (covered & ~expected & 1).sum()
        assert extra <= len(pieces) * options.vad.pad_s * SAMPLE_RATE


stretch = st.tuples(
    st.sampled_from([0.03, 0.1, 0.15, 0.3, 0.5, 0.8, 1.5, 3.9, 4.0, 4.1, 9.0, 20.0]),
    st.sampled_from([0, 0, 4000, LOUD]),
)
layouts = st.lists(stretch, max_size=30).map(draw)


@given(one=layouts, other=layouts, seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_spans_tile_and_chunks_hold_speech_once(one: Pcm, other: Pcm, seed: int) -> None:
    """Whatever is spoken: spans tile each channel, chunks hold every sample of speech once, in windows, in order."""
    n_samples = max(len(one), len(other))
    pcm = np.stack([np.pad(channel, (0, n_samples - len(channel))) for channel in (one, other)])
    spans = split(pcm)
    check_contract(spans, pcm, SHORT)
    rng = np.random.default_rng(seed)
    edges = np.unique(np.concatenate([[0, n_samples], rng.integers(0, n_samples + 1, 9)]))
    blocks = [pcm[:, start:end] for start, end in itertools.pairwise(edges)]
    assert list(split_audio(blocks, SHORT, speech_model=LoudnessModel)) == spans


@given(one=layouts)
@settings(max_examples=20, deadline=None)
def test_channel_is_cut_as_if_alone(one: Pcm) -> None:
    """A channel's spans and pieces do not depend on what the other channel holds."""
    pair = np.stack([one, np.full_like(one, LOUD)])
    assert [(s.start, s.end, [c.pieces for c in s.chunks]) for s in split(pair) if s.channel == 0] == [
        (s.start, s.end, [c.pieces for c in s.chunks]) for s in split(one[None])
    ]


@given(sentences=st.lists(st.tuples(st.floats(0.3, 3.0), st.floats(0.17, 2.0)), min_size=1, max_size=40))
@settings(max_examples=20, deadline=None)
def test_sentences_are_never_cut(sentences: list[tuple[float, float]]) -> None:
    """When sentences shorter than the window are parted by pauses that frames can show, no cut falls into one."""
    layout = [(length, level) for spoken, pause in sentences for length, level in ((spoken, LOUD), (pause, 0))]
    pcm = draw(layout)[None]
    spans = split(pcm)
    check_contract(spans, pcm, SHORT)
    edges = {edge for span in spans for edge in (span.start, span.end)}
    edges |= {edge for piece in pieces_of(spans, 0) for edge in (piece.start, piece.end)}
    loud = np.pad(pcm[0] > LOUD / 2, 1)
    for edge in edges:
        assert not (loud[edge] and loud[edge + 1])


def test_nothing_gives_nothing() -> None:
    """No blocks, or blocks without samples, give no spans."""
    assert list(split_audio([], SHORT, speech_model=LoudnessModel)) == []
    assert split(np.zeros((2, 0), np.int16)) == []


def test_silence_has_spans_but_no_chunks() -> None:
    """Two minutes of silence are spans of at most the longest length, without chunks."""
    pcm = np.zeros((1, 120 * SAMPLE_RATE), np.int16)
    spans = split(pcm)
    check_contract(spans, pcm, SHORT)
    assert len(spans) >= 4
    assert not any(span.chunks for span in spans)


def test_short_pauses_stay_and_long_ones_are_left_out() -> None:
    """A pause of 0.3 s stays inside its piece; of a pause of 3 s half a second remains, a quarter on each side."""
    pcm = draw([(1, 0), (1, LOUD), (0.3, 0), (1, LOUD), (3, 0), (1, LOUD), (1, 0)])[None]
    (span,) = split(pcm, SegmentationOptions())
    (chunk,) = span.chunks
    first, second = chunk.pieces
    assert first.n_samples == pytest.approx(2.8 * SAMPLE_RATE, abs=2 * FRAME_SAMPLES)
    assert second.n_samples == pytest.approx(1.5 * SAMPLE_RATE, abs=2 * FRAME_SAMPLES)


def test_chunks_part_at_the_longer_pause() -> None:
    """Near the end of the window a long pause is preferred to a hesitation a little later."""
    sentence = [(2.0, LOUD), (0.15, 0)] * 11
    pcm = draw([*sentence, (2.0, LOUD), (0.45, 0), *sentence])[None]
    chunks = [chunk for span in split(pcm, SegmentationOptions()) for chunk in span.chunks]
    assert chunks[0].end / SAMPLE_RATE == pytest.approx(11 * 2.15 + 2.2, abs=0.1)


def test_chunks_are_packed_close_to_the_window() -> None:
    """Ten minutes of sentences with short pauses fill their windows by more than four fifths."""
    rng = np.random.default_rng(3)
    pcm = draw([(length, level) for _ in range(120) for length, level in ((rng.uniform(1, 6), LOUD), (0.3, 0))])[None]
    spans = split(pcm, SegmentationOptions())
    check_contract(spans, pcm, SegmentationOptions())
    lengths = [chunk.n_samples / SAMPLE_RATE for span in spans for chunk in span.chunks]
    assert np.mean(lengths[:-1]) > 0.8 * 30


def test_endless_speech_is_cut_where_it_is_quietest() -> None:
    """Speech without a pause is cut at a dip of 60 ms that never falls to silence, in the last third of the window."""
    pcm = draw([(25.0, LOUD), (0.06, 4800), (34.94, LOUD)])[None]
    first, *rest = [chunk for span in split(pcm, SegmentationOptions()) for chunk in span.chunks]
    assert 25.0 <= first.end / SAMPLE_RATE <= 25.06
    assert rest[0].start == first.end
    check_contract(split(pcm, SegmentationOptions()), pcm, SegmentationOptions())


def test_endless_speech_is_cut_at_a_pause_rather_than_at_a_stop() -> None:
    """The closure of a "p" is as quiet as a pause between words, and later here; it is shorter, and inside a word."""
    pcm = draw([(24.0, LOUD), (0.2, 100), (3.0, LOUD), (0.08, 100), (32.7, LOUD)])[None]
    drafts = split_audio(iter([pcm]), SegmentationOptions(), speech_model=lambda: lambda frames: np.ones(len(frames)))
    first = next(chunk for span in drafts for chunk in span.chunks)
    assert 24.0 <= first.end / SAMPLE_RATE <= 24.2


def test_endless_speech_keeps_spans_bounded() -> None:
    """Somebody who never pauses for ten minutes still gives spans of bounded length and full chunks."""
    pcm = draw([(600.0, LOUD)])[None]
    options = SegmentationOptions()
    spans = split(pcm, options)
    check_contract(spans, pcm, options)
    assert len(spans) >= 2


def test_first_span_comes_early_and_memory_is_bounded() -> None:
    """The first span is out a window after its least length, and no span waits for more audio than the longest span."""
    consumed = 0

    def endless() -> Iterable[Pcm]:
        nonlocal consumed
        while True:
            block = draw([(2.0, LOUD), (0.5, 0)])[None]
            consumed += block.shape[1]
            yield block

    options = SegmentationOptions()
    spans = split_audio(endless(), options, speech_model=LoudnessModel)
    first = next(spans)
    assert first.chunks
    assert consumed <= (options.first_span_s + options.window_s) * SAMPLE_RATE + STEP_SAMPLES
    for span in itertools.islice(spans, 5):
        assert consumed - span.start <= options.max_span_s * SAMPLE_RATE + STEP_SAMPLES


def test_channels_come_in_the_order_of_time() -> None:
    """Two speakers' spans are interleaved, not one channel after the other."""
    voice = draw([(2.0, LOUD), (0.5, 0)] * 80)
    spans = split(np.stack([voice, np.roll(voice, 9000)]))
    channels = [span.channel for span in spans]
    assert set(channels[: len(channels) // 2]) == {0, 1}
    starts = [span.start for span in spans]
    assert max(a - b for a, b in itertools.pairwise(starts)) <= SHORT.max_span_s * SAMPLE_RATE


def test_every_spoken_sentence_of_a_meeting_is_in_one_chunk() -> None:
    """With the real model, nearly all of each sentence of the sample meeting is in chunks, and none is cut in two."""
    blocks = decode_audio(RECORDINGS / "meeting-3min.flac", max_duration_s=300.0)
    chunks = [chunk for span in split_audio(blocks) for chunk in span.chunks]
    spoken = truth("meeting-3min")
    n_samples = round(spoken.duration_s * SAMPLE_RATE)
    owner = np.full(n_samples, -1)
    for chunk in chunks:
        for piece in chunk.pieces:
            owner[piece.start : piece.end] = chunk.index
    for segment in spoken.segments:
        held = owner[round(segment.start_s * SAMPLE_RATE) : round(segment.end_s * SAMPLE_RATE)]
        assert (held >= 0).mean() > 0.98, segment.text
        assert len(np.unique(held[held >= 0])) == 1, segment.text


@pytest.mark.parametrize(
    "wrong",
    [{"window_s": 0.5}, {"first_span_s": 0.0}, {"first_span_s": 200.0}, {"max_span_s": 70.0}, {"min_fill": 1.5}],
)
def test_contradictory_options_are_refused(wrong: dict[str, float]) -> None:
    """Options that cannot be met are named before any audio is read."""
    with pytest.raises(OptionError):
        SegmentationOptions(**wrong)


@given(one=layouts, other=layouts, blocks_before=st.integers(1, 8))
@settings(max_examples=20, deadline=None)
def test_a_channel_that_comes_later_is_silent_before(one: Pcm, other: Pcm, blocks_before: int) -> None:
    """A recording that grows from one channel to two: both are cut as ever, the second silent until it comes."""
    block = 160_000
    begin = blocks_before * block
    length = max(len(one), begin + len(other)) + 1
    pcm = np.stack([np.pad(one, (0, length - len(one))), np.pad(other, (begin, length - begin - len(other)))])
    blocks = (pcm[: 1 if at < begin else 2, at : at + block] for at in range(0, length, block))
    spans = list(split_audio(blocks, SHORT, speech_model=LoudnessModel))
    assert [span.index for span in spans] == list(range(len(spans)))
    for channel in range(2):
        mine = [span for span in spans if span.channel == channel]
        edges = [0, *(span.end for span in mine)]
        assert [(span.start, span.end) for span in mine] == list(itertools.pairwise(edges))
        assert edges[-1] == length
        for span in mine:
            assert 0 < span.end - span.start <= SHORT.max_span_s * SAMPLE_RATE
            np.testing.assert_array_equal(span.pcm, pcm[channel, span.start : span.end])
            for chunk in span.chunks:
                pieces = [pcm[channel, piece.start : piece.end] for piece in chunk.pieces]
                np.testing.assert_array_equal(span.row(chunk), np.concatenate(pieces))
    assert pieces_of(spans, 0) == pieces_of(split(pcm[:1]), 0)
