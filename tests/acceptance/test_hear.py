"""`scripts/hear` against a cluster that runs: what its API answers is what the script reads."""

import json
from pathlib import Path

from scripts.hearing import cli
from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS, truth


def test_a_running_cluster_is_scored(meetmemo: RunningMeetMemo, tmp_path: Path) -> None:
    """A message is heard rightly with the times of its words, and a file that cannot be decoded is told as failed."""
    said = truth("short.mp3")
    turn = {"speaker": "Ann", "start": 0.0, "end": said.duration_s, "text": said.text}
    entry = {"language": "en", "seconds": said.duration_s, "channels": 1, "text": said.text, "turns": [turn]}
    names = ("short.mp3", "corrupt-body.flac")
    (tmp_path / "truth.json").write_text(json.dumps([{**entry, "file": str(RECORDINGS / name)} for name in names]))
    cli.main(
        [
            *("--data", str(tmp_path), "--arms", "cluster", "--url", meetmemo.url),
            *("--word-times", "--out", str(tmp_path / "out")),
        ]
    )
    (run,) = json.loads((tmp_path / "out" / "hear.json").read_text())["runs"]
    short, corrupt = run["recordings"]
    assert short["errors"]["n_words"] > 10
    assert (short["errors"]["n_deleted"], short["failure"]) == (0, "")
    assert all(segment["words"] for segment in short["segments"])
    assert "corrupt_audio" in corrupt["failure"]
    assert corrupt["errors"]["n_deleted"] == short["errors"]["n_words"]
