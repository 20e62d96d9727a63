"""Files of a home are its owner's alone: what a cluster makes, what an earlier version made, and where its sockets lie.

A home holds recordings, transcripts, addresses and a token that runs code. Its folder keeps others out; what lies in
it is closed as well, for the case that somebody opens the folder.
"""

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError

OTHERS = 0o077
"""The permissions of a file's group and of everybody else."""

MAX_SOCKET_FOLDER = 21
"""Characters that a folder's path may have: a socket's has 107, and HAProxy's need 86 below it."""


@contextlib.contextmanager
def private_umask() -> Iterator[None]:
    """Make files that only their owner may read, in this process and for good in those that it starts meanwhile."""
    before = os.umask(OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def open_to_others(settings: Settings) -> list[Path]:
    """List what other users may read or write: the home, what a cluster makes in it, a ledger or store beside it.

    Blobs and models are not looked at one by one: there may be millions, and the folders above them are.
    """
    return [path for path in (*_own_files(settings), *_elsewhere(settings)) if _mode(path) & OTHERS]


def keep_private(settings: Settings, say: Callable[[str], None]) -> None:
    """Take the permissions of others away from the home and what lies in it; ``say`` in a line what stays open.

    What lies beside the home is where an operator wanted it, perhaps for others as well: `meetmemo doctor` names it.
    """
    # From above: once a folder is closed, nobody puts a link into the place of what is closed next.
    faults = [f"{path} ({fault})" for path in _own_files(settings) if _mode(path) & OTHERS if (fault := _close(path))]
    if faults:
        more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
        say(f"Other users may read {faults[0]}{more}.")


def _close(path: Path) -> str:
    """Take the permissions of others away; return why not."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return ""
        if found.st_uid != os.geteuid():
            return "it belongs to another user"
        if found.st_mode & stat.S_ISVTX:
            return "it is a folder for all users; choose one of its own as home"
        path.chmod(stat.S_IMODE(found.st_mode) & ~OTHERS)
    except FileNotFoundError:  # spooled files come and go
        return ""
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _own_files(settings: Settings) -> Iterator[Path]:
    """Find the home and what a cluster makes in it, folders before what is in them."""
    home = settings.home
    if not home.is_dir():
        return
    yield home
    with contextlib.suppress(PermissionError):
        yield from (path for path in sorted(home.iterdir()) if path != settings.models_dir)
        for folder in (settings.run_dir, settings.spool_dir):
            yield from sorted(folder.rglob("*"))


def _elsewhere(settings: Settings) -> Iterator[Path]:
    """Find the files of a ledger and the folder of a store that do not lie in the home."""
    for url, ends in ((settings.ledger_url, ("", "-wal", "-shm")), (settings.store_url, ("",))):
        scheme, _, name = url.partition("?")[0].partition("://")
        path = Path(name.removeprefix("/") if scheme == "sqlite" else name)
        if scheme in ("sqlite", "file") and not path.is_relative_to(settings.home):
            yield from (Path(f"{path}{end}") for end in ends)


def _mode(path: Path) -> int:
    """Return the permissions of a file or folder; a link has none of its own, nor has what is gone."""
    try:
        found = path.lstat()
    except OSError:
        return 0
    return 0 if stat.S_ISLNK(found.st_mode) else stat.S_IMODE(found.st_mode)


def private_folder(settings: Settings) -> Path:
    """Return the folder that holds the sockets of the home's cluster and Ray's session, made if it is not there.

    It has a random name among the system's temporary folders, and only this user may enter it; ``<home>/run/private``
    links to it. The paths of sockets below a home would be too long. Ray gives everybody all permissions to the
    folders of a session, so that one above them has to keep others out.

    Raises `ConfigurationError` where paths of temporary folders are too long as well.
    """
    link = settings.private_link
    if link.is_symlink():
        target = link.readlink()
        if is_private(target):
            return target
        link.unlink()
    for parent in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - the folder in it has a random name and is closed
        with contextlib.suppress(OSError):
            made = Path(tempfile.mkdtemp(prefix="mm-", dir=parent))
            if len(os.fsencode(made)) <= MAX_SOCKET_FOLDER:
                link.symlink_to(made)
                return made
            made.rmdir()
    raise ConfigurationError("No temporary folder can be made whose path is short enough for sockets: set TMPDIR.")


def is_private(folder: Path) -> bool:
    """Return whether this is a folder of this user, not a link to one, that nobody else may enter."""
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & OTHERS
