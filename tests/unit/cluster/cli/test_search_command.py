"""`meetmemo search`: what it asks for, and how it shows what was found."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.cli.main import app
from cluster.client.http import Client

HIT = {
    "job_id": "j1",
    "filename": "[red]call.wav",
    "start_s": 83.4,
    "speaker": "Ann",
    "kind": "speech",
    "text": [{"text": "the ", "match": False}, {"text": "budget", "match": True}],
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    async def search(_: Client, params: dict[str, Any]) -> dict[str, Any]:
        asked.append(params)
        return {"hits": [HIT], "total": 7, "more": False, "pending": 2, "next": None}

    async def rebuild_search(_: Client) -> dict[str, Any]:
        return {"pending": 3}

    monkeypatch.setattr(Client, "search", search)
    monkeypatch.setattr(Client, "rebuild_search", rebuild_search)
    return asked


def run(*arguments: str) -> str:
    outcome = CliRunner().invoke(app, [*arguments, "--url", "http://127.0.0.1:1"], env={"COLUMNS": "200"})
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def test_a_search(asked: list[dict[str, Any]]) -> None:
    """Words and filters are sent as the API takes them, and hits are shown with minute, speaker and passage."""
    told = run("search", "budget", "plan*", "--speaker", "Ann", "--in", "minutes", "--metadata", "room=7", "--newest")
    assert asked == [
        {
            "q": "budget plan*",
            "speaker": "Ann",
            "within": "minutes",
            "metadata": ["room=7"],
            "sort": "newest",
            "limit": 20,
        }
    ]
    for words in ("[red]call.wav", "1:23", "Ann", "the budget", "1 of 7 hits, 2 jobs still to be indexed"):
        assert words in told


def test_periods(asked: list[dict[str, Any]]) -> None:
    """A day is sent as a time with its zone."""
    run("search", "x", "--since", "2026-11-01", "--before", "2026-11-02", "--json")
    assert asked[0]["created_after"] == "2026-11-01T00:00:00+00:00"
    assert asked[0]["created_before"] == "2026-11-02T00:00:00+00:00"


def test_json(asked: list[dict[str, Any]]) -> None:
    """With --json the answer comes as it is."""
    assert json.loads(run("search", "x", "--json"))["hits"] == [HIT]


def test_reindex(asked: list[dict[str, Any]]) -> None:
    """It tells how many jobs are to be indexed."""
    assert "3 jobs" in run("reindex")
