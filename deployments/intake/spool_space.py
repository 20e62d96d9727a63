"""`SpoolSpace`: the disk of the spool folder, less what uploads under way were promised of it.

Nothing is remembered in memory: an upload's reservation is in the name of its spool file, or in its record in the store
where it is resumable, so that all replicas on a host count the same. Everything blocks.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.errors import StoreFull
from pipelines.storage.disk_faults import writing_fault

SUFFIX = ".upload"
_NAME = re.compile(r"(?P<id>[0-9a-f]{32})(\.(?P<claim>\d+))?\.upload")


def with_claim(path: Path, n_bytes: int) -> Path:
    """Return the name of a spool file that was promised ``n_bytes`` in all."""
    return path.with_name(f"{path.name.partition('.')[0]}.{n_bytes}{SUFFIX}")


def is_abandoned(path: Path) -> bool:
    """Say whether the process that wrote a spool file has ended; raises `FileNotFoundError` when the file is."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


@contextmanager
def faults_of_the_spool() -> Iterator[None]:
    """Turn a fault of the operating system into `StoreUnavailable`, or `StoreFull` where it says so."""
    try:
        yield
    except OSError as error:
        raise writing_fault(error, "The spool folder") from error


def check_room(n_bytes: int, room_bytes: int) -> None:
    """Raise `StoreFull` where an upload of so many bytes has too little room."""
    if n_bytes > room_bytes:
        raise StoreFull("The spool folder's disk has too little room for this upload beside those that are under way.")


def write_whole(descriptor: int, data: bytes) -> None:
    """Write every byte, however many the system takes at once; raises `StoreFull`, `StoreUnavailable`."""
    view = memoryview(data)
    with faults_of_the_spool():
        while view:
            view = view[os.write(descriptor, view) :]


@dataclass(frozen=True, kw_only=True)
class SpoolSpace:
    """Counts the room in ``folder``, of whose disk ``min_free_bytes`` stay free.

    ``promised`` are bytes that others than spool files may still bring to that disk: resumable uploads.
    """

    folder: Path
    min_free_bytes: int
    promised: Callable[[], int] = field(default=lambda: 0)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else claim meanwhile, in this process or another: what is counted holds until it is claimed."""
        with faults_of_the_spool():
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with faults_of_the_spool():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def free_bytes(self) -> int:
        """Return the bytes free for writing, reservations aside; negative if fewer than ``min_free_bytes`` are."""
        with faults_of_the_spool():
            return shutil.disk_usage(self.folder).free - self.min_free_bytes

    def check(self, n_bytes: int) -> None:
        """Raise `StoreFull` when so many bytes may not be written now."""
        if n_bytes > self.free_bytes():
            raise StoreFull("The spool folder's disk is nearly full.")

    def room_bytes(self, *, besides: Path | None = None) -> int:
        """Count what may still be promised; see `n_promised`."""
        return self.free_bytes() - self.n_promised(besides=besides)

    def n_promised(self, *, besides: Path | None = None) -> int:
        """Return what uploads under way may still write; ``besides`` is the spool file of one that is not counted."""
        return self.promised() + sum(_n_wanted(path) for path in self.folder.glob(f"*.*{SUFFIX}") if path != besides)


def _n_wanted(path: Path) -> int:
    named = _NAME.fullmatch(path.name)
    if named is None or named["claim"] is None:
        return 0
    try:
        n_bytes = int(named["claim"]) - path.stat().st_size
        return n_bytes if n_bytes > 0 and not is_abandoned(path) else 0
    except FileNotFoundError:
        return 0
