"""The command line's client of the HTTP API."""

import httpx
import pytest

from cluster.client.http import ApiError, Client


def answering(status, body):
    seen = []

    def answer(request):
        seen.append(request)
        return httpx.Response(status, json=body)

    return httpx.MockTransport(answer), seen


@pytest.mark.parametrize("where", ["environment", "file"])
async def test_the_key_is_sent(monkeypatch, tmp_path, where):
    """From MEETMEMO_API_KEY, or from the file that MEETMEMO_API_KEY_FILE names."""
    (tmp_path / "key").write_text("mm_secret\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MEETMEMO_API_KEY", raising=False)
    if where == "environment":
        monkeypatch.setenv("MEETMEMO_API_KEY", "mm_secret")
    else:
        monkeypatch.setenv("MEETMEMO_API_KEY_FILE", str(tmp_path / "key"))
    transport, seen = answering(200, {"jobs": []})
    async with Client("http://meetmemo.test", transport) as client:
        await client.jobs({})
    assert seen[0].headers["authorization"] == "Bearer mm_secret"


async def test_no_key_no_header(monkeypatch, tmp_path):
    """Nothing is sent where there is no key, and what the server says against it is told."""
    monkeypatch.chdir(tmp_path)
    for name in ("MEETMEMO_API_KEY", "MEETMEMO_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    transport, seen = answering(401, {"detail": "Send an API key.", "reason": "unauthenticated"})
    async with Client("http://meetmemo.test", transport) as client:
        with pytest.raises(ApiError, match="Send an API key") as refusal:
            await client.jobs({})
    assert (refusal.value.code, refusal.value.status) == ("unauthenticated", 401)
    assert "authorization" not in seen[0].headers
