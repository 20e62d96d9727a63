"""Signing in at an identity provider: the flow, what a session may do, and everything that may go wrong."""

import contextlib
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from deployments.auth import oidc
from deployments.auth.api_keys import ApiKeyAuthenticator
from deployments.auth.attempt_cookie import LIFETIME_S
from deployments.auth.authenticators import Principal
from deployments.auth.sessions import GRACE_S, ROTATE_S
from deployments.http.sessions.own_page import OWN_PAGE
from pipelines.ledger.credentials.api_keys import JOB_SCOPES, new_key
from tests.fakes.api_keys import OPERATOR, MemoryKeys
from tests.fakes.ledger import ManualClock
from tests.fakes.sessions import MemorySessions
from tests.servers.scripted_provider import ScriptedProvider
from tests.support.sign_in import REFUSAL, sign_in_at

HOME = "https://memo.example"
CONSOLE = {OWN_PAGE: "1", "origin": HOME, "sec-fetch-site": "same-origin"}
PAGE = {"accept": "text/html,*/*;q=0.8"}


class Site:
    """A server, its provider and one browser, which keeps cookies as they are set."""

    def __init__(self, make_api, provider, store):
        self.make_api, self.provider, self.store = make_api, provider, store
        self.clock = provider.clock = ManualClock()
        self.keys = MemoryKeys()

    async def start(self, public_url=HOME, **options):
        self.api = await self.make_api(
            authenticator=ApiKeyAuthenticator(self.keys),
            sign_in=sign_in_at(self.provider.issuer, public_url, self.store, clock=self.clock, fresh_s=0.0, **options),
            public_url=public_url,
            refuse_cross_site=False,
        )
        self.browser = self.another_browser(public_url)
        return self

    def another_browser(self, public_url=HOME):
        prefix = urlsplit(public_url).path
        outer = self.api.app

        async def app(scope, receive, send):  # as a proxy that takes the prefix off
            inside = {**scope, "path": scope["path"].removeprefix(prefix)} if scope["type"] == "http" else scope
            await outer(inside, receive, send)

        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=public_url)

    async def begin(self, browser=None, **parameters):
        """Go to sign in; return what the provider is asked."""
        answer = await (browser or self.browser).get("auth/login", params=parameters)
        assert answer.status_code == 303, answer.text
        asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
        return {**asked, "at": answer.headers["location"].partition("?")[0]}

    async def come_back(self, asked, browser=None, headers=PAGE, **more):
        """Come back from the provider, where the person agreed."""
        answers = {"code": self.provider.grant(asked), "state": asked["state"], **more}
        return await (browser or self.browser).get("auth/callback", params=answers, headers=headers)

    async def sign_in(self, browser=None, **parameters):
        return await self.come_back(await self.begin(browser, **parameters), browser)


@pytest.fixture
def provider():
    return ScriptedProvider()


@pytest.fixture
async def site(make_api, provider, real_server, monkeypatch):
    monkeypatch.setattr(oidc, "TIMEOUT_S", 60.0)  # a machine that is busy with other things
    async with contextlib.AsyncExitStack() as stack:
        provider.issuer = await stack.enter_async_context(real_server(provider.app))
        site = Site(make_api, provider, MemorySessions())
        yield await site.start()
        await site.browser.aclose()


def cookies_of(answer):
    """The cookies that an answer sets, by name without prefix."""
    found = {}
    for line in answer.headers.get_list("set-cookie"):
        for name, morsel in SimpleCookie(line).items():
            found[name.removeprefix("__Host-").removeprefix("__Secure-")] = morsel
    return found


def led_to(answer):
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def problem(answer):
    return answer.status_code, answer.json()["reason"]


