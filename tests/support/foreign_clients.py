"""Clients that want packages of their own: Node's, and Python's whose dependencies may differ from ours.

They are scripts in `tests/clients`, with bounded packages. ``scripts/fetch-clients`` installs these once into the
user's cache, or into the folder that the environment's ``TEST_CLIENTS`` names.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.missing import missing

SCRIPTS = Path(__file__).parents[1] / "clients"
PACKAGES = ("package.json", "requirements.txt")
INSTALL_TIMEOUT_S = 600.0
RUN_TIMEOUT_S = 300.0
_DONE = "installed"


def clients_folder() -> Path:
    """Return where the packages are, or shall be: another folder for other packages."""
    if named := os.environ.get("TEST_CLIENTS"):
        return Path(named)
    wanted = hashlib.sha256(b"".join((SCRIPTS / name).read_bytes() for name in PACKAGES)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "meetmemo" / f"clients-{wanted}"


@dataclass(frozen=True)
class ForeignClients:
    """Runs scripts of ``tests/clients`` with the packages in ``folder``."""

    folder: Path

    @property
    def are_installed(self) -> bool:
        return (self.folder / _DONE).exists()

    def install(self) -> None:
        """Install what is missing; raises `subprocess.CalledProcessError`, and `FileNotFoundError` without npm."""
        if self.are_installed:
            return
        node, python = self.folder / "node", self.folder / "python"
        node.mkdir(parents=True, exist_ok=True)
        shutil.copy(SCRIPTS / "package.json", node)
        _install(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], node)
        _install([sys.executable, "-m", "venv", str(python)], self.folder)
        wanted = str(SCRIPTS / "requirements.txt")
        _install([str(python / "bin" / "python"), "-m", "pip", "install", "-q", "-r", wanted], self.folder)
        (self.folder / _DONE).touch()

    def run(self, script: str, *arguments: str) -> str:
        """Run a script of `SCRIPTS`; return what it prints."""
        return _run(self.command(script, *arguments))

    def command(self, script: str, *arguments: str) -> list[str]:
        """Return the command line that runs a script of `SCRIPTS`."""
        if script.endswith(".mjs"):
            # Node looks for packages beside the script.
            path = Path(shutil.copy(SCRIPTS / script, self.folder / "node"))
            return ["node", str(path), *arguments]
        return [str(self.folder / "python" / "bin" / "python"), str(SCRIPTS / script), *arguments]


def installed_clients() -> ForeignClients:
    """Return the clients; without them the test is skipped, and fails in CI, which installs them first."""
    clients = ForeignClients(clients_folder())
    if not clients.are_installed:
        missing("needs other people's clients: scripts/fetch-clients")
    return clients


def _install(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, stdout=sys.stderr, timeout=INSTALL_TIMEOUT_S, check=True)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
    assert done.returncode == 0, f"{command[1]}: {done.stderr[-2000:]}"
    return done.stdout
