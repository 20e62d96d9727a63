"""The header ``Content-Disposition`` of downloads (RFC 6266)."""

from urllib.parse import quote

from pipelines.text.file_names import DOWNLOAD_NAME_BYTES, bounded_name


def attachment(stem: str, ending: str) -> str:
    """Return the header of an answer to be saved, under a name of any characters and length.

    The name comes in plain ASCII for old clients and by RFC 8187 for the others, either short enough for a file system.
    """
    return _disposition("attachment", stem, ending)


def inline(stem: str, ending: str) -> str:
    """Return the header of an answer to be shown or played, with the name for those who save it."""
    return _disposition("inline", stem, ending)


def _disposition(kind: str, stem: str, ending: str) -> str:
    filename = bounded_name(stem, ending, max_bytes=DOWNLOAD_NAME_BYTES)
    plain = "".join(char if 32 <= ord(char) < 127 and char not in '"\\%/' else "_" for char in filename)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"