async def test_a_person_signs_in(site):
    """To the page that was asked for; then the console's requests are theirs, without a key."""
    asked = await site.begin(to="/jobs/abc/12")
    assert asked["at"] == f"{site.provider.issuer}/authorize"
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == f"{HOME}/auth/callback"
    assert asked["code_challenge_method"] == "S256"
    assert set(asked["scope"].split()) >= {"openid", "groups"}
    assert led_to(await site.come_back(asked)) == f"{HOME}/#/jobs/abc/12"
    me = (await site.browser.get("v1/me", headers=CONSOLE)).json()
    assert (me["actor"], me["name"], me["tenant"], me["role"]) == ("user:emil", "Emil Editor", "acme", "editor")
    assert me["tenants"] == [{"tenant": "acme", "role": "editor"}, {"tenant": "lab", "role": "reader"}]
    assert (await site.browser.get("v1/jobs", headers=CONSOLE)).status_code == 200


async def test_the_cookies_of_a_session(site):
    """No script reads them, no network, no other site's page; the token is in no address and nowhere in the ledger."""
    answer = await site.sign_in()
    found = cookies_of(answer)
    session = found["meetmemo_session"]
    assert (session["httponly"], session["secure"], session["samesite"], session["path"]) == (True, True, "strict", "/")
    assert "__Host-meetmemo_session" in site.browser.cookies
    assert found["meetmemo_hint"]["path"] == "/auth/logout"
    assert session.value not in led_to(answer)
    assert session.value not in repr(site.store.kept)
    attempt = cookies_of(await site.browser.get("auth/login"))
    [(name, morsel)] = attempt.items()
    assert name.startswith("meetmemo_sign_in_")
    assert (morsel["httponly"], morsel["secure"], morsel["samesite"]) == (True, True, "lax")
    assert morsel["path"] == "/auth/callback"
    assert int(morsel["max-age"]) == LIFETIME_S


@pytest.mark.parametrize(
    ("public_url", "secure", "path", "name"),
    [
        ("https://memo.example/stt", True, "/stt", "__Secure-meetmemo_session"),
        ("http://127.0.0.1:8000", "", "/", "meetmemo_session"),
    ],
)
async def test_under_a_prefix_and_without_tls(site, public_url, secure, path, name):
    """Cookies and addresses are those of the public URL, whatever the server behind the proxy sees."""
    await site.start(public_url)
    asked = await site.begin(to="/batches/b1")
    assert asked["redirect_uri"] == f"{public_url}/auth/callback"
    answer = await site.come_back(asked)
    assert led_to(answer) == f"{public_url}/#/batches/b1"
    session = cookies_of(answer)["meetmemo_session"]
    assert (session["secure"], session["path"]) == (secure, path)
    assert name in site.browser.cookies
    assert (await site.browser.get("v1/me", headers={OWN_PAGE: "1"})).json()["actor"] == "user:emil"


async def test_keys_go_on_as_before(site):
    """A key opens its tenant, also beside the cookie of a session in another; without either there is nothing."""
    assert (await site.browser.get("v1/me")).status_code == 401
    await site.sign_in()
    key, token = new_key(tenant="robots", scopes=JOB_SCOPES, name="robot", now_s=0.0)
    site.keys.add(key, OPERATOR)
    me = (await site.browser.get("v1/me", headers={"authorization": f"Bearer {token}"})).json()
    assert (me["actor"], me["name"], me["tenant"], me["via"]) == (f"key:{key.id}", "robot", "robots", "credential")
    assert (me["role"], me["tenants"]) == (None, [])


@pytest.mark.parametrize(
    "to",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/jobs\r\nset-cookie: a=b",
        "/jobs#x@evil.example",
        "/" + "a" * 600,
    ],
)
async def test_nobody_is_led_away(site, to):
    """A page to return to is a page of the console, or the first one."""
    place = led_to(await site.sign_in(to=to))
    assert place.startswith(f"{HOME}/#/")
    assert urlsplit(place).netloc == "memo.example"
    assert "evil" not in place or to == "//evil.example"


