"""Compute the size and SHA-256 of what a stream holds, or of what is written."""

import hashlib
import os
from collections.abc import Callable
from typing import BinaryIO


def hash_stream(file: BinaryIO) -> tuple[int, str]:
    """Read a seekable stream from its start to its end, in blocks; return its bytes and SHA-256 in hexadecimal."""
    digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # typeshed wants readinto, all our streams have it
    return file.seek(0, os.SEEK_END), digest.hexdigest()


class HashingWriter:
    """Hand blocks to ``write``, and count and hash them on the way; ``n_bytes`` are those that it took."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self.n_bytes = 0

    def write(self, block: bytes) -> None:
        """Write a block; raises what ``write`` does."""
        self._digest.update(block)
        self._write(block)
        self.n_bytes += len(block)

    @property
    def sha256(self) -> str:
        """SHA-256 of the blocks so far, in hexadecimal."""
        return self._digest.hexdigest()
