"""What a file is, by its first bytes: an accepted container, something else with a name, or not to be told.

Names of files and declared types count for nothing here. Formats without a signature are told by the frames that
follow one another in them; FFmpeg looks as far into a file (`LOOK_BYTES`) before it gives up.
"""

import re
from dataclasses import dataclass
from typing import BinaryIO

from pipelines.audio.formats import ACCEPTED
from pipelines.audio.frames import framed_format
from pipelines.errors import EmptyAudio, UnsupportedFormat

LOOK_BYTES = 1 << 20
"""How far into a file frames are looked for."""
TEXT_BYTES = 4096  # so much text from the start on is a text
_STEPS = (64, TEXT_BYTES, 1 << 16, LOOK_BYTES)  # how much must have come before the next look
HOW_TO_DECLARE = (
    "Samples without a container need a content type that declares them, as in audio/L16; rate=8000; channels=1 "
    "(big-endian), audio/pcm; rate=8000 (little-endian), audio/PCMU, audio/PCMA or audio/G722."
)


@dataclass(frozen=True)
class Kind:
    """What a file is; ``name`` is "" where it cannot be told."""

    name: str
    accepted: bool


UNKNOWN = Kind("", accepted=False)

_SIGNATURES = (
    *((0, start, "MP3") for start in (b"ID3",)),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"\x1aE\xdf\xa3", "Matroska/WebM"),
    (0, b"caff", "CAF"),
    (0, b".snd", "AU"),
    (0, b"riff\x2e\x91\xcf\x11", "Wave64"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA/WMV"),
    (0, b"FLV\x01", "FLV"),
    *((4, box, "MP4/MOV/3GP") for box in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp")),
    (0, b"\x00\x00\x01\xba", "MPEG-PS"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01", "MXF"),
    (0, b"\x1f\x07\x00", "DV"),
    (0, b"wvpk", "WavPack"),
    (0, b"TTA1", "True Audio"),
    (0, b"Creative Voice File\x1a", "VOC"),
    (0, b"NIST_1A", "NIST SPHERE"),
    *((0, bytes((0x64, 0xA3, machine, 0)), "IRCAM") for machine in range(5)),
    *((0, bytes((0, machine, 0xA3, 0x64)), "IRCAM") for machine in range(5)),
    *((0, start, "SoX") for start in (b".SoX", b"XoS.")),
    *((0, start, "RealMedia") for start in (b".RMF", b".ra\xfd")),
    *(
        (0, start, "DTS")
        for start in (b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80", b"\x1f\xff\xe8\x00", b"\xff\x1f\x00\xe8")
    ),
)
"""Offset, signature, and the name in `pipelines.audio.formats.CONTAINERS`."""

_FORMS = {
    (b"RIFF", b"WAVE"): "WAV",
    (b"RIFX", b"WAVE"): "WAV",
    (b"RF64", b"WAVE"): "WAV",
    (b"BW64", b"WAVE"): "WAV",
    (b"RIFF", b"AVI "): "AVI",
    (b"RIFF", b"AVIX"): "AVI",
    (b"RIFF", b"AVI\x19"): "AVI",
    (b"RIFF", b"AMV "): "AVI",
    (b"FORM", b"AIFF"): "AIFF",
    (b"FORM", b"AIFC"): "AIFF",
}
"""Containers of chunks: the first chunk, what it says it is, and the name of the container."""

_FOREIGN = (
    (0, b"%PDF", "a PDF"),
    (0, b"PK\x03\x04", "a zip archive or an Office document"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ\x00", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"II*\x00", "a TIFF picture"),
    (0, b"MM\x00*", "a TIFF picture"),
    *(
        (4, b"ftyp" + brand, "a HEIF or AVIF picture")
        for brand in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
    ),
    (0, b"MThd", "a MIDI file, which holds notes and no sound"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office document"),
    (0, b"\x7fELF", "a program"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\x02dss", "an Olympus dictation (DSS)"),
    (0, b"\x03dss", "an Olympus dictation (DSS)"),
    (0, b"\x03ds2", "an Olympus dictation (DS2)"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"MP+", "Musepack"),
    (0, b"MPCK", "Musepack"),
    (0, b"tBaK", "TAK"),
    (0, b"ajkg", "Shorten"),
    (0, b"OFR ", "OptimFROG"),
    (0, b"DSD ", "DSD"),
    (0, b"FRM8", "DSD"),
    *((0, start, "a Flash program (SWF)") for start in (b"FWS", b"CWS", b"ZWS")),
)
_FOREIGN_CHUNKS = re.compile(rb"(RIFF|RIFX|FORM).{4}([0-9A-Za-z]{3}[0-9A-Za-z ])", re.DOTALL)
_TEXTS = (
    (re.compile(rb"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE), "an HTML page"),
    (re.compile(rb"\s*<(\?xml|[a-z])", re.IGNORECASE), "an XML text"),
    (re.compile(rb"\s*[\[{]\s*[\"\[{\d\]}]"), "a JSON text"),
    (re.compile(rb"#EXTM3U|\[playlist\]", re.IGNORECASE), "a playlist, which only names recordings"),
    (re.compile(rb"ffconcat"), "a script for FFmpeg, which only names recordings"),
    (re.compile(rb"v=0\r?\n"), "a session description (SDP), which only names a recording"),
    (re.compile(rb"\{\\rtf"), "an RTF document"),
)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")


def kind_of(head: bytes, *, whole: bool = False) -> Kind | None:
    """Say what a file is that begins with ``head``, or is it (``whole``); None while more bytes could tell more.

    The answer to `LOOK_BYTES` bytes is never None.
    """
    whole = whole or len(head) >= LOOK_BYTES
    name = _signature(head, _FOREIGN)
    if name:
        return Kind(name, accepted=False)
    name = _signature(head, _SIGNATURES) or _in_chunks(head)
    if name:
        return Kind(name, accepted=True)
    if foreign := _FOREIGN_CHUNKS.match(head):
        return Kind(f"{foreign[1].decode()} {foreign[2].decode().strip()}", accepted=False)
    if whole and len(head) < len(b"RIFF....WAVE") and _begins_like_one(head):
        return Kind("", accepted=True)  # cut off within its signature: damage, which is for the decoder to tell
    if name := framed_format(head, whole=whole):
        return Kind(name, accepted=True)
    if (whole or len(head) >= TEXT_BYTES) and (name := _text(head[:TEXT_BYTES])):
        return Kind(name, accepted=False)
    return UNKNOWN if whole else None


def has_signature(head: bytes) -> bool:
    """Say whether a file begins with the signature of an accepted container, by no accident."""
    return any(head.startswith(start, offset) for offset, start, _ in _SIGNATURES if len(start) > 3) or (
        bool(_in_chunks(head))
    )


def _signature(head: bytes, table: tuple[tuple[int, bytes, str], ...]) -> str:
    return next((name for offset, start, name in table if head.startswith(start, offset)), "")


def _in_chunks(head: bytes) -> str:
    name = _FORMS.get((head[:4], head[8:12]), "")
    if not name and len(head) >= 12 and any(head.startswith(chunk) for chunk, _ in _FORMS):
        printable = all(0x20 <= byte < 0x7F for byte in head[8:12])
        return "" if printable else "RIFF"  # not even a name stands there: damage, which is for the decoder to tell
    return name


def _begins_like_one(head: bytes) -> bool:
    starts = [start for offset, start, _ in _SIGNATURES if not offset] + [chunk for chunk, _ in _FORMS]
    return any(start.startswith(head[: len(start)]) for start in starts)


def _text(head: bytes) -> str:
    """Name a text; "" for what is none."""
    if head.startswith(_BYTE_ORDER_MARKS):
        return "a text"
    n_high = sum(byte > 0x7F for byte in head)
    if _NO_TEXT.search(head) or (n_high > len(head) // 3 and not _is_utf8(head)):
        return ""
    return next((name for pattern, name in _TEXTS if pattern.match(head)), "a text")


def _is_utf8(head: bytes) -> bool:
    """Say whether a text is UTF-8, but for a last character that may be cut."""
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4
    return True


class FirstBytes:
    """Looks at a recording while it comes, and refuses what is none; give it every byte, from the first on."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._next_look = _STEPS[0]
        self.kind: Kind | None = None
        """What it is, as soon as that is known."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes; raises `UnsupportedFormat` once it is certain that they are of no recording."""
        if self.kind is not None:
            return
        self._head += data[: LOOK_BYTES - len(self._head)]
        if len(self._head) >= self._next_look:
            self._look(whole=False)
            self._next_look = next((step for step in _STEPS if step > len(self._head)), LOOK_BYTES)

    def finish(self) -> None:
        """Take that no more bytes come; raises `UnsupportedFormat`."""
        if self.kind is None and self._head:
            self._look(whole=True)

    def _look(self, *, whole: bool) -> None:
        self.kind = kind_of(bytes(self._head), whole=whole)
        if self.kind is not None:
            self._head.clear()
            check_accepted(self.kind)


def check_accepted(kind: Kind) -> None:
    """Raise `UnsupportedFormat` for what is no recording that is accepted; the text says what it is."""
    if kind.accepted:
        return
    if kind.name:
        raise UnsupportedFormat(f"This is {kind.name}. Accepted are {ACCEPTED}.")
    raise UnsupportedFormat(f"This is of no known format. Accepted are {ACCEPTED}. {HOW_TO_DECLARE}")


def kind_of_stream(file: BinaryIO) -> Kind:
    """Say what a file is, from where it stands on; raises `EmptyAudio`. Blocks."""
    head = b""
    for step in _STEPS[1:]:
        head += file.read(step - len(head))
        kind = kind_of(head, whole=len(head) < step)
        if not head:
            raise EmptyAudio("The recording has no bytes.")
        if kind is not None:
            return kind
    raise AssertionError("the last look tells")