async def test_somebody_without_a_role_reads_why(site):
    """A browser is led to the console's words, a program gets them; nobody is signed in."""
    site.provider.claims = {"groups": ["sports"]}
    answer = await site.sign_in()
    assert led_to(answer) == f"{HOME}/#/sign-in/sign_in_refused"
    assert "meetmemo_session" not in cookies_of(answer)
    answer = await site.come_back(await site.begin(), headers={})
    assert problem(answer) == (403, "sign_in_refused")
    assert answer.json()["detail"] == REFUSAL
    assert (await site.browser.get("auth/methods")).json() == {"provider": "Acme", "refusal": REFUSAL}
    assert not site.store.kept


# The provider


async def test_a_provider_that_is_away(site):
    """503 with words, for a browser the console's; keys open as before; it is not asked for each visitor."""
    site.provider.away = True
    answer = await site.browser.get("auth/login")
    assert problem(answer) == (503, "provider_unavailable")
    assert "API keys go on to work" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0
    assert led_to(await site.browser.get("auth/login", headers=PAGE)) == f"{HOME}/#/sign-in/provider_unavailable"


async def test_a_provider_that_goes_away_meanwhile(site):
    """Between the sign-in there and the way back: 503 as well, nothing is half done."""
    asked = await site.begin()
    site.provider.away = True
    assert problem(await site.come_back(asked, headers={})) == (503, "provider_unavailable")
    assert not site.store.kept


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "http://plain.example/token"},
        {"jwks_uri": None},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"code_challenge_methods_supported": ["plain"]},
    ],
)
async def test_a_discovery_document_that_does_not_hold(site, metadata):
    """Another issuer's, or one that leads to places without TLS: nobody is sent there."""
    site.provider.metadata = metadata
    assert problem(await site.browser.get("auth/login")) == (503, "provider_unavailable")


@pytest.mark.parametrize(
    ("told", "expected"),
    [({"iss": "https://other.example"}, {}), ({}, {"authorization_response_iss_parameter_supported": True})],
)
async def test_an_answer_of_another_issuer(site, told, expected):
    """Mixed-up providers: an answer that names another, or none where it should; the code is not shown to anybody."""
    site.provider.metadata = expected
    assert problem(await site.come_back(await site.begin(), headers={}, **told)) == (400, "sign_in_failed")
    assert not site.provider.asked


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        ("access_denied", 403, "sign_in_refused"),
        ("temporarily_unavailable", 503, "provider_unavailable"),
        ("invalid_scope", 400, "sign_in_failed"),
        ("<script>alert(1)</script>", 400, "sign_in_failed"),
    ],
)
async def test_errors_of_the_provider(site, error, status, reason):
    """Come in words of this server's own; what the provider says is not echoed."""
    asked = await site.begin()
    answer = await site.browser.get("auth/callback", params={"state": asked["state"], "error": error})
    assert problem(answer) == (status, reason)
    assert "<" not in answer.text


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        ((400, {"error": "invalid_grant"}), 400, "sign_in_failed"),
        ((401, {"error": "invalid_client"}), 503, "provider_unavailable"),
        ((500, {"error": "server_error"}), 503, "provider_unavailable"),
        ((200, "junk"), 503, "provider_unavailable"),
        ((200, {"access_token": "a", "token_type": "Bearer"}), 400, "sign_in_failed"),
        ((200, {"access_token": "a", "token_type": "Bearer", "id_token": "a.b.c"}), 400, "sign_in_failed"),
    ],
)
async def test_a_code_that_is_not_redeemed(site, answer, status, reason):
    """Each way in which it fails is a refusal, never a session and never a 500."""
    site.provider.token_error = answer
    assert problem(await site.come_back(await site.begin(), headers={})) == (status, reason)
    assert not site.store.kept


