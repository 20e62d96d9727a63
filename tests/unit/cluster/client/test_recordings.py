"""Recordings among files, and a look at them before they are uploaded."""

import wave
from pathlib import Path

import pytest

from cluster.cli.estimate import estimate_text
from cluster.client.dry_run import look_at
from cluster.client.recordings import files_in, sort_out
from cluster.client.transcribe import plan, take_folders


def write_wav(path: Path, seconds: int = 1) -> Path:
    """Write silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(16_000 * seconds))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as people have them: odd names, notes, options, results of an earlier run."""
    folder = tmp_path / "calls"
    for name in ("a.mts", "monday/b", "monday/b.txt.mp2"):
        write_wav(folder / name)
    (folder / "samples.g722").write_bytes(bytes(range(256)) * 40)
    (folder / "notes.mp3").write_text("Call Rachel back.")
    (folder / "agenda.wav").write_bytes(b"%PDF-1.7")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "noise.raw").write_bytes(bytes(range(256)) * 40)
    (folder / "a.mts.json").write_text("{}")
    (folder / ".hidden.wav").write_bytes(b"RIFF")
    (folder / "minutes.pdf").write_bytes(b"%PDF-1.7")
    (folder / "b").mkdir()
    (folder / "b/transcript.json").write_text("{}")
    (folder / "b/minutes.pdf").write_bytes(b"%PDF-1.7")
    return folder


def test_content_decides(folder: Path) -> None:
    """Every recording is found whatever it is called; every other file has a reason, results and hidden files none."""
    found = sort_out(files_in(folder))
    names = [str(path.relative_to(folder)) for path in found.recordings]
    assert names == ["a.mts", "monday/b", "monday/b.txt.mp2", "samples.g722"]
    assert {item.path.name: item.why for item in found.left_out} == {
        "a.mts.json": "holds options of a recording, which only `meetmemo watch` reads",
        "agenda.wav": "is a PDF",
        "empty.wav": "is empty",
        "minutes.pdf": "is a PDF",
        "noise.raw": "is of no known format",
        "notes.mp3": "is a text",
    }
    assert str(found.left_out[1]) == f"{folder}/agenda.wav: left out, is a PDF"


def test_folders_among_files(folder: Path, tmp_path: Path) -> None:
    """Files are taken as they are named, folders with their recordings, and results keep their place below --out."""
    single = tmp_path / "notes.txt"
    single.write_text("named by hand: the endpoint says what is wrong with it")
    taken, left_out = take_folders([single, folder, folder / "agenda.wav"])
    assert [item.path.name for item in left_out] == ["a.mts.json", "empty.wav", "minutes.pdf", "noise.raw", "notes.mp3"]
    folders = {recording.path.name: recording.folder for recording in plan(taken, tmp_path / "out")}
    assert folders["notes.txt"] == tmp_path / "out/notes"
    assert folders["b"] == tmp_path / "out/monday/b"
    assert folders["a.mts"] == tmp_path / "out/a"
    assert folders["agenda.wav"] == tmp_path / "out/agenda"
    assert {recording.folder for recording in plan(taken, None)} >= {folder / "a", folder / "monday/b"}


def test_a_look_at_recordings_here(tmp_path: Path) -> None:
    """Lengths come from the headers; what no decoder takes is told, and so is a file that is gone."""
    torn = tmp_path / "torn.m4a"
    torn.write_bytes(b"\x00\x00\x00\x18ftypM4A " + bytes(100))
    samples = tmp_path / "call.ulaw"
    samples.write_bytes(bytes(range(256)) * 125)
    looks = list(look_at([write_wav(tmp_path / "a.wav", 3), torn, tmp_path / "gone.wav", samples]))
    assert [look.audio_s for look in looks] == [pytest.approx(3.0), None, None, pytest.approx(4.0)]
    assert "damaged" in looks[1].unreadable
    assert "No such file" in looks[2].unreadable


def test_estimates_say_what_their_numbers_are() -> None:
    """Hours, the time the cluster takes, money, and what is not in the sum."""
    found = {"audio_h": 0.01, "n_probed": 1, "n_unknown": 0, "n_unreadable": 0}
    assert estimate_text(found) == "0:36 of audio (0.01 hours) in 1 recording"
    whole = {**found, "n_probed": 2, "n_unknown": 1, "n_unreadable": 2, "wall_s": 5.0, "cost_usd": 0.5}
    assert estimate_text(whole) == (
        "0:36 of audio (0.01 hours) in 2 recordings, done in about 0:05, $0.50, 1 recording of unknown length besides, "
        "2 recordings that cannot be read"
    )
    assert "how long the cluster takes is not known" in estimate_text({**found, "wall_s": None})
