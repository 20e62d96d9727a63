"""From the bytes of a recording to 16 kHz PCM, streaming, with memory that does not grow with its length.

The format is told from the content, never from a name, and only the containers in `pipelines.audio.formats` are tried:
FFmpeg would otherwise follow playlists (``ffconcat``, ``m3u8``, SDP) to other files and hosts. Damage in the middle of
a recording is skipped, lost packets become silence where the timestamps say so, and a truncated end is simply the end.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, BinaryIO, Literal

import av
from av.stream import Discard

from pipelines.audio.container import opened
from pipelines.audio.demultiplexer import Demultiplexer, side_by_side, silent_frame
from pipelines.audio.durations import declared_duration_s, known_duration_s
from pipelines.audio.formats import MAX_CHANNELS
from pipelines.audio.mixing import Mixer, Remix
from pipelines.audio.pcm import Blocks, Pcm, Resampler
from pipelines.audio.sound import SoundReport
from pipelines.audio.tracks import candidates, has_sound, list_tracks
from pipelines.core import SAMPLE_RATE, TrackState
from pipelines.errors import CorruptAudio, EmptyAudio, TooLong, UnsupportedFormat

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
        (best, *_) = candidates(container, list_tracks(container), None)
        (stream,) = _only(container, [best])
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
    track: str | None = None,
    block_s: float = 10.0,
    max_duration_s: float,
    max_channels: int = MAX_CHANNELS,
    report: SoundReport | None = None,
) -> Iterator[Pcm]:
    """Yield the recording as int16 arrays of shape ``[n_channels, n_samples]`` at `SAMPLE_RATE`.

    Every block but the last holds ``block_s`` seconds. "mix" gives one channel, "split" as many as the recording
    has. ``source`` is a path or a seekable binary stream. ``track`` is the number of a sound track, or "all": each
    becomes a channel, with "split" each of its channels, on the clock of the recording. Without it the best track is
    taken that can be decoded and holds sound. ``report`` learns what there was and what became of it.

    Errors are raised while iterating: those of `probe`, `NoAudioStream` for a track that is not there,
    `UnsupportedFormat` also for more than ``max_channels`` channels or an absurd sample rate, `EmptyAudio` without one
    sample, `CorruptAudio` when nothing decodes, and `TooLong` once more than ``max_duration_s`` seconds came out,
    whatever the header declares.
    """
    report = report or SoundReport()
    wanted = _Wanted(channels=channels, block_s=block_s, max_duration_s=max_duration_s, max_channels=max_channels)
    with opened(source) as container:
        tracks = list_tracks(container)
        report.found(tracks)
        numbers = candidates(container, tracks, track)
        if track or len(numbers) == 1:
            yield from _decoded(container, numbers, wanted, report)
            return
    chosen = _first_with_sound(source, numbers, max_duration_s, report)
    with opened(source) as container:
        yield from _decoded(container, [chosen], wanted, report)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    channels: Literal["mix", "split"]
    block_s: float
    max_duration_s: float
    max_channels: int


def _first_with_sound(
    source: BinaryIO | Path, numbers: Sequence[int], max_duration_s: float, report: SoundReport
) -> int:
    """Return the first track that decodes and holds sound, else the first; the others are told to be passed over."""
    silent: list[int] = []
    for number in numbers:
        blocks = decode_audio(source, channels="split", track=str(number), max_duration_s=max_duration_s)
        try:
            if has_sound(blocks):
                break
            silent.append(number)
        except (EmptyAudio, TooLong):
            silent.append(number)
        except (CorruptAudio, UnsupportedFormat):
            report.passed_over(number, TrackState.UNDECODABLE)
    else:
        return silent[0] if silent else numbers[0]
    for other in silent:
        report.passed_over(other, TrackState.SILENT)
    return number


def _decoded(container: Any, numbers: Sequence[int], wanted: _Wanted, report: SoundReport) -> Iterator[Pcm]:
    """Decode tracks of a container, several of them in one pass."""
    streams = _only(container, numbers)
    reader = _Reader(container, streams)
    demultiplexer = Demultiplexer(iter(reader), streams)
    tracks = [_Track(container, stream, demultiplexer.packets_of(stream), wanted) for stream in streams]
    blocks = iter(tracks[0]) if len(tracks) == 1 else side_by_side([iter(track) for track in tracks])
    for block in blocks:
        if len(block) > wanted.max_channels:
            raise UnsupportedFormat(f"the recording has {len(block)} channels, the limit is {wanted.max_channels}")
        yield block
    if not any(track.n_samples for track in tracks):
        if reader.n_failures or any(track.has_packets for track in tracks) or declared_duration_s(container):
            raise CorruptAudio("the format was recognised but nothing in it could be decoded")
        raise EmptyAudio("the recording holds no samples")
    first = 0
    for number, track in zip(numbers, tracks, strict=True):
        if track.n_samples:
            report.heard(number, range(first, first + track.n_channels), track.remixes)
            first += track.n_channels
        else:
            report.passed_over(number, TrackState.UNDECODABLE if track.has_packets else TrackState.SILENT)


def _only(container: Any, numbers: Sequence[int]) -> list[Any]:
    """Return the streams of some tracks; no others are read."""
    streams = [container.streams.audio[number - 1] for number in numbers]
    for stream in container.streams:
        if stream.index not in {heard.index for heard in streams}:
            stream.discard = Discard.all
    return streams


class _Track:
    """Decodes one sound track to blocks, on the clock of its container."""

    def __init__(self, container: Any, stream: Any, packets: Iterator[Any], wanted: _Wanted) -> None:
        stream.codec_context.thread_count = 1
        self._decoder = _Decoder(container, stream, packets)
        self._declared_s = declared_duration_s(container)
        self._wanted = wanted
        self._blocks = Blocks(
            n_samples=max(1, round(wanted.block_s * SAMPLE_RATE)), limit=round(wanted.max_duration_s * SAMPLE_RATE)
        )
        self._mixer = Mixer(clock=lambda: self._blocks.n_pushed)
        self.n_channels = 0

    @property
    def n_samples(self) -> int:
        return self._blocks.n_pushed

    @property
    def has_packets(self) -> bool:
        return self._decoder.n_packets > 0

    @property
    def remixes(self) -> tuple[Remix, ...]:
        return self._mixer.stretches

    def __iter__(self) -> Iterator[Pcm]:
        resampler: Resampler | None = None
        blocks = self._blocks
        for gap_s, frame in _with_gaps(self._decoder, self._decoder.start_s, self._declared_s):
            if resampler is None or gap_s or not resampler.accepts(frame):
                if resampler is not None:
                    yield from blocks.push(resampler.drain())
                if not self.n_channels:
                    _check_limits(frame, self._wanted.max_channels)
                    self.n_channels = 1 if self._wanted.channels == "mix" else frame.layout.nb_channels
                resampler = Resampler(frame, self.n_channels, self._mixer)
                yield from blocks.push_silence(self.n_channels, round(gap_s * SAMPLE_RATE))
            yield from blocks.push(resampler.feed(frame))
        if resampler is not None:
            yield from blocks.push(resampler.drain())
        yield from blocks.finish()


def _check_limits(frame: Any, max_channels: int) -> None:
    if frame.layout.nb_channels > max_channels:
        raise UnsupportedFormat(f"the recording has {frame.layout.nb_channels} channels, the limit is {max_channels}")


class _Reader:
    """Iterates over the packets of some streams; what cannot be read is counted and skipped."""

    def __init__(self, container: Any, streams: Sequence[Any]) -> None:
        self._container = container
        self._streams = streams
        self.n_failures = 0

    def __iter__(self) -> Iterator[Any]:
        failed_reads = 0
        while failed_reads < MAX_FAILED_READS:
            try:
                for packet in self._container.demux(self._streams):
                    failed_reads = 0
                    if packet.size:  # the empty packet at the end flushes; `_Decoder` does that, whatever the end
                        yield packet
                return
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.n_failures += 1
                failed_reads += 1


class _Decoder:
    """Iterates over the frames of one stream; what cannot be decoded is counted and skipped."""

    def __init__(self, container: Any, stream: Any, packets: Iterator[Any]) -> None:
        """Take ``packets`` as `Demultiplexer.packets_of` yields them."""
        self._stream = stream
        self._packets = packets
        self._last: Any = stream.codec_context  # or a frame, of the kind that comes next
        self.n_packets = 0
        self.n_failures = 0
        self.start_s = float((container.start_time or 0) / av.time_base)
        self._end_s = self.start_s

    def __iter__(self) -> Iterator[Any]:
        for packet in self._packets:
            if packet is None:
                yield self._noted(silent_frame(self._last, self._end_s))
            else:
                self.n_packets += 1
                yield from map(self._noted, self._decode(packet))
        yield from self._decode(None)

    def _noted(self, frame: Any) -> Any:
        """Remember the kind of a frame and where it ends."""
        self._last = frame
        length_s = frame.samples / frame.sample_rate if frame.sample_rate else 0.0
        self._end_s = (self._end_s if frame.time is None else frame.time) + length_s
        return frame

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