# The ID token


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"aud": "another application"},
        {"aud": ["another application"]},
        {"aud": ["meetmemo", "another"], "azp": "another"},
        {"aud": ["meetmemo", "another"], "azp": None},
        {"azp": "another"},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"exp": 1_000_000_000},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 17},
        {"nbf": 9_999_999_999},
        {"at_hash": "of another access token"},
    ],
    ids=str,
)
async def test_an_id_token_that_does_not_hold(site, claims):
    """One claim that is wrong or missing is enough."""
    site.provider.claims = claims
    assert problem(await site.come_back(await site.begin(), headers={})) == (400, "sign_in_failed")
    assert not site.store.kept


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_an_id_token_that_nobody_signed(site, algorithm):
    """Only signatures that the published keys verify count."""
    site.provider.algorithm = algorithm
    assert problem(await site.come_back(await site.begin(), headers={})) == (400, "sign_in_failed")


async def test_an_id_token_by_another_key(site):
    """A key of the same name that is not the provider's."""
    await site.sign_in()
    key_id = site.provider.key_id
    site.provider.new_key()
    site.provider.key_id = key_id
    assert problem(await site.come_back(await site.begin(), headers={})) == (400, "sign_in_failed")


async def test_the_provider_changes_its_keys(site):
    """A token that names a new key has the keys fetched anew; others do not."""
    await site.sign_in()
    await site.sign_in()
    assert site.provider.n_key_fetches == 1
    site.provider.new_key()
    assert led_to(await site.sign_in()) == f"{HOME}/#/"
    assert site.provider.n_key_fetches == 2


@pytest.mark.parametrize(("error_s", "holds"), [(-25.0, True), (25.0, True), (400.0, False), (-400.0, False)])
async def test_clocks_that_differ(site, error_s, holds):
    """By half a minute they may, by more they may not."""
    site.provider.clock_error_s = error_s
    answer = await site.come_back(await site.begin(), headers={})
    assert (answer.status_code == 303) is holds, answer.text


async def test_groups_from_the_user_info(site):
    """Many providers tell groups only there; user info of somebody else counts for nobody."""
    site.provider.claims = {"groups": None}
    site.provider.userinfo = {"sub": "emil", "groups": ["writers"]}
    await site.start()
    await site.sign_in()
    assert (await site.browser.get("v1/me", headers=CONSOLE)).json()["role"] == "editor"
    site.provider.userinfo = {"sub": "ada", "groups": ["admins"]}
    assert problem(await site.come_back(await site.begin(), headers={})) == (400, "sign_in_failed")


async def test_too_many_groups(site):
    """Entra ID leaves them out then, and says so; the person reads why they are refused."""
    site.provider.claims = {"groups": None, "_claim_names": {"groups": "src1"}}
    answer = await site.come_back(await site.begin(), headers={})
    assert problem(answer) == (403, "sign_in_refused")
    assert "too many groups" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("claims", "holds"),
    [
        ({"email": "emil@acme.example", "email_verified": True}, True),
        ({"email": "emil@ACME.example", "email_verified": True}, True),
        ({"hd": "acme.example"}, True),
        ({"email": "emil@acme.example"}, False),
        ({"email": "emil@acme.example", "email_verified": "true"}, False),
        ({"email": "emil@evil.example", "email_verified": True}, False),
        ({"email": "emil@sub.acme.example", "email_verified": True}, False),
        ({"hd": "evil.example", "email": "emil@acme.example", "email_verified": True}, False),
        ({}, False),
    ],
    ids=str,
)
async def test_domains(site, claims, holds):
    """An account counts by the domain that made it, or by an address that was verified."""
    await site.start(domains=("acme.example",))
    site.provider.claims = claims
    answer = await site.come_back(await site.begin(), headers={})
    assert (answer.status_code == 303) is holds
    assert holds or problem(answer) == (403, "sign_in_refused")


# The way back


async def test_a_sign_in_that_was_begun_elsewhere(site):
    """Somebody else's way back, which a link may lead to, signs nobody in: that would be their account."""
    asked = await site.begin(site.another_browser())
    answer = await site.come_back(asked)
    assert led_to(answer) == f"{HOME}/#/sign-in/sign_in_failed"
    assert not site.provider.asked


