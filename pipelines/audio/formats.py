"""What recordings may be, and what their playback copies are: for modules that neither decode nor encode.

A container is accepted where FFmpeg reads it without opening another file, where `scripts/make-samples --zoo` can write
one, so that it is decoded and fuzzed like all others, and where recorders, telephones, cameras or editors write it:
each demuxer is code that reads hostile bytes. Playlists and scripts (``ffconcat``, ``m3u8``, SDP, DASH) never are.
"""

from dataclasses import dataclass
from typing import Literal

MAX_CHANNELS = 16
PLAYBACK_MEDIA_TYPE = "audio/webm"
PLAYBACK_SUFFIX = ".webm"
PLAYBACK_CHANNELS = 2  # more are mixed into one: browsers do not tell them apart

MaskSound = Literal["mute", "beep"]
"""What is heard of masked words."""


@dataclass(frozen=True)
class Container:
    """A container: its name for people, and FFmpeg's names of its demuxers."""

    name: str
    demuxers: tuple[str, ...]


CONTAINERS = (
    Container("WAV", ("wav",)),
    Container("Wave64", ("w64",)),
    Container("AIFF", ("aiff",)),
    Container("AU", ("au",)),
    Container("CAF", ("caf",)),
    Container("MP3", ("mp3",)),
    Container("AAC", ("aac", "loas")),
    Container("MP4/MOV/3GP", ("mov", "mp4", "m4a", "3gp", "3g2", "mj2")),
    Container("Matroska/WebM", ("matroska", "webm")),
    Container("Ogg", ("ogg",)),
    Container("FLAC", ("flac",)),
    Container("WMA/WMV", ("asf",)),
    Container("AVI", ("avi",)),
    Container("MPEG-TS", ("mpegts",)),
    Container("MPEG-PS", ("mpeg",)),
    Container("FLV", ("flv",)),
    Container("MXF", ("mxf",)),
    Container("DV", ("dv",)),
    Container("AMR", ("amr",)),
    Container("GSM", ("gsm",)),
    Container("AC-3", ("ac3", "eac3")),
    Container("DTS", ("dts",)),
    Container("WavPack", ("wv",)),
    Container("True Audio", ("tta",)),
    Container("VOC", ("voc",)),
    Container("NIST SPHERE", ("nistsphere",)),
    Container("IRCAM", ("ircam",)),
    Container("SoX", ("sox",)),
    Container("RealMedia", ("rm",)),
)
"""Every container that is tried, nothing else."""

DEMUXERS = tuple(demuxer for container in CONTAINERS for demuxer in container.demuxers)
ACCEPTED = f"{', '.join(container.name for container in CONTAINERS[:-1])} and {CONTAINERS[-1].name}"
"""The accepted containers, in words."""
