"""What the decoder's process and its caller say to each other, over one socket for each recording.

The process is not trusted once it has seen a recording: nothing it sends is unpickled, every length is checked.

    process → caller                                    caller → process
    R  offset, length    wants bytes of the recording   length, bytes
    B  channels, samples, int16 little-endian           nothing
    E  length of the reason, of the text, both          nothing
    S  length, what was heard as JSON                   nothing
    D  the recording came to its end                    nothing
    H  whether the header says how long it is, µs       nothing
"""

import json
import struct
from dataclasses import dataclass
from typing import Literal

from pipelines.errors import CorruptAudio, EmptyAudio, InputError, NoAudioStream, TooLong, UnsupportedFormat

MESSAGE = struct.Struct("<cQQ")
LENGTH = struct.Struct("<Q")
READ, BLOCK, ERROR, SOUND, DONE, HEADER = b"R", b"B", b"E", b"S", b"D", b"H"

MAX_READ_BYTES = 16 << 20
MAX_BLOCK_CHANNELS = 64
MAX_TEXT_BYTES = 4096
MAX_SOUND_BYTES = 1 << 20  # 64 tracks with names, and all their stretches

ERRORS: dict[str, type[InputError]] = {
    str(kind.reason): kind for kind in (UnsupportedFormat, NoAudioStream, EmptyAudio, CorruptAudio, TooLong)
}


@dataclass(frozen=True, kw_only=True)
class DecodeOrder:
    """What to decode, and what the process may use for it; ``header_only`` asks how long the recording says it is."""

    n_bytes: int
    channels: Literal["mix", "split"]
    track: str | None
    block_s: float
    max_duration_s: float
    max_channels: int
    cpu_s: int
    memory_bytes: int
    header_only: bool = False

    def encoded(self) -> bytes:
        """Return the order as it is sent."""
        return json.dumps(vars(self)).encode()

    @classmethod
    def decoded(cls, data: bytes) -> "DecodeOrder":
        """Return the order as it was made."""
        return cls(**json.loads(data))
