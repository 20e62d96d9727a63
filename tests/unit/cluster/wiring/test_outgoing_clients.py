"""Every client of HTTP, S3 or SMTP in the service is known, with the reason why its address may be trusted."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
CLIENT = re.compile(
    r"httpx2?\.(?:Async)?Client\(|httpx2?\.(?:get|post|request|stream)\(|OAuth2Client\(|urlopen\("
    r"|socket\.create_connection\("
)
OTHER = re.compile(r"smtplib\.SMTP(?:_SSL)?\(|session\.Session\(|import (?:requests|aiohttp|urllib3)\b|urllib\.request")
# Where URLs come from outside, requests go to an address that was checked.
PINNED = {"deployments/sources/fetch.py", "deployments/notifications/webhooks.py"}
OF_THE_OPERATOR = {
    "deployments/auth/jwt.py": "jwks_url of the settings",
    "deployments/auth/oidc.py": "the identity provider of the settings, and the addresses that its own document names",
    "deployments/notifications/email.py": "the mail server of the settings",
    "pipelines/minutes/provider/http_client.py": "the language model of the settings",
    "pipelines/storage/s3_client.py": "endpoints of the settings, for the store and for source places",
}


def modules():
    return [path for room in ("deployments", "pipelines") for path in sorted((ROOT / room).rglob("*.py"))]


def test_clients_are_known():
    """A new client is either pinned or talks to what the operator has named; this list says which."""
    found = {
        str(path.relative_to(ROOT))
        for path in modules()
        if CLIENT.search(text := path.read_text()) or OTHER.search(text)
    }
    assert found == PINNED | set(OF_THE_OPERATOR)


@pytest.mark.parametrize("name", sorted(PINNED))
def test_urls_from_outside_are_pinned(name):
    """Such a client goes round no check: no proxy, no redirects of its own, requests made by `pinned_request` only."""
    text = (ROOT / name).read_text()
    assert len(CLIENT.findall(text)) == text.count("trust_env=False") == 1
    assert "follow_redirects" not in text
    assert "await pinned_request(" in text
    assert not re.search(r"client\.(?:get|post|request|stream|build_request)\(", text)
