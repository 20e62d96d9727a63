"""A PostgreSQL server in a temporary directory."""

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from tests.servers import free_port

START_TIMEOUT_S = 60.0


def find_binaries() -> Path | None:
    """Return the folder that holds ``initdb`` and ``postgres``, the newest if there are several."""
    on_path = shutil.which("initdb")
    folders = [os.path.dirname(os.path.realpath(on_path))] if on_path else []
    folders += sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: float(path.split("/")[4]), reverse=True)
    return next((Path(folder) for folder in folders if os.access(f"{folder}/postgres", os.X_OK)), None)


class PostgresServer:
    """Starts when entered, stops and removes its files when left; `stop` and `start` in between restart it.

    PostgreSQL refuses to run as root, so root runs it as the user ``postgres`` (or ``nobody``). ``network``: the
    addresses, beside ``host``'s own, that may connect. A ``home`` is kept, and what an earlier server left there used.
    """

    def __init__(self, binaries: Path, host: str = "127.0.0.1", network: str = "", home: Path | None = None) -> None:
        self._binaries = binaries
        self._host = host
        self._network = network
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        # Not pytest's tmp_path: that one lies in a folder only its own user may enter.
        self._keeps = home is not None
        self._home = home or Path(tempfile.mkdtemp(prefix="meetmemo-postgres-"))
        self._home.mkdir(exist_ok=True)
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = _unprivileged_user()
            os.chown(self._home, user.pw_uid, user.pw_gid)
            self._as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def __enter__(self) -> "PostgresServer":
        try:
            if not (self._home / "data").exists():
                self._run(
                    *("initdb", "-D", "data", "-U", "meetmemo", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
                )
            self._end_earlier()
            if self._network:
                with open(self._home / "data" / "pg_hba.conf", "a") as rules:
                    rules.write(f"host all all {self._network} trust\n")
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop(signal.SIGQUIT)
        if self._keeps:
            return
        shutil.rmtree(self._home, ignore_errors=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with open(self._home / "log", "ab") as log:
            self._process = subprocess.Popen(
                [
                    self._binaries / "postgres",
                    *("-D", "data", "-p", str(self._port)),
                    *("-c", f"listen_addresses={self._host}", "-c", f"unix_socket_directories={self._home}"),
                    *("-c", "fsync=off"),  # no power failure is tested, and the disk is shared
                ],
                cwd=self._home,
                stdout=log,
                stderr=log,
                env=_environment(),
                **self._as_user,
            )
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                psycopg.connect(self.dsn, connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise RuntimeError(f"PostgreSQL does not start: {(self._home / 'log').read_text()}") from None
                time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server; SIGINT ends its sessions first, SIGQUIT leaves recovery to the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    @property
    def pid(self) -> int:
        """The server's process, whose children are its sessions; it must run."""
        assert self._process is not None, "the server runs"
        return self._process.pid

    @property
    def dsn(self) -> str:
        """Address of the database, for psycopg."""
        return f"postgresql://meetmemo@{self._host}:{self._port}/postgres"

    def url(self, schema: str, *, settings: str = "") -> str:
        """Address for a ledger with tables of its own in ``schema``, which is made; ``settings`` are the session's."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}".encode())
        options = quote(f"-csearch_path={schema} {settings}")
        return f"{self.dsn.replace('postgresql:', 'postgresql+psycopg:')}?options={options}"

    def _end_earlier(self) -> None:
        """End the server that a test left on these files when it was killed."""
        found = self._home / "data" / "postmaster.pid"
        if not found.exists():
            return
        pid = int(found.read_text().split()[0])
        place = Path(f"/proc/{pid}/cwd")
        with suppress(OSError):  # it ends meanwhile
            if place.resolve() == (self._home / "data").resolve():
                os.kill(pid, signal.SIGQUIT)
                while place.exists():
                    time.sleep(0.05)
        found.unlink(missing_ok=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self._home,
            capture_output=True,
            text=True,
            env=_environment(),
            **self._as_user,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr}")


def _unprivileged_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("root needs a user named postgres or nobody to run PostgreSQL as")


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
