"""From PCM to spans and chunks: where a recording is cut so that no word is.

The voice activity of each channel gives short stretches of speech. They are packed into chunks close to the model's
window, preferring to part at long pauses; longer silences are left out, shorter ones stay. Runs of chunks form spans,
the unit of storage, which tile the recording and end in silence. Everything happens in steps of one fixed length:
the same recording is always cut alike, whatever blocks it arrives in, so that a resumed job finds its chunks again.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipelines.audio.pcm import Pcm, widened
from pipelines.audio.vad import Speech, SpeechModel, VoiceActivity
from pipelines.audio.vad import speech_model as default_speech_model
from pipelines.audio.vad_options import FRAME_SAMPLES, VadOptions
from pipelines.core import SAMPLE_RATE, BlobRef, Chunk, Span, SpeechInterval
from pipelines.errors import OptionError

STEP_SAMPLES = 312 * FRAME_SAMPLES
"""Samples per channel judged at a time (about 10 s)."""

# Search for a quiet point inside running speech.
SEARCH_SHARE = 1 / 3  # last part of the window that is searched
ENERGY_SAMPLES = SAMPLE_RATE // 25  # 40 ms: longer than a period of a low voice, shorter than a syllable
PAUSE_SAMPLES = SAMPLE_RATE // 5  # 200 ms: longer than the closure of a "p", as short as a pause between words
ENERGY_HOP = SAMPLE_RATE // 100
SPEECH_PENALTY_DB = 15.0  # what certain speech counts against a point
EARLY_PENALTY_DB = 3.0  # what lying at the beginning of the search counts against it


@dataclass(frozen=True, kw_only=True)
class SegmentationOptions:
    """Where to cut; raises `OptionError` for values that contradict each other.

    ``window_s`` bounds the speech in a chunk. A span ends at the first pause between chunks after ``span_s`` seconds
    (``first_span_s`` for each channel's first, so that transcription starts early) and never exceeds ``max_span_s``.
    Chunks part at the longest pause beyond ``min_fill`` of the window.
    """

    window_s: float = 30.0
    first_span_s: float = 40.0  # most calls of half a minute are one span: fewer blobs; cut in a few tens of ms
    span_s: float = 180.0
    max_span_s: float = 300.0
    min_fill: float = 0.75
    vad: VadOptions = field(default_factory=VadOptions)

    def __post_init__(self) -> None:
        if self.window_s < 1.0:
            raise OptionError("window_s must be at least 1 s")
        if not 0.0 < self.first_span_s <= self.span_s:
            raise OptionError("first_span_s must be positive and at most span_s")
        if self.max_span_s < max(self.span_s, 2 * self.window_s + 2 * STEP_SAMPLES / SAMPLE_RATE):
            raise OptionError("max_span_s must be at least span_s, and two windows and 20 s")
        if not 0.0 <= self.min_fill <= 1.0:
            raise OptionError("min_fill must be between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class SpanDraft:
    """A span before it is stored: samples ``[start, end)`` of one channel, its PCM and its chunk table.

    ``pcm`` is int16 ``[end - start]``; a chunk's piece lies at ``pcm[piece.start - start : piece.end - start]``.
    Indices count spans and chunks over all channels in the order of cutting. Pure silence has no chunks.
    """

    index: int
    channel: int
    start: int
    end: int
    pcm: Pcm = field(repr=False, compare=False)
    chunks: tuple[Chunk, ...]

    def row(self, chunk: Chunk) -> Pcm:
        """Return the samples of one of its chunks, its pieces joined end to end: what a Transcriber decodes."""
        return np.concatenate([self.pcm[piece.start - self.start : piece.end - self.start] for piece in chunk.pieces])

    def stored(self, pcm: BlobRef) -> Span:
        """Return the span itself, its samples being at ``pcm``."""
        return Span(index=self.index, channel=self.channel, start=self.start, end=self.end, pcm=pcm, chunks=self.chunks)


def split_audio(
    blocks: Iterable[Pcm],
    options: SegmentationOptions | None = None,
    *,
    speech_model: Callable[[], SpeechModel] = default_speech_model,
) -> Iterator[SpanDraft]:
    """Cut a recording, given as int16 blocks ``[n_channels, n_samples]`` of any lengths, into spans and chunks.

    Each channel's spans tile ``[0, n_samples)``; spans of all channels come in the order in which they were completed.
    Blocks may come to have more channels: those are silent before.
    Every sample of speech is in exactly one chunk. Memory is bounded by ``max_span_s`` per channel.
    ``speech_model`` makes one model of voice activity per channel.
    """
    options = options or SegmentationOptions()
    cutters: list[_ChannelCutter] = []
    n_spans = n_chunks = n_samples = 0
    for step, last in _steps(blocks):
        new = range(len(cutters), len(step))
        cutters += [_ChannelCutter(i, options, speech_model(), begin=n_samples) for i in new]
        n_samples += step.shape[1]
        cuts = [cut for cutter, pcm in zip(cutters, step, strict=True) for cut in cutter.push(pcm, last=last)]
        before = (cut for channel in new for cut in cutters[channel].before())
        for cut in itertools.chain(before, sorted(cuts, key=lambda cut: (cut.start, cut.channel))):
            chunks = tuple(
                Chunk(index=n_chunks + i, channel=cut.channel, span=n_spans, pieces=_join(chunk))
                for i, chunk in enumerate(cut.chunks)
            )
            yield SpanDraft(
                index=n_spans, channel=cut.channel, start=cut.start, end=cut.end, pcm=cut.pcm, chunks=chunks
            )
            n_spans += 1
            n_chunks += len(chunks)


def _steps(blocks: Iterable[Pcm]) -> Iterator[tuple[Pcm, bool]]:
    """Cut blocks anew into steps of `STEP_SAMPLES`; True marks the last one, which may be shorter or empty."""
    waiting: list[Pcm] = []
    n_waiting = 0
    for block in blocks:
        waiting.append(block)
        n_waiting += block.shape[1]
        if n_waiting >= STEP_SAMPLES:
            joined = _side_by_side(waiting)
            n_whole = n_waiting // STEP_SAMPLES * STEP_SAMPLES
            for start in range(0, n_whole, STEP_SAMPLES):
                yield joined[:, start : start + STEP_SAMPLES], False
            waiting, n_waiting = [joined[:, n_whole:].copy()], n_waiting - n_whole
    if waiting:
        yield _side_by_side(waiting), True


def _side_by_side(blocks: list[Pcm]) -> Pcm:
    width = max(len(block) for block in blocks)
    return np.concatenate([widened(block, width) for block in blocks], axis=1)


def _join(chunk: tuple[Speech, ...]) -> tuple[SpeechInterval, ...]:
    """Merge stretches that touch, so that pauses between them stay in the chunk."""
    pieces: list[SpeechInterval] = []
    for speech in chunk:
        start = pieces.pop().start if pieces and pieces[-1].end == speech.start else speech.start
        pieces.append(SpeechInterval(start=start, end=speech.end))
    return tuple(pieces)


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """A finished span of one channel, not numbered yet."""

    channel: int
    start: int
    end: int
    pcm: Pcm
    chunks: tuple[tuple[Speech, ...], ...]


class _ChannelCutter:
    """Cuts one channel. Speech moves from ``_packing`` (the chunk being filled) to ``_closed`` (chunks of the span).

    Positions count from ``begin``, where the channel's samples begin; those of the cuts are the recording's.
    """

    def __init__(self, channel: int, options: SegmentationOptions, model: SpeechModel, begin: int) -> None:
        self._channel = channel
        self._begin = begin
        self._options = options
        self._window = round(options.window_s * SAMPLE_RATE)
        self._min_span = round(options.first_span_s * SAMPLE_RATE)
        self._max_span = round(options.max_span_s * SAMPLE_RATE)
        self._vad = VoiceActivity(options.vad, model)
        self._tape = _Tape()
        self._start = 0  # of the span in the making
        self._packing: list[Speech] = []
        self._closed: list[tuple[Speech, ...]] = []
        self._floor = 0  # speech before this position was cut off and packed before its end was known

    def before(self) -> Iterator[_Cut]:
        """Yield spans of silence up to where the channel begins."""
        for start in range(0, self._begin, self._max_span):
            end = min(start + self._max_span, self._begin)
            yield _Cut(channel=self._channel, start=start, end=end, pcm=np.zeros(end - start, np.int16), chunks=())

    def push(self, pcm: Pcm, *, last: bool) -> list[_Cut]:
        """Take one step of int16 ``[n_samples]``; return the spans it completed, with ``last`` all that remains."""
        self._tape.append(pcm)
        for speech in self._judge(pcm, last=last):
            self._pack(speech)
        self._cut_running_speech()
        if last:
            self._close(len(self._packing))
        cuts = []
        while (cut := self._regular_cut() or self._forced_cut()) is not None:
            cuts.append(cut)
        if last and self._start < self._tape.end:
            cuts.append(self._cut(len(self._closed), self._tape.end))
        return cuts

    def _judge(self, pcm: Pcm, *, last: bool) -> list[Speech]:
        speeches = self._vad.push(pcm, last=last)
        self._tape.append_probabilities(self._vad.probabilities)
        return speeches

    def _pack(self, speech: Speech) -> None:
        rest = replace(speech, start=max(speech.start, self._floor))
        while rest.n_samples > self._window:
            rest = replace(rest, start=self._cut_off_window(rest.start))
        if rest.n_samples <= 0:
            return
        while self._packing and self._n_packing() + rest.n_samples > self._window:
            self._close(self._best_parting())
        self._packing.append(rest)

    def _cut_running_speech(self) -> None:
        """Close chunks inside speech that has been going on for more than a window."""
        if self._vad.open_start is None:
            return
        start = max(self._vad.open_start, self._floor)
        while self._vad.position - start >= self._window:
            start = self._floor = self._cut_off_window(start)

    def _cut_off_window(self, start: int) -> int:
        """Close a chunk of one stretch of speech that is longer than the window; return where it was cut."""
        self._close(len(self._packing))
        end = self._tape.quietest(start + round(self._window * (1 - SEARCH_SHARE)), start + self._window)
        self._closed.append((Speech(start=start, end=end, pause=0),))
        return end

    def _n_packing(self) -> int:
        return sum(speech.n_samples for speech in self._packing)

    def _best_parting(self) -> int:
        """Return after how many stretches of speech to close the chunk: a long pause weighs against a full window."""
        best, best_score, n_samples = len(self._packing), -1.0, 0
        for count, speech in enumerate(self._packing, start=1):
            n_samples += speech.n_samples
            fill = n_samples / self._window
            score = fill + speech.pause / SAMPLE_RATE
            if fill >= self._options.min_fill and score >= best_score:
                best, best_score = count, score
        return best

    def _close(self, count: int) -> None:
        if count:
            self._closed.append(tuple(self._packing[:count]))
            del self._packing[:count]

    def _regular_cut(self) -> _Cut | None:
        """End the span at the first pause between chunks after its regular length."""
        for count, chunk in enumerate(self._closed, start=1):
            if chunk[-1].end - self._start >= self._min_span and chunk[-1].pause > 0:
                return self._cut_after(count)
        return None

    def _forced_cut(self) -> _Cut | None:
        """End a span that another step would make too long: in the silence reached, else at the longest pause."""
        if self._vad.position + STEP_SAMPLES - self._start <= self._max_span:
            return None
        if self._floor < self._vad.settled:
            self._close(len(self._packing))
            return self._cut(len(self._closed), self._vad.settled)
        count = max(range(1, len(self._closed) + 1), key=lambda i: (self._closed[i - 1][-1].pause, i))
        return self._cut_after(count)

    def _cut_after(self, count: int) -> _Cut:
        """End the span after its first ``count`` chunks, in the middle of the silence that follows."""
        end = self._closed[count - 1][-1].end
        following = self._closed[count][0] if count < len(self._closed) else next(iter(self._packing), None)
        next_start = following.start if following else max(self._vad.settled, self._floor)
        return self._cut(count, (end + max(end, next_start)) // 2)

    def _cut(self, count: int, end: int) -> _Cut:
        cut = _Cut(
            channel=self._channel,
            start=self._begin + self._start,
            end=self._begin + end,
            pcm=self._tape.read(self._start, end),
            chunks=tuple(tuple(self._moved(speech) for speech in chunk) for chunk in self._closed[:count]),
        )
        del self._closed[:count]
        self._start = end
        self._tape.drop(end)
        self._min_span = round(self._options.span_s * SAMPLE_RATE)
        return cut

    def _moved(self, speech: Speech) -> Speech:
        return replace(speech, start=self._begin + speech.start, end=self._begin + speech.end)


class _Tape:
    """The PCM of the span in the making and the probabilities of speech beside it; positions are the recording's."""

    def __init__(self) -> None:
        self._pcm: Pcm = np.zeros(0, np.int16)
        self._probabilities: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._start = 0  # a multiple of FRAME_SAMPLES

    @property
    def end(self) -> int:
        return self._start + len(self._pcm)

    def append(self, pcm: Pcm) -> None:
        self._pcm = np.concatenate([self._pcm, pcm])

    def append_probabilities(self, probabilities: npt.NDArray[np.float32]) -> None:
        self._probabilities = np.concatenate([self._probabilities, probabilities])

    def read(self, start: int, end: int) -> Pcm:
        return self._pcm[start - self._start : end - self._start].copy()

    def drop(self, end: int) -> None:
        n_frames = (end - self._start) // FRAME_SAMPLES
        self._pcm = self._pcm[n_frames * FRAME_SAMPLES :].copy()
        self._probabilities = self._probabilities[n_frames:].copy()
        self._start += n_frames * FRAME_SAMPLES

    def quietest(self, start: int, end: int) -> int:
        """Return the position in ``[start, end]`` where a cut does least harm: low energy, unlikely speech, late.

        The energy is that at the place and that around it, so that a pause between words is before a stop within one.
        """
        centers = np.arange(start, end + 1, ENERGY_HOP)
        total = np.concatenate([[0.0], np.cumsum(np.square(self._pcm, dtype=np.float64))])
        level_db = np.mean([self._level_db(total, centers, n) for n in (ENERGY_SAMPLES, PAUSE_SAMPLES)], axis=0)
        frames = np.clip((centers - self._start) // FRAME_SAMPLES, 0, len(self._probabilities) - 1)
        lateness = (centers - start) / max(1, end - start)
        cost = level_db + SPEECH_PENALTY_DB * self._probabilities[frames]
        return int(centers[np.argmin(cost - EARLY_PENALTY_DB * lateness)])

    def _level_db(
        self, total: npt.NDArray[np.float64], centers: npt.NDArray[np.int_], n_samples: int
    ) -> npt.NDArray[np.float64]:
        """Return the mean power of ``n_samples`` around each center; ``total`` is the energy up to each sample."""
        low = np.clip(centers - n_samples // 2 - self._start, 0, len(self._pcm))
        high = np.clip(centers + n_samples // 2 - self._start, 0, len(self._pcm))
        level: npt.NDArray[np.float64] = 10.0 * np.log10((total[high] - total[low]) / np.maximum(high - low, 1) + 1.0)
        return level
