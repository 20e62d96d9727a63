"""What browsers say of a request: the host it is for, and the page that sent it."""

import socket

import pytest

from cluster.settings.settings import load_settings
from cluster.wiring.authentication import known_hosts
from deployments.http.middleware.hosts import host_of, is_known_host
from deployments.http.middleware.origins import is_cross_origin, origin_of
from pipelines.errors import ConfigurationError

NAMES = frozenset({"localhost", "memo.example"})


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("Localhost:8000", "localhost"),
        ("localhost.", "localhost"),
        ("localhost.:80", "localhost"),
        ("127.0.0.1:", "127.0.0.1"),
        ("[::1]:8000", "::1"),
        ("[::1]", "::1"),
        ("localhost@evil.example", "localhost@evil.example"),
    ],
)
def test_hosts_without_their_decoration(authority, host):
    """Port, brackets, capitals and the root's dot are not the name."""
    assert host_of(authority) == host


@pytest.mark.parametrize(
    "authority", ["localhost:8000", "MEMO.example", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "10.1.2.3", None, ""]
)
def test_names_of_the_server(authority):
    """Its names, any address, and requests of HTTP/1.0 that name none: no page's name resolves to an address."""
    assert is_known_host(authority, NAMES)


@pytest.mark.parametrize(
    "authority",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example:8000",
        "localhost@evil.example",
        "localhost:8000@evil.example",
        "evil.example#localhost",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "[::1",
        "notmemo.example",
        ".",
    ],
)
def test_names_of_others(authority):
    """A name that only resembles, contains or resolves to one of the server's is not one of them."""
    assert not is_known_host(authority, NAMES)


OWN = "http://localhost:8000"
PORTAL = "https://portal.example"


