"""Where the command line puts results."""

from pathlib import Path

from cluster.client.transcribe import plan


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
