"""How long a container says its sound is, where it knows: a fact of the file, never FFmpeg's guess from a bit rate.

An unfinished recording declares nothing, or all of a 32-bit size; neither is a length.
"""

import os
import re
from typing import Any, BinaryIO

from pipelines.audio.containers.mpeg_audio import xing_header

_MOV = "mov"
_MATROSKA = "matroska"
_HEAD_BYTES = 1 << 16  # what is looked at before the first frame
_MAX_SIZE = 0x7FFF_0000  # recorders that cannot go back write a size near 2³¹ or 2³²
_MAX_SIZE_64 = 1 << 62  # in Wave64 one near 2⁶³
_RF64_SIZE_AT = 28  # of the data, in the ``ds64`` chunk that comes first (EBU Tech 3306)
_ASF_PROPERTIES = bytes.fromhex("A1DCAB8C47A9CF118EE400C00C205365")
_SAMPLE = re.compile(r"pcm_(?:[suf](\d+)(?:le|be)?|mulaw|alaw)")
"""Codecs whose samples take equally many bits. Of others headers often tell a wrong rate of bytes (ADPCM)."""
_CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def declared_s(container: Any, stream: Any, source: BinaryIO, first_at: int | None) -> float | None:
    """Return the length of an opened recording's audio in seconds, None where the container does not know it.

    ``first_at`` is where in ``source`` the first packet lies. Moves the position of ``source``.
    """
    name = container.format.name.partition(",")[0]
    if name in (_MOV, "aiff"):
        return _seconds(stream.duration, stream)
    if name == _MATROSKA:
        return _matroska(container, stream)
    if name == "flac":
        return _seconds(stream.duration, stream) if _counts_samples(stream.codec_context.extradata) else None
    if name == "caf":
        n_frames = stream.frames if stream.codec.canonical_name.startswith("pcm") else 0
        rate = stream.codec_context.sample_rate
        return _longest(n_frames / rate if rate else None, _seconds(stream.duration, stream))
    if first_at is None:
        return None
    source.seek(max(0, first_at - _HEAD_BYTES))
    head = source.read(min(first_at, _HEAD_BYTES))
    if name == "mp3":
        xing = xing_header(head)
        return xing.seconds if xing else None
    if name == "asf":
        return _asf(head)
    codec, rate = stream.codec_context, stream.codec_context.sample_rate
    sample = _SAMPLE.fullmatch(stream.codec.canonical_name)
    if not rate or not codec.channels:  # FFmpeg takes a number of channels that it does not believe for none
        return None
    if sample:
        return _data_bytes(name, head) * 8 / (int(sample[1] or 8) * codec.channels * rate) or None
    n_samples = _counted_samples(head) if name == "wav" and _data_bytes(name, head) else 0
    return n_samples / rate or None


def tagged_s(stream: Any) -> float | None:
    """Return the length of a track by the tag that Matroska's writers give it, in hours, minutes and seconds."""
    clock = _CLOCK.match(stream.metadata.get("DURATION", ""))
    if clock is None:
        return None
    hours, minutes, seconds = clock.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def is_cut_short(container: Any, source: BinaryIO) -> bool:
    """Say whether a file that tells its size is shorter; moves the position of ``source``.

    Of other containers that leave pauses out FFmpeg reports the missing end by itself.
    """
    if container.format.name != "asf":
        return False
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    at = head.find(_ASF_PROPERTIES)
    return at >= 0 and int.from_bytes(head[at + 40 : at + 48], "little") > source.seek(0, os.SEEK_END)


def _seconds(duration: int | None, stream: Any) -> float | None:
    return float(duration * stream.time_base) if duration and duration > 0 else None


def _longest(*lengths_s: float | None) -> float | None:
    return max((length_s for length_s in lengths_s if length_s), default=None)


def _counts_samples(stream_info: bytes | None) -> bool:
    """Say whether FLAC's STREAMINFO has the number of samples: 36 bits from bit 108 on; 0 is unknown."""
    return bool(stream_info and len(stream_info) >= 18 and int.from_bytes(stream_info[13:18]) & 0xF_FFFF_FFFF)


def _matroska(container: Any, stream: Any) -> float | None:
    """Return the length of the track by its tag, or the file's where nothing else is in it."""
    by_tag_s = tagged_s(stream)
    if by_tag_s is not None:
        return by_tag_s or None
    if len(container.streams) > 1 or not container.duration:
        return None
    return float(container.duration / 1_000_000)


def _data_bytes(name: str, head: bytes) -> int:
    """Return how many bytes of samples follow the header, 0 where it does not say."""
    if name == "wav" and head[-8:-4] == b"data":
        size = int.from_bytes(head[-4:], "little")
        if head.startswith((b"RF64", b"BW64")) and head[12:16] == b"ds64":
            return int.from_bytes(head[_RF64_SIZE_AT : _RF64_SIZE_AT + 8], "little")
        return size if size < _MAX_SIZE else 0
    if name == "w64" and head[-24:-20] == b"data":
        size = int.from_bytes(head[-8:], "little")
        return size - 24 if 24 < size < _MAX_SIZE_64 else 0
    if name == "au" and head.startswith(b".snd"):
        size = int.from_bytes(head[8:12])
        return size if size < _MAX_SIZE else 0
    return 0


def _counted_samples(head: bytes) -> int:
    """Return the samples of each channel by the ``fact`` chunk of a WAV file, 0 where it has none."""
    at = 12
    while at + 8 <= len(head):
        kind, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if kind == b"fact":
            return int.from_bytes(head[at + 8 : at + 12], "little")
        at += 8 + size + size % 2
    return 0


def _asf(head: bytes) -> float | None:
    """Return the play duration of the file properties object less what players buffer first; None for a broadcast."""
    at = head.find(_ASF_PROPERTIES)
    if at < 0 or len(head) < at + 92 or head[at + 88] & 1:
        return None
    play = int.from_bytes(head[at + 64 : at + 72], "little") / 1e7
    preroll = int.from_bytes(head[at + 80 : at + 88], "little") / 1e3
    return play - preroll if play > preroll else None
