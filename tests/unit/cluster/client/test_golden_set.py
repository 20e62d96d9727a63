"""The gate: what a golden set is, and when a model passes."""

from pathlib import Path

import httpx
import pytest

from cluster.client.golden_set import Heard, Sample, hear, judge, read_golden
from cluster.client.http import ApiError, Client
from pipelines.errors import OptionError

TEXT = "one two three four five six seven eight nine ten"


def heard(new: str, old: str) -> Heard:
    return Heard(sample=Sample(recording=Path("a.wav"), reference=TEXT), new=new, old=old)


def test_a_golden_set(tmp_path: Path) -> None:
    """Each text belongs to the recording of its stem; other files do not matter."""
    for name in ("b.wav", "b.txt", "a.mp3", "a.txt", "note.md"):
        (tmp_path / name).write_text(name)
    samples = read_golden(tmp_path)
    assert [(sample.recording.name, sample.reference) for sample in samples] == [("a.mp3", "a.txt"), ("b.wav", "b.txt")]


@pytest.mark.parametrize("names", [(), ("a.wav",), ("a.txt",), ("a.txt", "a.wav", "a.mp3")])
def test_no_golden_set(tmp_path: Path, names: tuple[str, ...]) -> None:
    """A text alone, or with two recordings, is a mistake; so is nothing."""
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(OptionError):
        read_golden(tmp_path)


@pytest.mark.parametrize(
    ("new", "old", "increase", "agreement", "passes"),
    [
        (TEXT, TEXT, 0.0, 1.0, True),
        (TEXT, "one two three", 0.0, 0.0, True),
        ("one two three four five six seven eight nine", TEXT, 0.0, 0.0, False),
        ("one two three four five six seven eight nine", TEXT, 0.1, 0.0, True),
        ("one two three four five six seven eight nine", TEXT, 0.1, 0.95, False),
    ],
)
def test_who_passes(new: str, old: str, increase: float, agreement: float, *, passes: bool) -> None:
    """The new model may be worse by as much as is said, and must agree with the old one by as much."""
    verdict = judge([heard(new, old)], max_wer_increase=increase, min_agreement=agreement)
    assert (not verdict.complaints) is passes


async def test_a_job_that_fails_is_no_verdict() -> None:
    """A model that fails on a sample is not judged by the others."""

    def answer(request: httpx.Request) -> httpx.Response:
        state = {"id": "1", "state": "failed", "reason": "internal", "filename": "a.wav"}
        return httpx.Response(202 if request.method == "POST" else 200, json=state)

    async with Client("http://test", httpx.MockTransport(answer)) as client:
        sample = Sample(recording=Path(__file__), reference=TEXT)
        with pytest.raises(ApiError, match="is failed: internal"):
            await hear(client, [sample], "new", None)
