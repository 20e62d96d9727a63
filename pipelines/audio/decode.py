"""From the bytes of a recording to 16 kHz PCM, streaming, with memory that does not grow with its length.

The format is told from the content, never from a name, and only the containers in `pipelines.audio.formats` are tried:
FFmpeg would otherwise follow playlists (``ffconcat``, ``m3u8``, SDP) to other files and hosts. Damage in the middle of
a recording is skipped, lost packets become silence where the timestamps say so, and a truncated end is simply the end.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
from av.stream import Discard

from pipelines.audio.container import opened
from pipelines.audio.durations import declared_duration_s, known_duration_s
from pipelines.audio.formats import MAX_CHANNELS
from pipelines.audio.pcm import Blocks, Pcm, Resampler
from pipelines.core import SAMPLE_RATE
from pipelines.errors import CorruptAudio, EmptyAudio, NoAudioStream, UnsupportedFormat

MAX_BLIND_GAP_S = 600.0  # longest hole filled with silence when the declared duration does not bear it out
GAP_TOLERANCE_S = 0.1  # containers round timestamps; smaller steps are no gaps
MAX_FAILED_READS = 100  # consecutive failures after which the rest of a container counts as lost


@dataclass(frozen=True, kw_only=True)
class AudioInfo:
    """What a recording's header says; ``sample_rate`` in Hz.

    ``duration_s`` is what it declares, or what the packets of a format without a header add up to; None: unknown.
    """

    container: str
    codec: str
    n_channels: int
    sample_rate: int
    duration_s: float | None


def probe(source: BinaryIO | Path) -> AudioInfo:
    """Read the header of a recording, or all its packets; nothing is decoded and nothing it declares is verified.

    Raises `EmptyAudio`, `UnsupportedFormat`, `CorruptAudio`, `NoAudioStream` or `SourceUnreachable`.
    """
    with opened(source) as container:
        stream = _best_stream(container)
        return AudioInfo(
            container=container.format.name,
            codec=stream.codec.canonical_name,
            n_channels=stream.codec_context.channels,
            sample_rate=stream.codec_context.sample_rate or 0,
            duration_s=known_duration_s(container, stream),
        )


def decode_audio(
    source: BinaryIO | Path,
    *,
    channels: Literal["mix", "split"] = "mix",
    block_s: float = 10.0,
    max_duration_s: float,
    max_channels: int = MAX_CHANNELS,
) -> Iterator[Pcm]:
    """Yield the recording as int16 arrays of shape ``[n_channels, n_samples]`` at `SAMPLE_RATE`.

    Every block but the last holds ``block_s`` seconds. "mix" gives one channel, "split" as many as the recording
    has. ``source`` is a path or a seekable binary stream; of several audio streams the best one is taken. Errors are
    raised while iterating: those of `probe`, `UnsupportedFormat` also for more than ``max_channels`` channels or an
    absurd sample rate, `EmptyAudio` without one sample, `CorruptAudio` when nothing decodes, and `TooLong` once more
    than ``max_duration_s`` seconds came out, whatever the header declares.
    """
    with opened(source) as container:
        stream = _best_stream(container)
        decoder = _Decoder(container, stream)
        blocks = Blocks(n_samples=max(1, round(block_s * SAMPLE_RATE)), limit=round(max_duration_s * SAMPLE_RATE))
        resampler: Resampler | None = None
        n_out_channels = 0
        for gap_s, frame in _with_gaps(decoder, decoder.start_s, declared_duration_s(container)):
            if resampler is None or gap_s or not resampler.accepts(frame):
                if resampler is not None:
                    yield from blocks.push(resampler.drain())
                if not n_out_channels:
                    _check_limits(frame, max_channels)
                    n_out_channels = 1 if channels == "mix" else frame.layout.nb_channels
                resampler = Resampler(frame, n_out_channels)
                yield from blocks.push_silence(n_out_channels, round(gap_s * SAMPLE_RATE))
            yield from blocks.push(resampler.feed(frame))
        if resampler is not None:
            yield from blocks.push(resampler.drain())
        yield from blocks.finish()
        if blocks.n_pushed == 0:
            if decoder.n_packets or decoder.n_failures or declared_duration_s(container):
                raise CorruptAudio("the format was recognised but nothing in it could be decoded")
            raise EmptyAudio("the recording holds no samples")


def _best_stream(container: Any) -> Any:
    stream = container.streams.best("audio")
    if stream is None:
        raise NoAudioStream("the recording holds no audio stream")
    if stream.codec_context is None:
        raise UnsupportedFormat("no decoder for the codec of the audio stream")
    stream.codec_context.thread_count = 1
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    return stream


def _check_limits(frame: Any, max_channels: int) -> None:
    if frame.layout.nb_channels > max_channels:
        raise UnsupportedFormat(f"the recording has {frame.layout.nb_channels} channels, the limit is {max_channels}")


class _Decoder:
    """Iterates over the frames of one stream; what cannot be read or decoded is counted and skipped."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._container = container
        self._stream = stream
        self.n_packets = 0
        self.n_failures = 0
        self.start_s = float((container.start_time or 0) / av.time_base)

    def __iter__(self) -> Iterator[Any]:
        for packet in self._packets():
            yield from self._decode(packet)
        yield from self._decode(None)

    def _packets(self) -> Iterator[Any]:
        failed_reads = 0
        while failed_reads < MAX_FAILED_READS:
            try:
                for packet in self._container.demux(self._stream):
                    failed_reads = 0
                    if packet.size:  # the empty packet at the end flushes; `__iter__` does that, whatever the end
                        self.n_packets += 1
                        yield packet
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.n_failures += 1
                failed_reads += 1

    def _decode(self, packet: Any) -> list[Any]:
        try:
            return list(self._stream.codec_context.decode(packet))
        except av.error.FFmpegError:
            self.n_failures += 1
            return []


