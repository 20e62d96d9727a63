"""Files as they should not be: cut off, overwritten, empty, or something else under the name of a recording."""

from random import Random

CONCAT_SCRIPT = b"ffconcat version 1.0\nfile short.mp3\nfile meeting-3min.flac\n"
"""Makes FFmpeg read the neighbouring files, when it may."""

PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:12\n#EXTINF:12,\nshort.mp3\n#EXT-X-ENDLIST\n"
"""The same trick as an HLS playlist."""

SESSION = b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=call\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"
"""A session description (RFC 8866): makes FFmpeg listen on a UDP port, when it may."""


def truncated(data: bytes, share: float) -> bytes:
    """Keep the first ``share`` of the bytes: a copy that was interrupted."""
    return data[: round(len(data) * share)]


def overwritten(data: bytes, first: float, last: float, rng: Random) -> bytes:
    """Put random bytes between two shares of the length: a bad disk, a broken transfer."""
    start, end = round(len(data) * first), round(len(data) * last)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def wav_with_sizes(wav: bytes, n_bytes: int) -> bytes:
    """Return a WAV whose header claims ``n_bytes`` of samples, as recorders that could not finish leave it."""
    data = wav.index(b"data")
    riff = min(n_bytes + data, 0xFFFFFFFF).to_bytes(4, "little")
    return wav[:4] + riff + wav[8 : data + 4] + n_bytes.to_bytes(4, "little") + wav[data + 8 :]
