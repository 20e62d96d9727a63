"""API keys and JSON Web Tokens: who is authenticated, who is not, and how often the database is asked."""

import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cluster.settings.settings import load_settings
from cluster.wiring.authentication import build_authenticator
from deployments.auth.api_keys import ApiKeyAuthenticator
from deployments.auth.authenticators import ApiKeyOrJwtAuthenticator, MetricsTokenAuthenticator, NoAuthentication
from deployments.auth.jwt import JwtAuthenticator, JwtRules, PublishedKeys, SharedSecret
from pipelines.errors import ConfigurationError, LedgerUnavailable, TimedOut, Unauthenticated
from pipelines.ledger.credentials.api_keys import ALL_SCOPES, JOB_SCOPES, Scope, new_key
from pipelines.storage.layout import RESERVED_TENANTS
from tests.fakes.api_keys import OPERATOR, MemoryKeys
from tests.fakes.ledger import ManualClock

SECRET = "a secret that is long enough for HS256"


@pytest.fixture
def keys():
    return MemoryKeys()


@pytest.fixture
def clock():
    return ManualClock()


def issue(keys, clock, **options):
    key, token = new_key(**{"tenant": "acme", "scopes": JOB_SCOPES, "name": "", "now_s": clock(), **options})
    keys.add(key, OPERATOR)
    return key, token


# Keys


async def test_a_key_opens_its_tenant(keys, clock):
    """The principal has the key's tenant and scopes, and its use is noted."""
    key, token = issue(keys, clock)
    principal = await ApiKeyAuthenticator(keys, clock=clock).authenticate(token)
    assert (principal.tenant, principal.scopes, principal.key_id) == ("acme", JOB_SCOPES, key.id)
    assert keys.find(key.id).last_used_at_s == clock()


async def test_the_database_is_asked_once(keys, clock):
    """A hundred requests of a key within its freshness are one look-up."""
    _, token = issue(keys, clock)
    authenticator = ApiKeyAuthenticator(keys, clock=clock, fresh_s=60.0)
    for _ in range(100):
        await authenticator.authenticate(token)
    assert keys.n_finds == 1


async def test_a_revoked_key_is_refused_once_it_is_stale(keys, clock):
    """The cache forgets; nobody has to tell it."""
    key, token = issue(keys, clock)
    authenticator = ApiKeyAuthenticator(keys, clock=clock, fresh_s=0.0)
    await authenticator.authenticate(token)
    keys.revoke(key.id, clock(), OPERATOR)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(token)


async def test_an_expired_key_is_refused_even_from_the_cache(keys, clock):
    """Its end is known, so no look-up is needed for it."""
    _, token = issue(keys, clock, lifetime_s=10.0)
    authenticator = ApiKeyAuthenticator(keys, clock=clock, fresh_s=60.0)
    await authenticator.authenticate(token)
    clock.advance(10.0)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(token)


async def test_wrong_keys(keys, clock):
    """None, nonsense, an unknown id, the right id with another secret: all the same to whoever tries."""
    key, token = issue(keys, clock)
    authenticator = ApiKeyAuthenticator(keys, clock=clock)
    other = new_key(tenant="acme", scopes=JOB_SCOPES, name="", now_s=0.0)[1]
    forged = token[:-4] + ("aaaa" if not token.endswith("aaaa") else "bbbb")
    for wrong in (None, "", "nonsense", "\ud800", other, forged):
        with pytest.raises(Unauthenticated) as refusal:
            await authenticator.authenticate(wrong)
        assert key.id not in str(refusal.value)


async def test_a_database_that_is_away_is_an_outage(keys, clock):
    """Not a refusal: the client is to come again."""
    _, token = issue(keys, clock)
    keys.outage = "away"
    with pytest.raises(LedgerUnavailable):
        await ApiKeyAuthenticator(keys, clock=clock).authenticate(token)


# JSON Web Tokens


