"""Samples without a container, as recorders send them: the content type declares what they are.

They get the shortest header that says the same, so that everything after sees a file like any other. ``audio/L16``
(RFC 2586), ``audio/PCMU`` and ``audio/PCMA`` (RFC 4856) and ``audio/basic`` (RFC 2046) are what the AU format was
made for; ``audio/pcm`` is little-endian and becomes WAV, as does ``audio/G722`` (RFC 3551). Lengths are not known yet:
both formats can say so.
"""

import struct

from deployments.sources.headers import disposition
from pipelines.audio.formats import MAX_CHANNELS
from pipelines.errors import InvalidRequest

MIN_RATE, MAX_RATE = 4_000, 192_000
_UNKNOWN = 0xFFFFFFFF
_AU_ENCODINGS = {"audio/l16": 3, "audio/pcmu": 1, "audio/pcma": 27, "audio/basic": 1}
_DEFAULT_RATES = {"audio/pcmu": 8_000, "audio/pcma": 8_000, "audio/basic": 8_000}
_WAVE_PCM, _WAVE_G722 = 1, 0x028F
_G722_RATE = 16_000  # RTP calls it 8000, by a mistake that became the standard
_NAMED = {
    ".g722": "audio/G722",
    ".ulaw": "audio/PCMU",
    ".alaw": "audio/PCMA",
    ".sln": "audio/pcm; rate=8000",
    ".sln16": "audio/pcm; rate=16000",
}
"""Asterisk's names of files without a header, each of which stands for one encoding."""


def declares_samples(content_type: str) -> bool:
    """Say whether a content type declares samples without a container."""
    media_type = _media_type(content_type)
    return media_type in _AU_ENCODINGS or media_type in ("audio/pcm", "audio/g722")


def declared_by_name(filename: str) -> str:
    """Return the content type that a file's name stands for where its content says nothing; "" for most names."""
    lowered = filename.lower()
    return next((content_type for suffix, content_type in _NAMED.items() if lowered.endswith(suffix)), "")


def header_for(content_type: str) -> bytes:
    """Return what to put before the samples; empty when the content type declares no raw samples.

    ``rate`` in Hz must be given but for the types whose rate is fixed; ``channels`` is 1 when left out. Raises
    `InvalidRequest`.
    """
    if not declares_samples(content_type):
        return b""
    media_type = _media_type(content_type)
    if media_type == "audio/g722":
        return _wav_header(_WAVE_G722, _G722_RATE, channels=1, bits=4)
    rate = _parameter(content_type, "rate", _DEFAULT_RATES.get(media_type), MIN_RATE, MAX_RATE)
    channels = _parameter(content_type, "channels", 1, 1, MAX_CHANNELS)
    if media_type == "audio/pcm":
        return _wav_header(_WAVE_PCM, rate, channels, bits=16)
    return struct.pack(">4sIIIII", b".snd", 24, _UNKNOWN, _AU_ENCODINGS[media_type], rate, channels)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _wav_header(encoding: int, rate: int, channels: int, bits: int) -> bytes:
    bytes_s = rate * channels * bits // 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _UNKNOWN, b"WAVE", b"fmt ", 16, encoding, channels, rate, bytes_s, max(1, channels * bits // 8)),
        *(bits, b"data", _UNKNOWN),
    )


def _parameter(content_type: str, name: str, default: int | None, least: int, most: int) -> int:
    text = disposition(content_type).get_param(name, header="content-disposition")
    if text is None and default is not None:
        return default
    if not (isinstance(text, str) and text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
        raise InvalidRequest(f"The content type needs {name} from {least} to {most}, as in audio/L16; rate=8000.")
    return int(text)
