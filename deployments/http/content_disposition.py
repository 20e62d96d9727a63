"""The header ``Content-Disposition`` of downloads (RFC 6266)."""

from urllib.parse import quote

from pipelines.text.file_names import DOWNLOAD_NAME_BYTES, bounded_name


def attachment(stem: str, ending: str) -> str:
    """Return the header for a name of any characters and length: plain ASCII for old clients, RFC 8187 for the others.

    Either is short enough for a file system.
    """
    filename = bounded_name(stem, ending, max_bytes=DOWNLOAD_NAME_BYTES)
    plain = "".join(char if 32 <= ord(char) < 127 and char not in '"\\%/' else "_" for char in filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='', errors='replace')}"
