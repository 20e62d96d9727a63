"""The console's modules without a browser, by Node's own test runner: no framework, no packages."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from pipelines.keeping.signing import verify

FOLDER = Path(__file__).parent
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="Debian's package nodejs is not installed")
def test_the_consoles_modules() -> None:
    """All `*.test.mjs` below this folder pass; when not, what the runner says is the failure."""
    assert NODE is not None
    files = sorted(FOLDER.rglob("*.test.mjs"))
    assert files
    done = subprocess.run([NODE, "--test", *map(str, files)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_receipt_that_the_console_verifies() -> None:
    """Is one that the server verifies, too: what both take for signed are the same bytes."""
    written = json.loads((FOLDER / "keeping" / "receipt.json").read_text())
    assert verify(written).whole
    assert not verify(written | {"gone": False}).whole
