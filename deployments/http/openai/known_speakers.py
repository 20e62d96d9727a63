"""``known_speaker_names[]`` and ``known_speaker_references[]``: voices that a request brings along as data URLs."""

import base64
import binascii
import io
import re
import wave
from collections.abc import Sequence

from pipelines.audio.first_bytes import check_accepted, kind_of
from pipelines.errors import UnsupportedFormat, refused_option
from pipelines.speakers.references import (
    MAX_CLIP_BYTES,
    MAX_CLIP_S,
    MAX_REFERENCES,
    MIN_CLIP_S,
    Reference,
    References,
)

NAMES, REFERENCES = "known_speaker_names", "known_speaker_references"
MAX_FIELD_BYTES = MAX_REFERENCES * (MAX_CLIP_BYTES * 4 // 3 + 1024)
"""Of all references together, as they are sent."""

_DATA_URL = re.compile(r"data:(?:audio|video|application)/[\w.+-]+(?:;[\w.+-]+=[^;,]*)*;base64,")


def known_speakers(names: Sequence[str], references: Sequence[str]) -> References | None:
    """Read the voices of a request, None where it has none. Raises `InvalidOptions`, which names the field."""
    if not names and not references:
        return None
    if len(names) != len(references):
        field = REFERENCES if names else NAMES
        raise refused_option(
            field, f"there must be as many of {NAMES} as of {REFERENCES}: {len(names)} and {len(references)} were given"
        )
    if len(names) > MAX_REFERENCES:
        raise refused_option(NAMES, f"there may be {MAX_REFERENCES} at most")
    if len({name.casefold() for name in names}) < len(names):
        raise refused_option(NAMES, "a name is given more than once")
    return References(
        voices=tuple(
            Reference(name=name, clip=base64.b64encode(_clip(url, number)).decode("ascii"))
            for number, (name, url) in enumerate(zip(names, references, strict=True), start=1)
        )
    )


def _clip(url: str, number: int) -> bytes:
    """Return the recording in a data URL, looked at as far as it goes without decoding it."""
    head = _DATA_URL.match(url[:1024])
    if head is None:
        raise refused_option(REFERENCES, f"number {number} is no data URL such as data:audio/wav;base64,…")
    try:
        clip = base64.b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise refused_option(REFERENCES, f"number {number} is not base64") from None
    if not clip or len(clip) > MAX_CLIP_BYTES:
        raise refused_option(REFERENCES, f"number {number} must have 1 to {MAX_CLIP_BYTES} bytes")
    kind = kind_of(clip, whole=True)
    try:
        if kind is not None:
            check_accepted(kind)
    except UnsupportedFormat as error:
        raise refused_option(REFERENCES, f"number {number}: {error}") from None
    length_s = _length_s(clip)
    if length_s is not None and not MIN_CLIP_S <= length_s <= MAX_CLIP_S:
        raise refused_option(
            REFERENCES, f"number {number} must last {MIN_CLIP_S:g} to {MAX_CLIP_S:g} seconds, not {length_s:.1f}"
        )
    return clip


def _length_s(clip: bytes) -> float | None:
    """Return how long a WAV file says it is, None for other formats: those are cut where they are decoded."""
    try:
        with wave.open(io.BytesIO(clip)) as file:
            length_s: float = file.getnframes() / file.getframerate()
            return length_s
    except (wave.Error, EOFError, ZeroDivisionError):
        return None
