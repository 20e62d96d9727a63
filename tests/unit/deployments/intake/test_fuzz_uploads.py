"""A small, fixed share of what ``scripts/fuzz-uploads`` does for hours."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[4] / "scripts" / "fuzz-uploads"


def test_mutated_recordings_do_no_harm():
    """None hangs, kills its decoder or brings what is no error of a recording; some still decode, some do not."""
    command = [sys.executable, str(SCRIPT), "--inputs", "40", "--seed", "7"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "decoded" in run.stdout
    assert "corrupt_audio" in run.stdout
