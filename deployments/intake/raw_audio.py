"""Samples without a container, as recorders send them: the content type declares what they are.

They get the shortest header that says the same, so that everything after sees a file like any other. ``audio/L16``
(RFC 2586), ``audio/PCMU`` and ``audio/PCMA`` (RFC 4856) and ``audio/basic`` (RFC 2046) are what the AU format was
made for; ``audio/pcm`` is little-endian and becomes WAV. Lengths are not known yet: both formats can say so.
"""

import struct

from deployments.sources.headers import disposition
from pipelines.audio.formats import MAX_CHANNELS
from pipelines.errors import InvalidRequest

MIN_RATE, MAX_RATE = 4_000, 192_000
_UNKNOWN = 0xFFFFFFFF
_AU_ENCODINGS = {"audio/l16": 3, "audio/pcmu": 1, "audio/pcma": 27, "audio/basic": 1}
_DEFAULT_RATES = {"audio/pcmu": 8_000, "audio/pcma": 8_000, "audio/basic": 8_000}


def header_for(content_type: str) -> bytes:
    """Return what to put before the samples; empty when the content type declares no raw samples.

    ``rate`` in Hz must be given but for the types whose rate is 8000 anyway; ``channels`` is 1 when left out. Raises
    `InvalidRequest`.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in _AU_ENCODINGS and media_type != "audio/pcm":
        return b""
    rate = _parameter(content_type, "rate", _DEFAULT_RATES.get(media_type), MIN_RATE, MAX_RATE)
    channels = _parameter(content_type, "channels", 1, 1, MAX_CHANNELS)
    if media_type == "audio/pcm":
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", _UNKNOWN, b"WAVE", b"fmt ", 16, 1, channels, rate, rate * channels * 2, channels * 2, 16),
            *(b"data", _UNKNOWN),
        )
    return struct.pack(">4sIIIII", b".snd", 24, _UNKNOWN, _AU_ENCODINGS[media_type], rate, channels)


def _parameter(content_type: str, name: str, default: int | None, least: int, most: int) -> int:
    text = disposition(content_type).get_param(name, header="content-disposition")
    if text is None and default is not None:
        return default
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
        raise InvalidRequest(f"The content type needs {name} from {least} to {most}, as in audio/L16; rate=8000.")
    return int(text)
