"""Compute the size and SHA-256 of what a stream holds."""

import hashlib
import os
from typing import BinaryIO


def hash_stream(file: BinaryIO) -> tuple[int, str]:
    """Read a seekable stream from its start to its end, in blocks; return its bytes and SHA-256 in hexadecimal."""
    digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # typeshed wants readinto, all our streams have it
    return file.seek(0, os.SEEK_END), digest.hexdigest()
