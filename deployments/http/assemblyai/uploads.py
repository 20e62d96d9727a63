"""Addresses of uploads: what ``upload_url`` says, and which upload an ``audio_url`` means."""

import re
from urllib.parse import urlsplit

UPLOAD_PATH = "/assemblyai/v2/upload"
_UPLOAD = re.compile(rf".*{re.escape(UPLOAD_PATH)}/([0-9a-f]{{32}})")


def upload_url(base_url: str, upload_id: str) -> str:
    """Return the address of an upload; ``base_url`` is scheme and host."""
    return f"{base_url}{UPLOAD_PATH}/{upload_id}"


def upload_in(audio_url: str) -> str:
    """Return the id of the upload that a URL is the address of; "" for other URLs.

    The path decides: one server has many names, and another tenant's upload is as unknown as one that never was.
    """
    try:
        path = urlsplit(audio_url).path
    except ValueError:
        return ""
    found = _UPLOAD.fullmatch(path)
    return found[1] if found else ""
