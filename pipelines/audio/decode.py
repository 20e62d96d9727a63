"""From the bytes of a recording to 16 kHz PCM, streaming, with memory that does not grow with its length.

The format is told from the content, never from a name, and only the containers in `pipelines.audio.formats` are tried:
FFmpeg would otherwise follow playlists (``ffconcat``, ``m3u8``, SDP) to other files and hosts. What is
damaged is skipped, its time kept where it can be known, and told (`pipelines.audio.clock.damage`). The format may
change on the way; what is narrower than the widest part fills the first channels of a "split".
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from av.stream import Discard

from pipelines.audio.clock.assembly import Assembly
from pipelines.audio.clock.damage import MAX_STRETCHES, DamageLog
from pipelines.audio.clock.demultiplexer import Demultiplexer, side_by_side
from pipelines.audio.clock.reader import PacketReader, PieceReader, n_errors
from pipelines.audio.clock.timeline import Gap, on_clock
from pipelines.audio.container import file_of, opened, opened_part
from pipelines.audio.containers.ogg_links import links_of
from pipelines.audio.containers.read_back import ReadBack
from pipelines.audio.durations import declared_duration_s, known_duration_s
from pipelines.audio.formats import MAX_CHANNELS
from pipelines.audio.pcm import Blocks, Pcm
from pipelines.audio.sound import SoundReport
from pipelines.audio.tracks import candidates, has_sound, list_tracks
from pipelines.core import SAMPLE_RATE, TrackState
from pipelines.errors import CorruptAudio, EmptyAudio, InputError, NoAudioStream, TooLong, UnsupportedFormat


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
    with file_of(source) as stream:
        file: Any = ReadBack(stream)
        errors_before = n_errors()
        with opened(file) as container:
            tracks = list_tracks(container)
            report.found(tracks)
            numbers = candidates(container, tracks, track)
            is_whole = container.format.name != "ogg" or len(numbers) > 1
            if is_whole and (track or len(numbers) == 1):
                yield from _decoded(container, numbers, wanted, report, file, errors_before)
                return
        if not is_whole:
            file.keeps = False
            yield from _decoded_links(file, numbers[0], wanted, report)
            return
        chosen = _first_with_sound(file, numbers, max_duration_s, report)
        errors_before = n_errors()
        with opened(file) as container:
            yield from _decoded(container, [chosen], wanted, report, file, errors_before)


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    channels: Literal["mix", "split"]
    block_s: float
    max_duration_s: float
    max_channels: int

    def assembly(self, n_tracks: int = 1) -> Assembly:
        """Make what puts one of so many tracks together."""
        return Assembly(
            channels=self.channels,
            blocks=Blocks(
                n_samples=max(1, round(self.block_s * SAMPLE_RATE)), limit=round(self.max_duration_s * SAMPLE_RATE)
            ),
            max_channels=self.max_channels,
            log=DamageLog(MAX_STRETCHES // n_tracks),
            grow=n_tracks == 1,
        )


def _first_with_sound(source: BinaryIO, numbers: Sequence[int], max_duration_s: float, report: SoundReport) -> int:
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


def _decoded(
    container: Any,
    numbers: Sequence[int],
    wanted: _Wanted,
    report: SoundReport,
    file: ReadBack,
    errors_before: int,
) -> Iterator[Pcm]:
    """Decode tracks of a container, several of them in one pass; ``errors_before`` is from before it was opened."""
    streams = _only(container, numbers)
    packets = PacketReader(container, streams)
    demultiplexer = Demultiplexer(iter(packets), streams)
    readers = [
        PieceReader(container, stream, demultiplexer.packets_of(stream), file, errors_before=errors_before)
        for stream in streams
    ]
    tracks = [wanted.assembly(n_tracks=len(streams)) for _ in streams]
    declared_s = declared_duration_s(container)
    parts = [_track(packets, *each, declared_s) for each in zip(readers, tracks, strict=True)]
    for block in parts[0] if len(parts) == 1 else side_by_side(parts):
        if len(block) > wanted.max_channels:
            raise UnsupportedFormat(f"the recording has {len(block)} channels, the limit is {wanted.max_channels}")
        yield block
    if not any(track.has_begun for track in tracks):
        if packets.n_failures or declared_s or any(reader.n_packets for reader in readers):
            raise CorruptAudio("the format was recognised but nothing in it could be decoded")
        raise EmptyAudio("the recording holds no samples")
    first = 0
    for number, reader, track in zip(numbers, readers, tracks, strict=True):
        if track.has_begun:
            report.heard(number, range(first, first + track.n_channels), track.remixes)
            first += track.n_channels
        else:
            report.passed_over(number, TrackState.UNDECODABLE if reader.n_packets else TrackState.SILENT)
    for number, track in zip(numbers, tracks, strict=True):
        if track.has_begun:
            report.lost(number, track.log, track.n_samples)


def _track(packets: PacketReader, reader: PieceReader, track: Assembly, reach_s: float | None) -> Iterator[Pcm]:
    """Yield the blocks of one track of a container."""
    pieces = on_clock(reader, start_s=reader.start_s, reach_s=reach_s, has_pauses=reader.has_pauses)
    yield from track.take(pieces)
    yield from track.end(reader.declared_s, lost=reader.lost_its_end)
    if packets.gave_up and reader.declared_s is None:
        track.lose(reader.rest_s())
    yield from track.finish()


def _decoded_links(file: BinaryIO, number: int, wanted: _Wanted, report: SoundReport) -> Iterator[Pcm]:
    """Decode a track of an Ogg file, one link of a chain after the other.

    A link that cannot be read counts as time at the rate of the bytes of those before.
    """
    track = wanted.assembly()
    n_bytes = n_packets = 0
    failure: InputError | None = None
    for link in links_of(file):
        errors_before = n_errors()
        try:
            with opened_part(link) as container:
                (best, *_) = candidates(container, list_tracks(container), None)
                streams = _only(container, [min(number, len(container.streams.audio)) if link.is_first else best])
                packets = PacketReader(container, streams)
                reader = PieceReader(container, streams[0], iter(packets), None, errors_before=errors_before)
                reach_s = link.last_s(streams[0])
                yield from track.take(
                    on_clock(reader, start_s=reader.start_s, reach_s=reach_s, has_pauses=reader.has_pauses)
                )
                n_packets += reader.n_packets
            n_bytes += link.n_bytes
        except (CorruptAudio, NoAudioStream) as error:
            failure = error
            link.read_out()
            length_s = link.n_bytes * track.n_samples / SAMPLE_RATE / n_bytes if n_bytes else 0.0
            yield from track.take([Gap(length_s=length_s, lost=True)])
    yield from track.finish()
    if not track.has_begun:
        if failure is not None or n_packets:
            raise failure or CorruptAudio("the format was recognised but nothing in it could be decoded")
        raise EmptyAudio("the recording holds no samples")
    report.heard(number, range(track.n_channels), track.remixes)
    report.lost(number, track.log, track.n_samples)


def _only(container: Any, numbers: Sequence[int]) -> list[Any]:
    """Return the streams of some tracks; no others are read."""
    streams = [container.streams.audio[number - 1] for number in numbers]
    for stream in container.streams:
        if stream.index not in {heard.index for heard in streams}:
            stream.discard = Discard.all
    return streams
