"""Clips of voices that come with a request, and are known for its job only."""

from dataclasses import dataclass

MAX_REFERENCES = 4
MIN_CLIP_S, MAX_CLIP_S = 2.0, 10.0
MAX_CLIP_BYTES = 2 << 20  # 10 seconds in stereo at 48 kHz


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A name, and a clip of that voice in any format that recordings may have: base64."""

    name: str
    clip: str


@dataclass(frozen=True, kw_only=True)
class References:
    """The known voices of a job."""

    voices: tuple[Reference, ...]