def _with_gaps(frames: Iterable[Any], start_s: float, declared_s: float | None) -> Iterator[tuple[float, Any]]:
    """Pair each frame with the seconds of silence that belong before it, ``start_s`` being the recording's start.

    A step of the timestamps is believed when the frame after it confirms it and when it is no longer than
    `MAX_BLIND_GAP_S` or ends within the declared duration. Other steps, and all steps back, move the clock instead.
    """
    clock_s = 0.0  # end of what was yielded
    origin_s: float | None = None  # timestamp of clock 0
    held: tuple[float, float, float, Any] | None = None  # gap, timestamp, length and frame that wait to be confirmed
    for frame in frames:
        if (stamp_s := frame.time) is not None and isnan(stamp_s):
            stamp_s = None  # a timestamp without its unit
        length_s = frame.samples / frame.sample_rate if frame.sample_rate else 0.0
        if held is not None:
            gap_s, held_s, held_length_s, held_frame = held
            held = None
            confirmed = stamp_s is not None and abs(stamp_s - held_s - held_length_s) < GAP_TOLERANCE_S
            gap_s = gap_s if confirmed else 0.0
            clock_s += gap_s + held_length_s
            yield gap_s, held_frame
        if stamp_s is not None:
            if origin_s is None:
                origin_s = min(start_s, stamp_s)
            gap_s = stamp_s - origin_s - clock_s
            believable = gap_s <= MAX_BLIND_GAP_S or (declared_s is not None and clock_s + gap_s <= declared_s)
            if gap_s > GAP_TOLERANCE_S and believable:
                held = gap_s, stamp_s, length_s, frame
                continue
            if abs(gap_s) > GAP_TOLERANCE_S:
                origin_s = stamp_s - clock_s
        clock_s += length_s
        yield 0.0, frame
    if held is not None:
        yield 0.0, held[3]
