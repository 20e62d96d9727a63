"""`PieceReader`: turns the packets of a track into pieces of time: frames, pauses that were not sent, what was lost.

What cannot be read or decoded is skipped, and its time kept where it can be known:

- in containers with time stamps the step of the stamps says it (`pipelines.audio.clock.timeline`);
- where frames follow one another without stamps, bytes in which there is none count as time at the rate of the bytes
  around them, unless they are tags;
- of an MP3 file whose Xing header knows its length, what was cut out is put where the frames do not fit together.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import av
import av.logging

from pipelines.audio.clock.demultiplexer import silent_frame
from pipelines.audio.clock.timeline import GAP_TOLERANCE_S, MAX_BLIND_GAP_S, Piece
from pipelines.audio.containers import amr
from pipelines.audio.containers.declared import declared_s, is_cut_short
from pipelines.audio.containers.mpeg_audio import cut_out_share, xing_header
from pipelines.audio.containers.read_back import ReadBack
from pipelines.audio.containers.tags import TagSkipper

MAX_FAILED_READS = 100  # consecutive failures after which the rest of a container counts as lost
UNSTAMPED = frozenset({"aac", "ac3", "amr", "amrnb", "amrwb", "dts", "eac3", "gsm", "loas", "mp3"})
"""FFmpeg's names of containers that are nothing but frames: their stamps count these, at the rate of the first."""
WITHOUT_PAUSES = frozenset(
    {"aiff", "au", "caf", "flac", "ircam", "mp3", "nistsphere", "ogg", "tta", "voc", "w64", "wav", "wv"}
)
"""Those in which all time is sound: what is missing was lost."""
READ_AHEAD_S = 10.0
"""Sound that FFmpeg may have read while it opened a file, and errors with it: it stops at half as much, or earlier."""

_MAX_MATCHED_BYTES = 64  # of a packet when it is looked for in its file: more than any header
_MAX_BETWEEN_BYTES = 512  # of Matroska between two blocks of its only track; noise may look like an element to skip
_MAX_CONCEALED = 4  # bad AMR frames in a row of which a decoder makes something

_logging: Any = av.logging  # `get_last_error` is missing in its stubs
_logging.set_level(av.logging.PANIC)  # errors are counted whatever the level; nothing is printed


def n_errors() -> int:
    """Return how many errors FFmpeg has reported in this process."""
    count: int = _logging.get_last_error()[0]
    return count


class PacketReader:
    """Iterates over the packets of some streams; what cannot be read is counted and skipped.

    ``gave_up``: a demuxer that only fails was left, and with it the rest of the file.
    """

    def __init__(self, container: Any, streams: Sequence[Any]) -> None:
        self._container = container
        self._streams = streams
        self.n_failures = 0
        self.gave_up = False

    def __iter__(self) -> Iterator[Any]:
        failed_reads = 0
        while failed_reads < MAX_FAILED_READS:
            try:
                for packet in self._container.demux(self._streams):
                    failed_reads = 0
                    if packet.size:  # the empty packet at the end flushes; `PieceReader` does that, whatever the end
                        yield packet
                return
            except av.error.EOFError:
                return
            except IndexError:  # PyAV stumbles over streams that appear on the way, as in MPEG-TS; a new round does not
                failed_reads += 1
            except av.error.FFmpegError:
                self.n_failures += 1
                failed_reads += 1
        self.gave_up = True