async def test_a_way_back_that_is_used_twice(site):
    """The first use takes the sign-in's cookie away; with the cookie kept, the provider knows the code no more."""
    asked = await site.begin()
    [(name, sealed)] = [(name, value) for name, value in site.browser.cookies.items() if "sign_in" in name]
    code = site.provider.grant(asked)
    back = {"code": code, "state": asked["state"]}
    assert (await site.browser.get("auth/callback", params=back)).status_code == 303
    assert problem(await site.browser.get("auth/callback", params=back)) == (400, "sign_in_failed")
    answer = await site.browser.get("auth/callback", params=back, headers={"cookie": f"{name}={sealed}"})
    assert problem(answer) == (400, "sign_in_failed")
    assert len(site.store.kept) == 1


async def test_a_sign_in_that_took_too_long(site):
    """Its time is in what is sealed, not in the browser's hands."""
    asked = await site.begin()
    site.clock.advance(LIFETIME_S + 1)
    assert problem(await site.come_back(asked, headers={})) == (400, "sign_in_failed")


@pytest.mark.parametrize("change", ["cut", "changed", "foreign", "empty", "other"])
async def test_a_cookie_that_was_tampered_with(site, change):
    """A sealed sign-in is whole and of this state, or none."""
    asked = await site.begin()
    await site.begin()
    sealed = {name: value for name, value in site.browser.cookies.items() if "sign_in" in name}
    assert len(sealed) == 2  # two tabs do not disturb each other
    (name, mine), (_, theirs) = sealed.items()
    value = {
        "cut": mine[:-5],
        "changed": mine[:-8] + ("A" if mine[-8] != "A" else "B") + mine[-7:],
        "foreign": "eyJhbGciOiJub25lIn0.e30.",
        "empty": "",
        "other": theirs,
    }[change]
    site.browser.cookies.clear()
    headers = {"cookie": f"{name}={value}"}
    assert problem(await site.come_back(asked, headers=headers)) == (400, "sign_in_failed")
    assert not site.provider.asked
    headers = {"cookie": f"{name}={mine}"}
    assert (await site.come_back(asked, headers=headers)).status_code == 303


async def test_a_session_that_was_planted(site):
    """Whoever signs in gets a token of their own; the one that was in the browser before opens nothing any more."""
    await site.sign_in()
    planted = dict(site.browser.cookies)["__Host-meetmemo_session"]
    site.provider.claims = {"sub": "ada", "groups": ["admins"]}
    await site.sign_in()
    assert dict(site.browser.cookies)["__Host-meetmemo_session"] != planted
    with_planted = {"cookie": f"__Host-meetmemo_session={planted}", **CONSOLE}
    site.browser.cookies.clear()
    assert (await site.browser.get("v1/me", headers=with_planted)).status_code == 401


# Sessions


async def test_roles_and_their_limits(site):
    """A reader reads and is refused the rest with the enumerated reason; an administrator is not."""
    site.provider.claims = {"groups": ["listeners"]}
    await site.sign_in()
    assert (await site.browser.get("v1/jobs", headers=CONSOLE)).status_code == 200
    answer = await site.browser.post("v1/jobs", headers=CONSOLE, content=b"x")
    assert problem(answer) == (403, "forbidden")
    assert "your role" in answer.json()["detail"]
    assert problem(await site.browser.get("v1/admin/sessions", headers=CONSOLE)) == (403, "forbidden")
    site.provider.claims = {"sub": "ada", "groups": ["admins"]}
    await site.sign_in()
    listed = (await site.browser.get("v1/admin/sessions", headers=CONSOLE)).json()["sessions"]
    assert [(one["actor"], one["groups"]) for one in listed] == [("user:ada", ["admins"])]


