"""Settings of the sign-in at an identity provider: which hold, and which would let in the wrong people."""

import copy
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from cluster.lifecycle.doctor import Finding, examine
from cluster.settings.secrets import OIDC_SECRET
from cluster.settings.settings import Settings
from cluster.wiring.sign_in import build_sign_in
from deployments.auth.roles import Role

SECRET = "a client secret of the provider's"
RIGHT: dict[str, Any] = {
    "http": {"public_url": "https://memo.example/stt"},
    "auth": {"mode": "keys"},
    "oidc": {
        "issuer": "https://id.example/realms/acme",
        "client_id": "meetmemo",
        "grants": [{"group": "writers", "tenant": "acme", "role": "editor"}],
    },
}


def settings_with(home: Path, **changes: Any) -> Settings:
    """Settings with sections changed; None takes a value out."""
    values = copy.deepcopy(RIGHT)
    for section, changed in changes.items():
        values[section] |= changed
        values[section] = {name: value for name, value in values[section].items() if value is not None}
    return Settings.model_validate({"home": home, **values})


def test_sign_in_is_built_of_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the public URL, under the issuer's host for a name, with times in seconds."""
    monkeypatch.setenv(OIDC_SECRET, SECRET)
    sections = {
        "oidc": {"lifetime_h": 10, "idle_h": 0.5, "groups_h": 1, "sign_ins_per_min": 7},
        "http": {"n_proxies": 2},
    }
    sign_in = build_sign_in(settings_with(tmp_path, **sections))
    assert sign_in is not None
    assert sign_in.name == "id.example"
    assert sign_in.cookies.session_name == "__Secure-meetmemo_session"
    assert (sign_in.sessions.rules.lifetime_s, sign_in.sessions.rules.idle_s) == (36_000.0, 1800.0)
    assert (sign_in.sessions.rules.groups_s, sign_in.visits.limits.in_all) == (3600.0, 7)
    assert (sign_in.visits.limits.per_address, sign_in.visits.limits.n_proxies) == (120, 2)
    assert sign_in.sessions.grants.memberships(["writers"]) == {"acme": Role.EDITOR}


def test_without_an_issuer_nobody_signs_in(tmp_path: Path) -> None:
    """And no secret is needed."""
    assert build_sign_in(Settings(home=tmp_path)) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"auth": {"mode": "off"}}, "needs auth.mode"),
        ({"http": {"public_url": None}}, "needs http.public_url"),
        ({"oidc": {"issuer": "http://id.example"}}, "must be an https URL"),
        ({"oidc": {"issuer": "http://127.0.0.1.evil.example"}}, "must be an https URL"),
        ({"oidc": {"issuer": "https://login.microsoftonline.com/common/v2.0"}}, "your own tenant"),
        ({"oidc": {"issuer": "https://login.microsoftonline.com/organizations/v2.0"}}, "your own tenant"),
        ({"oidc": {"sign_ins_per_min": 0}}, "greater than or equal to 1"),
        ({"oidc": {"client_id": None}}, "needs oidc.client_id"),
        ({"oidc": {"scopes": ["profile"]}}, "must hold openid"),
        ({"oidc": {"grants": None}}, "needs oidc.grants"),
        ({"oidc": {"grants": [{"group": "*", "tenant": "acme", "role": "reader"}]}}, "name oidc.domains"),
        ({"oidc": {"grants": [{"group": "w", "tenant": "Acme!", "role": "reader"}]}}, "no tenant's name"),
        ({"oidc": {"grants": [{"group": "w", "tenant": "acme", "role": "owner"}]}}, "'reader', 'editor'"),
        ({"oidc": {"client_secret": SECRET}}, "Extra inputs"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_settings_that_are_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    """Each for a reason in words; the secret never stands among them."""
    with pytest.raises(ValidationError, match=words):
        settings_with(tmp_path, **changes)


def test_everybody_of_a_domain(tmp_path: Path) -> None:
    """May have a role, for the domain bounds who that is."""
    changes = {"grants": [{"group": "*", "tenant": "acme", "role": "reader"}], "domains": ["ACME.example"]}
    assert settings_with(tmp_path, oidc=changes).oidc.domains == ("acme.example",)


@pytest.fixture
def issuer() -> Iterator[str]:
    """A discovery document, under the issuer that it names and under another."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            base = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
            body = {"issuer": base, "scopes_supported": ["openid", "profile"], **dict.fromkeys(names, base)}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def found(settings: Settings) -> dict[str, Finding]:
    """What `meetmemo doctor` finds, by subject."""
    return {finding.subject: finding for finding in examine(settings)}


def test_doctor_asks_the_provider(tmp_path: Path, issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it answers, what it does not know, and the redirect URI to register there; secrets are not told."""
    monkeypatch.setenv(OIDC_SECRET, SECRET)
    findings = found(settings_with(tmp_path, oidc={"issuer": issuer}))
    assert findings["identity provider"].status == "ok"
    assert (findings["oidc.scopes"].status, findings["sign-in"].status) == ("note", "ok")
    assert "email" in findings["oidc.scopes"].detail
    assert "https://memo.example/stt/auth/callback" in findings["sign-in"].detail
    plain = settings_with(tmp_path, oidc={"issuer": issuer}, http={"public_url": "http://memo.example"})
    assert found(plain)["sign-in"].status == "note"


def test_doctor_finds_a_provider_that_is_another(tmp_path: Path, issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slash too much is another issuer; so is nobody at all. Where nobody signs in there is nothing to find."""
    monkeypatch.setenv(OIDC_SECRET, SECRET)
    for wrong in (f"{issuer}/", "http://127.0.0.1:9"):
        finding = found(settings_with(tmp_path, oidc={"issuer": wrong}))["identity provider"]
        assert finding.status == "bad"
        assert "oidc.issuer" in finding.mend
    assert "identity provider" not in found(Settings(home=tmp_path))