class PieceReader:
    """Iterates over the pieces of one stream; ``declared_s`` is known once the first was read."""

    def __init__(
        self, container: Any, stream: Any, packets: Iterator[Any], file: ReadBack | None, *, errors_before: int
    ) -> None:
        """Take ``packets`` as `Demultiplexer.packets_of` yields them, and the ``file`` if it can be sought in.

        Its position is left as it was. ``errors_before`` is `n_errors` before the container was opened.
        """
        stream.codec_context.thread_count = 1
        self._decode = stream.codec_context.decode
        self._container = container
        self._stream = stream
        self._packets = packets
        self._file = file
        self._name = container.format.name.partition(",")[0]
        self._codec = stream.codec.canonical_name.replace("_", "")
        self._is_stamped = self._name not in UNSTAMPED
        self._is_opened_in_trouble = n_errors() != errors_before
        self._last: Any = stream.codec_context  # or a frame, of the kind that comes next
        self._skipper = TagSkipper()
        self._next_at: int | None = None  # where the next frame should lie in the file
        self._read_to = 0
        self._leapt = False  # over bytes that hold more than the frame of the next packet
        self._is_alone = self._name == "matroska" and len(container.streams) == 1
        self._n_bytes = 0  # of the packets that were decoded, and their time
        self._seconds = 0.0
        self._cut_out_s = 0.0
        self._n_concealed = 0
        self._seen_errors = 0
        self.n_packets = 0
        self.n_failures = 0
        self.declared_s: float | None = None
        self.start_s = float((container.start_time or 0) / av.time_base)
        if self._is_opened_in_trouble and self.start_s < MAX_BLIND_GAP_S:
            self.start_s = min(0.0, self.start_s)  # what came before the first frame is rather lost than never there
        self._end_s = self.start_s
        is_wma = self._name == "asf" and len(container.streams) == 1  # it is read over damage without a word
        self.has_pauses = self._name not in WITHOUT_PAUSES and not is_wma
        self._is_cut_short = False
        self._is_in_trouble = False  # errors were reported since the last frame

    @property
    def lost_its_end(self) -> bool:
        """Whether what its header declares beyond the last frame was lost; else it was a pause."""
        return self._is_in_trouble or self._is_cut_short or not self.has_pauses

    def rest_s(self) -> float:
        """Return the time of the bytes behind the last packet, at the rate of those before."""
        if self._file is None:
            return 0.0
        return self._time_of(max(0, self._file.seek(0, os.SEEK_END) - self._read_to))

    def __iter__(self) -> Iterator[Piece]:
        self._seen_errors = n_errors()
        is_amr = self._codec in amr.CODECS
        for packet in self._packets:
            if packet is None:
                yield self._frame(silent_frame(self._last, self._end_s), troubled=False)
                continue
            if not self.n_packets and self._file is not None:
                self._look_around(packet, self._file)
            self.n_packets += 1
            at, n_bytes = packet.pos or 0, packet.size
            self._leapt = self._is_alone and bool(self._read_to) and at - self._read_to > _MAX_BETWEEN_BYTES
            self._read_to = max(self._read_to, at + n_bytes)
            if self._file is not None and self._file.keeps:
                yield from self._passed_over(packet, self._file)
            if is_amr:
                yield from self._amr_pieces(packet)
            else:
                yield from self._pieces(packet, n_bytes)
        yield from self._pieces(None, 0)

    def _look_around(self, first: Any, file: ReadBack) -> None:
        """Find out what the container says beside its packets."""
        if self._name in UNSTAMPED - {"mp3"}:
            file.keeps = self._name == "aac"
            return
        file.keeps = False
        back_to = file.tell()
        source: Any = file
        self.declared_s = declared_s(self._container, self._stream, source, first.pos)
        self._is_cut_short = is_cut_short(self._container, source)
        if self._name == "mp3" and self.declared_s and first.pos is not None:
            file.seek(0)
            xing = xing_header(file.read(first.pos))
            if xing and xing.n_bytes:
                self._cut_out_s = cut_out_share(source, xing) * self.declared_s
        file.seek(back_to)

    def _passed_over(self, packet: Any, file: ReadBack) -> Iterator[Piece]:
        """Yield what was lost in the bytes between the packet before and this one, which a parser left out."""
        expected = self._next_at
        at = file.at(bytes(packet)[:_MAX_MATCHED_BYTES], expected or 0)
        self._next_at = None if at is None else at + packet.size
        if expected is None or at is None or at == expected:
            return
        length_s = self._time_of(self._skipper.count(file.between(expected, at)))
        if length_s > GAP_TOLERANCE_S:
            yield Piece(length_s=length_s, lost=True)

    def _amr_pieces(self, packet: Any) -> Iterator[Piece]:
        """Decode the speech of a packet, frame by frame; the other frames are time."""
        stamp_s = _stamp_of(packet) if self._is_stamped else None
        frames = list(amr.frames_of(self._codec, bytes(packet)))
        for number, (kind, data) in enumerate(frames):
            at_s = None if stamp_s is None else stamp_s + number * amr.FRAME_S
            self._n_concealed = self._n_concealed + 1 if kind is amr.Kind.BAD else 0
            is_lost = kind is amr.Kind.LOST or self._n_concealed > _MAX_CONCEALED
            if is_lost or kind is amr.Kind.PAUSE:
                yield Piece(length_s=amr.FRAME_S, stamp_s=at_s, lost=is_lost)
                continue
            part = packet
            if len(frames) > 1:
                part = av.Packet(data)
                part.time_base = packet.time_base
                part.pts = None if at_s is None else round(at_s / packet.time_base)
                part.duration = round(amr.FRAME_S / packet.time_base)
            yield from self._pieces(part, 0)

    def _pieces(self, packet: Any, n_bytes: int) -> Iterator[Piece]:
        """Decode a packet of ``n_bytes``, or what the decoder still holds; what gives no frame is time lost."""
        before = n_errors()
        troubled = before != self._seen_errors or (packet is not None and (packet.is_corrupt or self._leapt))
        self._seen_errors = before
        try:
            frames = self._decode(packet)
        except av.error.FFmpegError:
            self.n_failures += 1
            self._seen_errors = n_errors()
            self._is_in_trouble = True
            yield Piece(length_s=self._lost_s(packet, n_bytes), stamp_s=self._stamp(packet), lost=True)
            return
        if frames:
            self._skipper.found_frame()
        elif packet is not None and n_bytes and not self._is_stamped:
            self._skipper.count(bytes(packet))
        elif n_errors() != before:  # some decoders report what they cannot decode, and go on
            troubled = True
        self._is_in_trouble = troubled if packet is None or not frames else False
        for frame in frames:
            yield self._frame(frame, troubled=troubled)
            troubled = False
            self._seen_errors = n_errors()
        self._n_bytes += n_bytes if frames else 0
        if troubled:
            yield Piece(length_s=0.0, troubled=True)

    def _frame(self, frame: Any, *, troubled: bool) -> Piece:
        """Make a frame a piece; remember its kind and where it ends."""
        self._last = frame
        rate, at_s = frame.sample_rate, frame.time
        length_s = frame.samples / rate if rate else 0.0
        self._seconds += length_s
        self._end_s = (self._end_s if at_s is None else at_s) + length_s
        return Piece(
            length_s=length_s,
            stamp_s=at_s if self._is_stamped else None,
            frame=frame,
            troubled=troubled or (self._is_opened_in_trouble and self._seconds < READ_AHEAD_S),
        )

    def _stamp(self, packet: Any) -> float | None:
        return _stamp_of(packet) if packet is not None and self._is_stamped else None

    def _lost_s(self, packet: Any, n_bytes: int) -> float:
        """Return the time of a packet that does not decode."""
        if packet is None:
            return 0.0
        if self._is_stamped or not n_bytes:
            if packet.pts is None and self._is_stamped:
                return 0.0  # no packet at all, but bytes between two
            return float(packet.duration * packet.time_base) if packet.duration else 0.0
        cut_out_s, self._cut_out_s = self._cut_out_s, 0.0
        return cut_out_s + self._time_of(self._skipper.count(bytes(packet)))

    def _time_of(self, n_bytes: int) -> float:
        return n_bytes * self._seconds / self._n_bytes if self._n_bytes else 0.0


def _stamp_of(packet: Any) -> float | None:
    return None if packet.pts is None else float(packet.pts * packet.time_base)
