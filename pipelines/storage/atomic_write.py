"""Write files so that a reader, or a machine that lost power, finds the old content or the new, whole."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PRIVATE = 0o600
TEMPORARY_SUFFIX = ".new"


def write_atomic(path: Path, content: str | bytes, *, mode: int = PRIVATE) -> None:
    """Replace a file's content in one step, durably; ``mode`` holds whatever the umask. Raises `OSError`."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{TEMPORARY_SUFFIX}")
    try:
        with durable_file(temporary) as file:
            os.fchmod(file.fileno(), mode)
            file.write(content.encode() if isinstance(content, str) else content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


@contextmanager
def durable_file(path: Path | str) -> Iterator[BinaryIO]:
    """Create a file for its owner alone, which is on the disk when the block ends; its name is so after `sync`."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_durably(path: str, content: bytes) -> None:
    """Create a file as `durable_file` does, of what is in memory."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(path: Path | str) -> None:
    """Wait until a file's content, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