async def test_an_administrator_ends_a_session(site):
    """It opens nothing any more; one that there is not is not found."""
    await site.sign_in()
    other = site.another_browser()
    site.provider.claims = {"sub": "ada", "groups": ["admins"]}
    await site.sign_in(other)
    emils = next(
        one["id"]
        for one in (await other.get("v1/admin/sessions", headers=CONSOLE)).json()["sessions"]
        if one["actor"] == "user:emil"
    )
    assert (await other.delete(f"v1/admin/sessions/{emils}", headers=CONSOLE)).status_code == 204
    assert problem(await other.delete(f"v1/admin/sessions/{emils}", headers=CONSOLE)) == (404, "not_found")
    assert problem(await site.browser.get("v1/me", headers=CONSOLE)) == (401, "unauthenticated")


async def test_another_tenant(site):
    """The person works there from the next request on, with the role they have there; elsewhere they may not."""
    await site.sign_in()
    before = dict(site.browser.cookies)["__Host-meetmemo_session"]
    answer = await site.browser.post("v1/me/tenant", json={"tenant": "lab"}, headers=CONSOLE)
    assert (answer.json()["tenant"], answer.json()["role"]) == ("lab", "reader")
    assert dict(site.browser.cookies)["__Host-meetmemo_session"] != before
    assert (await site.browser.get("v1/me", headers=CONSOLE)).json()["scopes"] == ["jobs:read"]
    assert problem(await site.browser.post("v1/me/tenant", json={"tenant": "x"}, headers=CONSOLE)) == (403, "forbidden")
    key, token = new_key(tenant="robots", scopes=JOB_SCOPES, name="", now_s=0.0)
    site.keys.add(key, OPERATOR)
    bearer = {"authorization": f"Bearer {token}"}
    answer = await site.browser.post("v1/me/tenant", json={"tenant": "lab"}, headers=bearer)
    assert problem(answer) == (400, "invalid_request")


async def test_tokens_follow_each_other_in_the_browser(site):
    """The next token comes with an answer, an error too; once it is used the one before is worth nothing."""
    await site.sign_in()
    first = dict(site.browser.cookies)["__Host-meetmemo_session"]
    site.clock.advance(ROTATE_S)
    answer = await site.browser.get("v1/jobs/nothing", headers=CONSOLE)
    assert answer.status_code == 404
    second = dict(site.browser.cookies)["__Host-meetmemo_session"]
    assert second != first
    session = cookies_of(answer)["meetmemo_session"]
    assert (session["httponly"], session["secure"], session["samesite"]) == (True, True, "strict")
    assert (await site.browser.get("v1/me", headers=CONSOLE)).status_code == 200
    site.clock.advance(GRACE_S + 1)
    site.browser.cookies.clear()
    answer = await site.browser.get("v1/me", headers={**CONSOLE, "cookie": f"__Host-meetmemo_session={first}"})
    assert answer.status_code == 401


FOREIGN: tuple[dict[str, str], ...] = (
    {"origin": "https://evil.example", "sec-fetch-site": "cross-site", OWN_PAGE: "1"},
    {"origin": "https://wiki.memo.example", "sec-fetch-site": "same-site", OWN_PAGE: "1"},
    {"origin": "https://evil.example", OWN_PAGE: "1"},
    {"origin": "null", OWN_PAGE: "1"},
    {"origin": HOME, "sec-fetch-site": "same-origin"},
    {OWN_PAGE: "1"},
    {},
)
"""Headers of requests that pages of other origins, or forms, have a browser send."""


@pytest.mark.parametrize(("method", "path"), [("POST", "v1/jobs"), ("DELETE", "v1/jobs/a"), ("POST", "auth/logout")])
async def test_requests_that_the_console_did_not_send(site, method, path):
    """Change nothing, though the browser adds its cookies; a sibling host's page is a foreign page."""
    await site.sign_in()
    for headers in FOREIGN:
        answer = await site.browser.request(method, path, headers=headers)
        assert problem(answer) == (403, "cross_site"), headers
    assert len(site.store.kept) == 1


