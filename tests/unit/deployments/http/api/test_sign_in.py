"""Signing in at an identity provider: the way there and back, in one browser and in a wrong one."""

from urllib.parse import urlsplit

import pytest

from deployments.auth.attempt_cookie import LIFETIME_S
from deployments.auth.visits import VisitLimits
from deployments.http.sessions.own_page import OWN_PAGE
from pipelines.ledger.credentials.api_keys import JOB_SCOPES, new_key
from tests.fakes.api_keys import OPERATOR
from tests.support.sign_in import REFUSAL
from tests.support.sign_in_site import CONSOLE, HOME, PAGE, cookies_of, led_to, problem


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


async def test_too_many_attempts(site):
    """Are told when to come again, browsers too; others and those who are signed in go on."""
    await site.sign_in()
    await site.start_again(visits=VisitLimits(per_address=2, in_all=3, n_proxies=1))
    for path in ("auth/login", "auth/callback"):
        for address, statuses in (("192.0.2.1", [0, 0, 429]), ("192.0.2.2", [0, 429])):
            for status in statuses:
                headers = {"x-forwarded-for": f"203.0.113.9, {address}", **PAGE}
                answer = await site.browser.get(path, headers=headers)
                assert (answer.status_code == 429) == (status == 429), (path, address)
        assert problem(answer) == (429, "overloaded")
        assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert (await site.browser.get("v1/me", headers=CONSOLE)).status_code == 200