def claims(**more):
    return {"exp": time.time() + 60, "tenant": "acme", "scope": "jobs:read jobs:write other", "sub": "u1", **more}


def signed(secret=SECRET, algorithm="HS256", headers=None, **more):
    return jwt.encode(claims(**more), secret, algorithm=algorithm, headers=headers)


@pytest.fixture
def authenticator():
    return JwtAuthenticator(SharedSecret(SECRET), JwtRules(issuer="https://id.example", audience="meetmemo"))


RIGHT = {"iss": "https://id.example", "aud": "meetmemo"}


async def test_a_token_opens_its_tenant(authenticator):
    """Tenant and scopes come from its claims; scopes of others are passed over."""
    principal = await authenticator.authenticate(signed(**RIGHT))
    assert (principal.tenant, principal.scopes, principal.key_id) == ("acme", JOB_SCOPES, "jwt:u1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"exp": time.time() - 3600},
        {"exp": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"tenant": "../other"},
        {"tenant": None},
        {"tenant": ["acme"]},
        {"nbf": time.time() + 3600},
    ],
    ids=", ".join,  # without the values: times differ between the processes that share the tests
)
async def test_a_token_with_a_wrong_claim_is_refused(authenticator, wrong):
    """Expired or endless, of another issuer or audience, of no tenant, not yet valid."""
    said = {name: value for name, value in {**claims(), **RIGHT, **wrong}.items() if value is not None}
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(jwt.encode(said, SECRET, algorithm="HS256"))


async def test_a_token_that_is_not_signed_rightly_is_refused(authenticator):
    """Not at all, with another secret, with an algorithm that was not chosen, or mutilated."""
    unsigned = jwt.encode({**claims(), **RIGHT}, "", algorithm="none")
    for wrong in (
        unsigned,
        signed("another secret that is long enough as well", **RIGHT),
        signed(SECRET * 2, algorithm="HS512", **RIGHT),
        signed(**RIGHT)[:-3],
        "a.b.c",
        "x" * 20_000,
        "\ud800",
        None,
    ):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(wrong)


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
async def test_types_of_tokens_that_open(authenticator, kind):
    """Access tokens, as providers mark them or do not."""
    assert (await authenticator.authenticate(signed(headers={"typ": kind}, **RIGHT))).tenant == "acme"


@pytest.mark.parametrize("kind", ["logout+jwt", "secevent+jwt", "dpop+jwt", "application/logout+jwt"])
async def test_tokens_for_something_else_are_refused(authenticator, kind):
    """The same keys sign them, but nobody was given them to enter with."""
    with pytest.raises(Unauthenticated, match="type"):
        await authenticator.authenticate(signed(headers={"typ": kind}, **RIGHT))


@pytest.mark.parametrize("tenant", [*sorted(RESERVED_TENANTS), "", "Acme", "acme/x", "..", True, {"a": "b"}])
async def test_a_claim_that_names_no_tenant(authenticator, tenant):
    """Nor what the store keeps beside the tenants."""
    with pytest.raises(Unauthenticated, match="names no tenant"):
        await authenticator.authenticate(signed(**{**RIGHT, "tenant": tenant}))


async def test_a_token_of_nobody_in_particular(authenticator):
    """A service may have tokens without a subject; what it may do is in the other claims."""
    said = {name: value for name, value in {**claims(), **RIGHT}.items() if name != "sub"}
    assert (await authenticator.authenticate(jwt.encode(said, SECRET, algorithm="HS256"))).key_id == "jwt:"


def test_a_short_secret_is_refused():
    """One that could be guessed from a single token."""
    with pytest.raises(ConfigurationError):
        SharedSecret("secret")


