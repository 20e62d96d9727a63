"""Folders for what a step writes on its machine's disk: gone when the step ends, or once its process was killed.

Each is locked as long as its process lives, so that `sweep_scratch` can find those without an owner. They may
hold whole recordings.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "meetmemo-scratch-"
_LOCK = "scratch.lock"


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Create a folder for the duration of the block."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        unlocked = folder / "unlocked"  # `sweep_scratch` does not look at this name
        with unlocked.open("xb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            unlocked.rename(folder / _LOCK)
            yield folder


def sweep_scratch() -> int:
    """Delete this user's folders that no living process holds; return how many. Blocks."""
    n_deleted = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.lstat().st_uid != os.getuid():
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder)
                n_deleted += 1
    return n_deleted
