"""``meetmemo voices`` against an API that a test plays."""

import base64
import json

import httpx
import pytest
from typer.testing import CliRunner

from cluster.cli.main import app
from cluster.client.http import Client

VOICE = {
    "id": "v1",
    "name": "Ann [Lee]",
    "consent_by": "Ann",
    "consent_at": "2026-11-02T10:00:00Z",
    "created_at": "2026-11-02T10:00:00Z",
}
RECEIPT = {"id": "v1", "deleted_at": "2026-11-03T10:00:00Z", "record_sha256": "ab" * 32, "gone": True}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """What the API was asked: method, path, body."""
    asked: list[tuple[str, str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, request.url.path, request.read().decode("utf-8", "replace")))
        if request.method == "DELETE":
            return httpx.Response(200, json=RECEIPT)
        return httpx.Response(200, json=VOICE if request.method == "POST" else {"voices": [VOICE]})

    begin = Client.__init__
    monkeypatch.setattr(Client, "__init__", lambda self, url: begin(self, url, httpx.MockTransport(answer)))
    return asked


def run(*arguments: str) -> str:
    done = CliRunner().invoke(
        app, ["voices", *arguments, *(["--url", "http://x"] if arguments[0] != "new-key" else [])]
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_a_voice_is_enrolled_from_a_clip(asked: list[tuple[str, str, str]], tmp_path) -> None:
    """With whose consent, and the clip itself."""
    clip = tmp_path / "ann.wav"
    clip.write_bytes(b"RIFF clip")
    assert "the voice of Ann [Lee] is known" in run("enrol", str(clip), "--name", "Ann [Lee]", "--consent-by", "Ann")
    ((method, path, body),) = asked
    assert (method, path) == ("POST", "/v1/voices")
    assert all(part in body for part in ("Ann [Lee]", "consent_by", "RIFF clip"))


def test_a_voice_is_enrolled_from_a_job(asked: list[tuple[str, str, str]]) -> None:
    """One of its speakers; a clip beside it is too much, and neither too little."""
    given = ["enrol", "--name", "Ann", "--consent-by", "Ann", "--job", "j", "--speaker", "Speaker 1"]
    assert json.loads(run(*given, "--json")) == VOICE
    assert "Speaker 1" in asked[0][2]
    assert CliRunner().invoke(app, ["voices", *given[:5], "--url", "http://x"]).exit_code != 0
    assert len(asked) == 1


def test_voices_are_listed_and_deleted(asked: list[tuple[str, str, str]]) -> None:
    """The receipt is printed."""
    assert "Ann [Lee]" in run("list")
    assert "ab" * 32 in run("delete", "v1")
    assert asked[1][:2] == ("DELETE", "/v1/voices/v1")


def test_a_key_is_32_bytes() -> None:
    """Another one each time."""
    first, second = (base64.b64decode(run("new-key")) for _ in range(2))
    assert len(first) == len(second) == 32
    assert first != second
