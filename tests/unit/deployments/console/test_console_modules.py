"""The console's modules without a browser, by Node's own test runner: no framework, no packages."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deployments.http.console_page import FILES
from pipelines.audit import AuditAction, ObjectKind
from pipelines.keeping.signing import verify

FOLDER = Path(__file__).parent
CONSOLE = FILES / "js"
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="Debian's package nodejs is not installed")
def test_the_consoles_modules() -> None:
    """All `*.test.mjs` below this folder pass; when not, what the runner says is the failure."""
    assert NODE is not None
    files = sorted(FOLDER.rglob("*.test.mjs"))
    assert files
    done = subprocess.run([NODE, "--test", *map(str, files)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_the_deeds_that_the_console_names() -> None:
    """Are all that the audit log knows, in its filter and in words; so are the kinds of things."""
    view = (CONSOLE / "keeping" / "audit_view.js").read_text()
    listed = re.search(r"ACTIONS = \[(.*?)\]", view)
    assert listed
    assert re.findall(r'"(\w+)"', listed[1]) == [*AuditAction]
    words = (CONSOLE / "lib" / "i18n.js").read_text()
    assert set(re.findall(r"^  deed_(\w+):", words, re.MULTILINE)) == {*AuditAction}
    assert set(re.findall(r"^  object_(\w+):", words, re.MULTILINE)) == {*ObjectKind}


def test_the_receipt_that_the_console_verifies() -> None:
    """Is one that the server verifies, too: what both take for signed are the same bytes."""
    written = json.loads((FOLDER / "keeping" / "receipt.json").read_text())
    assert verify(written).whole
    assert not verify(written | {"gone": False}).whole
