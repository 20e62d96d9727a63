"""Where the command line puts results."""

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from cluster.client.transcribe import one_line, plan, transcribe


def test_folders_of_the_longest_names_can_be_made(tmp_path: Path) -> None:
    """Two recordings whose stem fills a name: the second folder's number still fits, found before anything is sent."""
    for stem in ("x" * 251, "会" * 83):
        paths = [tmp_path / f"{stem}{suffix}" for suffix in (".mp3", ".wav", ".ogg")]
        folders = [recording.folder for recording in plan(paths, tmp_path / "out")]
        assert len(set(folders)) == 3
        for folder in folders:
            folder.mkdir(parents=True)
            assert folder.name.startswith(stem[:80])
    whole = "y" * 255  # without a suffix nothing is left for the number
    first, second = (recording.folder for recording in plan([tmp_path / whole, tmp_path / "in" / whole], tmp_path))
    first.mkdir()
    second.mkdir()
    assert second.name == f"{'y' * 253}-2"


async def test_progress_of_failed_recordings(tmp_path: Path) -> None:
    """A failed recording loses its spinner and has colons between reason and detail; a pipe gets no progress at all."""

    class Endpoint:
        async def choices(self) -> dict[str, Any]:
            return {"options": {}}

        async def submit(self, path: Path, options: object) -> dict[str, Any]:
            return {"id": path.name, "state": "queued"}

        async def job(self, job_id: str) -> dict[str, Any]:
            return {"id": job_id, "state": "failed", "reason": "unsupported_format", "detail": "the bytes [are] odd"}

    shown = {}
    for terminal in (True, False):
        file = io.StringIO()
        console = Console(file=file, force_terminal=terminal, width=120, color_system=None)
        recordings = plan([tmp_path / "a [1].mp3", tmp_path / "b.mp3"], None)
        await transcribe(Endpoint(), recordings, {}, console)  # type: ignore[arg-type]  # as much as it needs
        assert [recording.error for recording in recordings] == ["failed: unsupported_format: the bytes [are] odd"] * 2
        shown[terminal] = file.getvalue()
    assert shown[True].count("✗") >= 2
    assert "a [1].mp3" in shown[True]
    assert "0:00 of 0:00" not in shown[True]
    assert shown[False] == ""


def test_notes_are_one_line() -> None:
    """Sentences follow each other; a semicolon stands after what is none."""
    assert one_line(()) == ""
    assert one_line(("11.66 s were found.", "0:09 failed")) == "11.66 s were found. 0:09 failed"
    assert one_line(("0:09 failed", "Something else.")) == "0:09 failed; Something else."
