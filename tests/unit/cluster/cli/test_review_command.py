"""`meetmemo review`: what it asks for, what it marks, and how it shows the queue."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.cli.main import app
from cluster.client.http import Client

ITEM = {
    "id": "j1.0.83400-140000",
    "filename": "[red]call.wav",
    "start_s": 83.4,
    "end_s": 140.0,
    "score": 0.456,
    "reasons": ["name", "suspect"],
    "text": "Call Katrin",
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    asked: list[Any] = []

    async def review(_: Client, params: dict[str, Any]) -> dict[str, Any]:
        asked.append(params)
        return {"items": [ITEM], "open": 12, "open_s": 300.0, "done": 3, "next": None}

    async def mark_reviewed(_: Client, item_id: str, *, done: bool = True) -> dict[str, Any]:
        asked.append((item_id, done))
        return ITEM

    monkeypatch.setattr(Client, "review", review)
    monkeypatch.setattr(Client, "mark_reviewed", mark_reviewed)
    return asked


def run(*arguments: str) -> str:
    outcome = CliRunner().invoke(app, [*arguments, "--url", "http://127.0.0.1:1"], env={"COLUMNS": "200"})
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_the_queue(asked: list[Any]) -> None:
    """Filters are sent as the API takes them; items are shown with file, times, score, reasons and text."""
    told = run("review", "--job", "j1", "--reason", "name", "--show-done", "--limit", "5")
    assert asked == [{"job": "j1", "reason": "name", "done": "true", "limit": 5}]
    for words in ("[red]call.wav", "1:23", "2:20", "0.46", "name, suspect", "Call Katrin", "12 to hear (5:00), 3 done"):
        assert words in told


def test_marks(asked: list[Any]) -> None:
    """Items are marked before the queue is read."""
    run("review", "--done", "a", "--done", "b", "--undone", "c")
    assert asked == [("a", True), ("b", True), ("c", False), {"limit": 20}]


def test_json(asked: list[Any]) -> None:
    """A program gets the answer of the API."""
    assert json.loads(run("review", "--json"))["items"] == [ITEM]
    assert asked == [{"limit": 20}]
