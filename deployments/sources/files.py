"""Files that ``file:`` sources name: opened only below the operator's folders, whatever links and races try."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

# A pipe would be waited for, a terminal taken over.
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
# Folders that may be passed but not listed are common; only Linux can open these.
_OPEN_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_DIRECTORY


class OutsideRoots(Exception):
    """A path leads out of the folders that may be read, or would if it existed."""


def open_below(path: str, roots: Sequence[Path]) -> BinaryIO:
    """Open a regular file below one of the folders; raises `OutsideRoots`, `OSError`, and `ValueError` for NULs.

    Links may lead from one place in the folders to another. A path outside brings the same answer whether or not there
    is something.
    """
    target = Path(os.path.realpath(path))
    root = next((real for real in map(Path, map(os.path.realpath, roots)) if target.is_relative_to(real)), None)
    if root is None:
        raise OutsideRoots(path)
    descriptor = _walk(root, target.relative_to(root).parts)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("it is not a file")
    return os.fdopen(descriptor, "rb")


def _walk(root: Path, parts: Sequence[str]) -> int:
    """Open what ``parts`` name below ``root`` step by step: no step follows a link that was put there meanwhile."""
    descriptor = os.open(root, _OPEN_FOLDER)
    for number, name in enumerate(parts, start=1):
        try:
            further = os.open(name, _OPEN if number == len(parts) else _OPEN_FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = further
    return descriptor