class Provider:
    """An identity provider that publishes a key and counts how often it is asked."""

    def __init__(self):
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.n_asked = 0
        self.broken = False

    @property
    def public_pem(self):
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    async def __call__(self, scope, receive, send):
        self.n_asked += 1
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key()))
        shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}
        body = json.dumps({"keys": [{**jwk, "kid": "k1", "use": "sig"}, shared]}).encode()
        await send({"type": "http.response.start", "status": 500 if self.broken else 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


async def test_published_keys(real_server):
    """Tokens of the provider open; confusion of algorithms, unknown keys and shared ones do not, and cost no fetch."""
    provider = Provider()
    async with real_server(provider) as url:
        authenticator = JwtAuthenticator(PublishedKeys(f"{url}/jwks"), JwtRules())
        assert (await authenticator.authenticate(signed(provider.private, "RS256", {"kid": "k1"}))).tenant == "acme"
        # The classic attack: the published key as the secret of an HMAC. PyJWT would not even make such a token.
        head, body = (
            jwt.utils.base64url_encode(json.dumps(part).encode())
            for part in ({"alg": "HS256", "kid": "k1", "typ": "JWT"}, claims())
        )
        signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
            head + b"." + body, provider.public_pem
        )
        confused = b".".join((head, body, jwt.utils.base64url_encode(signature))).decode()
        for wrong in (
            confused,
            signed(provider.private, "RS256", {"kid": "k2"}),
            signed(provider.private, "RS256"),
            signed("secret" * 8, "HS256", {"kid": "shared"}),
        ):
            with pytest.raises(Unauthenticated):
                await authenticator.authenticate(wrong)
        assert provider.n_asked == 1


async def test_a_provider_that_is_away_is_an_outage(real_server):
    """Nobody can tell whether the token is right: come again."""
    provider = Provider()
    provider.broken = True
    async with real_server(provider) as url:
        with pytest.raises(TimedOut):
            await JwtAuthenticator(PublishedKeys(url), JwtRules()).authenticate(
                signed(provider.private, "RS256", {"kid": "k1"})
            )


@pytest.mark.parametrize("url", ["http://id.example/jwks", "file:///etc/passwd", "id.example"])
def test_keys_are_fetched_safely(url):
    """What is fetched in the clear could be anybody's."""
    with pytest.raises(ConfigurationError):
        PublishedKeys(url)


# Which authenticator


async def test_both_kinds_at_one_door(keys, clock):
    """A key is known by its form; everything else is taken for a token."""
    _, token = issue(keys, clock)
    authenticator = ApiKeyOrJwtAuthenticator(
        keys=ApiKeyAuthenticator(keys, clock=clock), tokens=JwtAuthenticator(SharedSecret(SECRET), JwtRules())
    )
    assert (await authenticator.authenticate(token)).key_id != "jwt:u1"
    assert (await authenticator.authenticate(signed())).key_id == "jwt:u1"
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(None)


async def test_the_scrapers_token(keys, clock):
    """Opens the metrics and nothing else; keys work as ever."""
    authenticator = MetricsTokenAuthenticator("scrape-me", ApiKeyAuthenticator(keys, clock=clock))
    assert (await authenticator.authenticate("scrape-me")).scopes == {Scope.METRICS}
    assert (await authenticator.authenticate(issue(keys, clock, scopes=ALL_SCOPES)[1])).scopes == ALL_SCOPES
    for wrong in ("scrape-m", None):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(wrong)


def settings_with(tmp_path, **env):
    return load_settings(env={"MEETMEMO_HOME": str(tmp_path), **env})


PROVIDED = {
    "MEETMEMO_AUTH__JWKS_URL": "https://id.example/jwks",
    "MEETMEMO_AUTH__JWT_ISSUER": "https://id.example",
    "MEETMEMO_AUTH__JWT_AUDIENCE": "meetmemo",
}


@pytest.mark.parametrize("mode", ["jwt", "both"])
@pytest.mark.parametrize("missing", ["MEETMEMO_AUTH__JWT_ISSUER", "MEETMEMO_AUTH__JWT_AUDIENCE"])
def test_a_providers_other_applications_are_kept_out(tmp_path, keys, mode, missing):
    """Its keys sign their tokens too: without issuer and audience the settings are refused, with both they hold."""
    settings = {**PROVIDED, "MEETMEMO_AUTH__MODE": mode}
    assert type(build_authenticator(settings_with(tmp_path, **settings), keys, dict).behind) in (
        JwtAuthenticator,
        ApiKeyOrJwtAuthenticator,
    )
    del settings[missing]
    with pytest.raises(ConfigurationError, match=r"auth\.jwks_url needs auth\.jwt_issuer and auth\.jwt_audience"):
        settings_with(tmp_path, **settings)
    assert settings_with(tmp_path, **{**settings, "MEETMEMO_AUTH__MODE": "keys"}).auth.jwks_url


async def test_a_providers_tokens_at_the_door_of_the_settings(tmp_path, keys, real_server):
    """The authenticator that settings build takes the token that is for this server and none of the others."""
    provider = Provider()
    async with real_server(provider) as url:
        settings = {**PROVIDED, "MEETMEMO_AUTH__MODE": "jwt", "MEETMEMO_AUTH__JWKS_URL": f"{url}/jwks"}
        authenticator = build_authenticator(settings_with(tmp_path, **settings), keys, dict)

        async def authenticate(**said):
            return await authenticator.authenticate(signed(provider.private, "RS256", {"kid": "k1"}, **said))

        assert (await authenticate(**RIGHT)).tenant == "acme"
        assert (await authenticate(**{**RIGHT, "aud": ["other", "meetmemo"]})).tenant == "acme"
        for other in ({}, {**RIGHT, "aud": "wiki"}, {**RIGHT, "iss": "https://id.example/other"}):
            with pytest.raises(Unauthenticated):
                await authenticate(**other)


@pytest.mark.parametrize(
    ("mode", "env", "kind"),
    [
        ("off", {}, NoAuthentication),
        ("keys", {}, ApiKeyAuthenticator),
        ("jwt", {"MEETMEMO_JWT_SECRET": SECRET}, JwtAuthenticator),
        ("both", {"MEETMEMO_JWT_SECRET": SECRET}, ApiKeyOrJwtAuthenticator),
    ],
)
def test_the_door_that_is_configured(tmp_path, keys, mode, env, kind):
    """Each mode has its authenticator."""
    chosen = settings_with(tmp_path, MEETMEMO_AUTH__MODE=mode)
    assert type(build_authenticator(chosen, keys, lambda: env).behind) is kind


async def test_secrets_are_read_when_they_are_used(tmp_path, keys):
    """A token of Prometheus' that appears, a secret of tokens that is rotated: no restart; a bad one lets nobody in."""
    env = {"MEETMEMO_JWT_SECRET": SECRET}
    chosen = settings_with(tmp_path, MEETMEMO_AUTH__MODE="jwt")
    authenticator = build_authenticator(chosen, keys, lambda: env)
    token = jwt.encode({"tenant": "acme", "exp": time.time() + 60}, SECRET, "HS256")
    assert (await authenticator.authenticate(token)).tenant == "acme"
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate("scrape-me")
    env["MEETMEMO_METRICS_TOKEN"] = "scrape-me"
    assert (await authenticator.authenticate("scrape-me")).key_id == "metrics"
    for secret in ("another" * 8, "short", ""):
        env["MEETMEMO_JWT_SECRET"] = secret
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(token)


@pytest.mark.parametrize(
    ("env", "settings"),
    [
        ({}, {}),
        ({"MEETMEMO_JWT_SECRET": "short"}, {}),
        ({"MEETMEMO_JWT_SECRET": SECRET}, PROVIDED),
    ],
)
def test_a_door_that_cannot_be_built(tmp_path, keys, env, settings):
    """Tokens without a key to check them, with a weak one, or with two."""
    chosen = settings_with(tmp_path, MEETMEMO_AUTH__MODE="jwt", **settings)
    with pytest.raises(ConfigurationError):
        build_authenticator(chosen, keys, lambda: env)