def sent(method, *, origin="", site="", host="localhost:8000", mode="", dest="", trusted=(PORTAL,)):
    headers = {
        "host": host,
        "origin": origin,
        "sec-fetch-site": site,
        "sec-fetch-mode": mode,
        "sec-fetch-dest": dest,
    }
    return is_cross_origin(method, {name: value for name, value in headers.items() if value}, frozenset(trusted))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ({}, False),  # curl, Twilio, a bucket
        ({"origin": OWN, "site": "same-origin"}, False),
        ({"site": "none"}, False),
        ({"origin": PORTAL, "site": "cross-site"}, False),
        ({"origin": "HTTPS://Portal.example"}, False),
        ({"origin": "https://evil.example", "site": "cross-site"}, True),
        ({"origin": "http://localhost:3000", "site": "same-site"}, True),  # another port
        ({"origin": "http://127.0.0.1:8000", "site": "cross-site"}, True),  # another name of the same server
        ({"origin": "null", "site": "cross-site"}, True),
        ({"site": "same-site"}, True),
        ({"origin": OWN, "site": "cross-site"}, True),  # the browser knows what the proxy hides
        # older browsers, and plain http to other than loopback addresses
        ({"origin": OWN}, False),
        ({"origin": "http://memo.example", "host": "memo.example"}, False),
        ({"origin": "http://memo.example", "host": "memo.example:80"}, False),
        ({"origin": "https://memo.example", "host": "memo.example"}, False),  # TLS ended in front
        ({"origin": "http://[::1]:8000", "host": "[::1]:8000"}, False),
        ({"origin": "http://localhost:3000"}, True),
        ({"origin": "http://memo.example:3000", "host": "memo.example"}, True),
        ({"origin": "http://memo.example", "host": "memo.example:8000"}, True),
        ({"origin": "https://evil.example"}, True),
        ({"origin": "https://localhost:8000.evil.example"}, True),
        ({"origin": "null"}, True),
        ({"origin": "null", "trusted": ("*",)}, True),
        ({"origin": "https://any.example", "site": "cross-site", "trusted": ("*",)}, False),
        ({"origin": "http://[::1", "host": "[::1"}, True),
        ({"origin": "http://localhost:99999"}, True),
    ],
    ids=str,
)
def test_writing(method, said, refused):
    """Pages of this server and of trusted origins may write, and whatever is no browser; other ports are foreign."""
    assert sent(method, **said) is refused


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ({}, False),
        ({"origin": "https://evil.example"}, False),  # the page cannot read the answer
        ({"site": "same-origin", "mode": "cors", "dest": "empty"}, False),
        ({"site": "none", "mode": "navigate", "dest": "document"}, False),
        ({"site": "cross-site", "mode": "navigate", "dest": "document"}, False),
        ({"site": "cross-site", "mode": "navigate", "dest": "iframe"}, True),
        ({"site": "cross-site", "mode": "no-cors", "dest": "image"}, True),
        ({"site": "same-site", "mode": "no-cors", "dest": "audio"}, True),
        ({"site": "cross-site", "mode": "cors", "dest": "empty", "origin": "https://evil.example"}, True),
        ({"site": "cross-site", "mode": "cors", "dest": "empty", "origin": PORTAL}, False),
    ],
    ids=str,
)
def test_reading(method, said, refused):
    """Links lead here from anywhere; what a foreign page only embeds is refused, before it holds a connection."""
    assert sent(method, **said) is refused


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Memo.example/", "https://memo.example"),
        ("https://memo.example:443/path", "https://memo.example"),
        ("http://memo.example:8080", "http://memo.example:8080"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_origins_of_urls(url, origin):
    """As browsers write them."""
    assert origin_of(url) == origin


def names(tmp_path, **env):
    env = {f"MEETMEMO_{name.upper()}": value for name, value in env.items()}
    return known_hosts(load_settings(env={"MEETMEMO_HOME": str(tmp_path), **env}))


def test_names_by_the_settings(tmp_path):
    """Without keys localhost and what host, public_url and allowed_hosts say; with keys only where some are listed."""
    assert names(tmp_path) == {"localhost", "127.0.0.1"}
    public = names(tmp_path, http__public_url="https://Memo.example:8443/x", http__allowed_hosts='["Proxy.lan."]')
    assert public == {"localhost", "127.0.0.1", "memo.example", "proxy.lan"}
    assert names(tmp_path, auth__mode="keys", http__host="0.0.0.0") is None
    listed = names(tmp_path, auth__mode="keys", http__host="memo.lan", http__allowed_hosts='["a.lan"]')
    assert {"localhost", "memo.lan", "a.lan"} <= listed
    behind = names(tmp_path, auth__allow_off_anywhere="true", http__host="0.0.0.0")
    assert {"localhost", socket.gethostname().lower()} <= behind


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"MEETMEMO_HTTP__CORS_ORIGINS": '["*"]'}, r"http\.cors_origins.*auth\.mode"),
        ({"MEETMEMO_HTTP__CORS_ORIGINS": '["null"]'}, "cors_origins"),
        ({"MEETMEMO_HTTP__CORS_ORIGINS": '["https://portal.example/page"]'}, "cors_origins"),
        ({"MEETMEMO_HTTP__ALLOWED_HOSTS": '["https://memo.example"]'}, "allowed_hosts"),
        ({"MEETMEMO_HTTP__ALLOWED_HOSTS": '["memo.example:8000"]'}, "allowed_hosts"),
        ({"MEETMEMO_HTTP__ALLOWED_HOSTS": '["*"]'}, "allowed_hosts"),
    ],
    ids=str,
)
def test_settings_that_would_let_everybody_in(tmp_path, env, words):
    """Without keys no page may be everybody's; an entry that matches no browser's header is a mistake."""
    with pytest.raises(ConfigurationError, match=words):
        load_settings(env={"MEETMEMO_HOME": str(tmp_path), **env})


def test_origins_are_written_as_browsers_do(tmp_path):
    """A slash at the end and capitals are no reason to refuse a page; with keys every page may be let in."""
    env = {"MEETMEMO_HOME": str(tmp_path), "MEETMEMO_HTTP__CORS_ORIGINS": '["https://Portal.example/"]'}
    assert load_settings(env=env).http.cors_origins == ("https://portal.example",)
    every = {**env, "MEETMEMO_HTTP__CORS_ORIGINS": '["*"]', "MEETMEMO_AUTH__MODE": "keys"}
    assert load_settings(env=every).http.cors_origins == ("*",)
