"""Clients that want packages of their own: Node's, and Python's whose dependencies may differ from ours.

They are scripts in `tests/clients`, with bounded packages. These are installed once, into a folder of the test run or
into the one that the environment's ``MEETMEMO_TEST_CLIENTS`` names, which is kept.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "clients"
INSTALL_TIMEOUT_S = 600.0
RUN_TIMEOUT_S = 300.0


class NotInstalled(Exception):
    """The packages cannot be had here: no Node, or no package index."""


@dataclass(frozen=True)
class ForeignClients:
    """Runs scripts of ``tests/clients`` with the packages in ``folder``."""

    folder: Path

    @classmethod
    def in_folder(cls, fallback: Path) -> "ForeignClients":
        """Return those in the environment's folder, or in another one."""
        return cls(Path(os.environ.get("MEETMEMO_TEST_CLIENTS", fallback)))

    def node(self, script: str, *arguments: str) -> str:
        """Run a script for Node; return what it prints. Raises `NotInstalled`."""
        if not (shutil.which("node") and shutil.which("npm")):
            raise NotInstalled("there is no Node")
        folder = self.folder / "node"
        folder.mkdir(parents=True, exist_ok=True)
        for path in SCRIPTS.iterdir():
            if path.suffix in (".mjs", ".json"):
                shutil.copy(path, folder)
        if not (folder / "installed").exists():
            install(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
        return _run(["node", str(folder / script), *arguments])

    def python(self, script: str, *arguments: str) -> str:
        """Run a script for Python; return what it prints. Raises `NotInstalled`."""
        folder = self.folder / "python"
        if not (folder / "installed").exists():
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=INSTALL_TIMEOUT_S)
            wanted = str(SCRIPTS / "requirements.txt")
            install([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-r", wanted], folder)
        return _run([str(folder / "bin" / "python"), str(SCRIPTS / script), *arguments])


def install(command: list[str], folder: Path) -> None:
    """Run a command that installs packages into a folder, and note that it did; raises `NotInstalled`."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
    if done.returncode:
        raise NotInstalled(f"{' '.join(command)}: {done.stderr[-500:]}")
    (folder / "installed").touch()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, check=False)
    assert done.returncode == 0, f"{command[1]}: {done.stderr[-2000:]}"
    return done.stdout
