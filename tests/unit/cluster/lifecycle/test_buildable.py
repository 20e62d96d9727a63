"""What replicas could not build is told before they start, in a sentence and not in a traceback."""

from pathlib import Path
from typing import Any

import pytest

from cluster.lifecycle.buildable import check_buildable, complaints_about
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError

SIGN_IN = {
    "http": {"public_url": "https://memo.example"},
    "auth": {"mode": "keys"},
    "oidc": {
        "issuer": "https://id.example",
        "client_id": "meetmemo",
        "grants": [{"group": "writers", "tenant": "acme", "role": "editor"}],
    },
}
NARROW = {"base_url": "http://gpu:8000/v1", "model": "llama3", "context_tokens": 2048}


def test_usual_settings_can_be_built(tmp_path: Path) -> None:
    """Neither the ledger nor the store need be there, and nothing is made."""
    home = tmp_path / "home"
    assert list(complaints_about(Settings(home=home))) == []
    assert not home.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"minutes": NARROW}, "2048 tokens with answers"),
        ({"models": [{"name": "base"}]}, "meetmemo models pull base"),
        ({"sources": [{"name": "c", "url": "ftp://x"}]}, "source c"),
        ({"twilio": [{"account": "AC" + "0" * 32, "auth_token": "NO_SUCH_TOKEN"}]}, "NO_SUCH_TOKEN"),
        ({"auth": {"mode": "jwt"}}, "MEETMEMO_JWT_SECRET"),
        (SIGN_IN, "MEETMEMO_OIDC_CLIENT_SECRET"),
        ({"webhooks": {"url": "https://hooks.example/"}}, "no secret to sign with"),
        ({"traces": {"file": "/no/such/folder/spans"}}, "/no/such/folder/spans"),
        ({"ledger_url": "mysql://x"}, "a ledger lives in"),
    ],
)
def test_each_fault_is_told(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    """A fault is named with what to do."""
    with pytest.raises(ConfigurationError, match=words):
        check_buildable(Settings.model_validate({"home": tmp_path, **settings}))


def test_all_at_once(tmp_path: Path) -> None:
    """Nobody mends one fault to meet the next."""
    settings = Settings.model_validate({"home": tmp_path, "minutes": NARROW, "auth": {"mode": "jwt"}})
    assert [section for section, _ in complaints_about(settings)] == ["auth", "minutes"]
