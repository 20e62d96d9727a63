"""The zoo of containers, in the part of it that is made in a moment."""

import importlib.util
import shutil
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from pipelines.audio.formats import CONTAINERS
from scripts.speech import zoo

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data"


@pytest.fixture
def trial() -> ModuleType:
    """The script that puts a zoo through a cluster."""
    loader = SourceFileLoader("try_zoo", str(ROOT / "scripts" / "try-zoo"))
    spec = importlib.util.spec_from_loader("try_zoo", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_every_accepted_container_is_in_the_zoo() -> None:
    """What nobody writes here would be decoded and fuzzed by nobody."""
    by_hand = {"NIST SPHERE"}
    assert set(zoo.ACCEPTED_MUXERS.values()) | by_hand == {container.name for container in CONTAINERS}


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg")
def test_a_small_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are written with what they are; what this machine's FFmpeg does not write is left out."""
    monkeypatch.setattr(
        zoo, "WRITTEN", {"avi": ("mp2", "no such codec"), "mp3": ("libmp3lame",), "s16le": ("pcm_s16le",)}
    )
    monkeypatch.setattr(zoo, "PIPED", ("avi",))
    monkeypatch.setattr(zoo, "FILMS", ())
    animals = zoo.make_zoo(tmp_path, DATA / "short.mp3", DATA / "short.truth.json")
    assert zoo.read_zoo(tmp_path) == animals
    outcomes = {animal.name: animal.outcome for animal in animals}
    assert outcomes["avi-mp2.avi"] == outcomes["piped-avi.avi"] == outcomes["sphere.sph"] == "succeeds"
    assert outcomes["s16le-pcm_s16le.s16le"] == outcomes["minutes.pdf"] == "unsupported_format"
    assert all((tmp_path / name).is_file() for name in outcomes)


def test_what_is_compared(trial: ModuleType) -> None:
    """Words, lengths and refusals are complained about; a refusal must name what it found."""
    heard = zoo.Animal(name="a", container="AVI", codec="", outcome="succeeds", duration_s=2.0, text="Hello there.")
    found = trial.Outcome(what="succeeds", duration_s=2.1, text="hello there")
    assert trial.complaints(heard, found, with_words=True) == []
    late = trial.Outcome(what="succeeds", duration_s=2.2, text="hello")
    assert len(trial.complaints(heard, late, with_words=True)) == 2
    assert len(trial.complaints(heard, late, with_words=False)) == 1
    refused = trial.Outcome(what="unsupported_format", told="This is a PDF.")
    assert len(trial.complaints(heard, refused, with_words=True)) == 1
    pdf = zoo.Animal(name="b", container="a PDF", codec="", outcome="unsupported_format", duration_s=0.0)
    assert trial.complaints(pdf, refused, with_words=True) == []
    assert len(trial.complaints(pdf, trial.Outcome(what="unsupported_format", told="no"), with_words=True)) == 1