async def test_pages_of_others_do_not_read(site):
    """Not even where they may use keys: `http.cors_origins` does not open sessions."""
    await site.sign_in()
    headers = {"origin": "https://portal.example", "sec-fetch-site": "cross-site"}
    assert problem(await site.browser.get("v1/jobs", headers=headers)) == (403, "cross_site")
    assert (await site.browser.get("v1/jobs")).status_code == 200  # what an audio element or a bookmark sends


async def test_details_of_readiness(site):
    """Are for sessions whose role has them."""
    await site.sign_in()
    assert not (await site.browser.get("readyz", headers=CONSOLE)).json()["components"]["coordinator"]["detail"]
    site.provider.claims = {"sub": "ada", "groups": ["admins"]}
    await site.sign_in()
    assert (await site.browser.get("readyz", headers=CONSOLE)).json()["components"]["coordinator"]["detail"]


async def test_signing_out(site):
    """Here at once, and at the provider by the address that comes back; the cookies are gone."""
    await site.sign_in()
    token = dict(site.browser.cookies)["__Host-meetmemo_session"]
    answer = await site.browser.post("auth/logout", headers=CONSOLE)
    url = urlsplit(answer.json()["url"])
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{site.provider.issuer}/logout"
    assert query["post_logout_redirect_uri"] == f"{HOME}/"
    assert query["client_id"] == "meetmemo"
    assert query["id_token_hint"].count(".") == 2
    assert not site.store.kept
    assert not dict(site.browser.cookies)
    headers = {**CONSOLE, "cookie": f"__Host-meetmemo_session={token}"}
    assert (await site.browser.get("v1/me", headers=headers)).status_code == 401
    assert (await site.browser.post("auth/logout", headers=CONSOLE)).json() == {"url": None}


async def test_signing_out_while_the_provider_is_away(site):
    """Works here; there is no address then."""
    await site.sign_in()
    site.provider.away = True
    cookies = site.browser.cookies
    await site.start()  # one that has not asked it before
    site.browser.cookies = cookies
    assert (await site.browser.post("auth/logout", headers=CONSOLE)).json() == {"url": None}
    assert not site.store.kept


async def test_sessions_of_several_servers(site):
    """One server begins the sign-in, another completes it, a third takes the session."""
    asked = await site.begin()
    cookies = site.browser.cookies
    await site.start()
    site.browser.cookies = cookies
    assert led_to(await site.come_back(asked)) == f"{HOME}/#/"
    cookies = site.browser.cookies
    await site.start()
    site.browser.cookies = cookies
    assert (await site.browser.get("v1/me", headers=CONSOLE)).json()["actor"] == "user:emil"


async def test_a_ledger_that_is_away(site):
    """Is an outage in words, for those who sign in and for those who are."""
    await site.sign_in()
    asked = await site.begin()
    site.store.outage = "the database restarts"
    assert problem(await site.browser.get("v1/me", headers=CONSOLE)) == (503, "ledger_unavailable")
    assert problem(await site.come_back(asked, headers={})) == (503, "ledger_unavailable")


def test_a_correction_names_the_person():
    """Who wrote it is a name, not a subject that only the provider can read."""
    person = Principal(tenant="acme", scopes=JOB_SCOPES, key_id="user:1b2", actor="user:1b2", name="Emil Editor")
    robot = Principal(tenant="acme", scopes=JOB_SCOPES, key_id="0a", actor="key:0a", name="robot")
    assert (person.author, robot.author) == ("Emil Editor", "0a")


async def test_without_a_provider(make_api):
    """Nobody signs in so: the console is told, the routes are not there, and cookies open nothing."""
    api = await make_api(authenticator=ApiKeyAuthenticator(MemoryKeys()))
    assert (await api.client.get("/auth/methods")).json() == {"provider": None, "refusal": ""}
    assert (await api.client.get("/auth/login")).status_code == 404
    headers = {"cookie": "meetmemo_session=ms_0123456789abcdef_" + "A" * 43}
    assert (await api.client.get("/v1/me", headers=headers)).status_code == 401
