"""Batches on a running cluster: a folder by the command line, and its output manifest."""

import json
import shutil
from pathlib import Path

from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS


def test_folder_as_batch(meetmemo: RunningMeetMemo, tmp_path: Path) -> None:
    """``batch submit`` uploads a folder and waits; ``batch output`` tells what became of each recording."""
    folder = tmp_path / "calls"
    folder.mkdir()
    for n in range(3):
        shutil.copy(RECORDINGS / "short.mp3", folder / f"{n}.mp3")
    shutil.copy(RECORDINGS / "corrupt-body.m4a", folder / "torn.m4a")
    submitted = meetmemo.cli("batch", "submit", str(folder), "-o", "minutes=none")
    assert submitted.returncode == 1, submitted.stderr  # one of them is damaged
    batch_id = submitted.stdout.split("Batch ")[1].split(":")[0]
    shown = json.loads(meetmemo.cli("batch", "status", batch_id, "--json").stdout)
    assert (shown["finished"], shown["counts"]) == (True, {"succeeded": 3, "failed": 1})
    output = tmp_path / "done.jsonl"
    assert meetmemo.cli("batch", "output", batch_id, "--out", str(output)).returncode == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["state"] for line in lines] == ["succeeded"] * 3 + ["failed"]
    assert all(len(result["sha256"]) == 64 for line in lines for result in line["results"].values())
    assert meetmemo.cli("batch", "retry", batch_id).returncode == 0
