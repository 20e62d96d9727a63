"""`bounded_name`: file names that a file system takes, whatever is appended to them."""

MAX_NAME_BYTES = 255
"""The limit of Linux, macOS and Windows alike for one name, in UTF-8 where the system counts bytes."""

DOWNLOAD_NAME_BYTES = 240
"""A download's: browsers and mail programs append ``.crdownload``, ``.part`` or `` (1)`` to the name."""


def bounded_name(stem: str, ending: str = "", *, max_bytes: int = MAX_NAME_BYTES) -> str:
    """Return ``stem`` and ``ending`` as one name of ``max_bytes`` in UTF-8 at most.

    The stem is cut, between characters. An ending that leaves no room for a stem is cut as well.
    """
    room = max(0, max_bytes - n_bytes(ending))
    kept = _cut(stem, room)
    if kept != stem:
        kept = kept.rstrip()
    return _cut(kept + ending, max_bytes)


def n_bytes(name: str) -> int:
    """Return the length of a name as it is stored; a surrogate, which UTF-8 cannot write, counts as three bytes."""
    return len(name.encode("utf-8", "surrogatepass"))


def _cut(text: str, max_bytes: int) -> str:
    data = text.encode("utf-8", "surrogatepass")
    if len(data) <= max_bytes:
        return text
    end = max_bytes
    while end and data[end] & 0xC0 == 0x80:  # the middle of a character
        end -= 1
    return data[:end].decode("utf-8", "surrogatepass")
