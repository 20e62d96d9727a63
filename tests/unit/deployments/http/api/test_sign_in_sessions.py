"""What a session may do, where it is good, and how it ends."""

from urllib.parse import parse_qs, urlsplit

import pytest

from deployments.auth.api_keys import ApiKeyAuthenticator
from deployments.auth.authenticators import Principal
from deployments.auth.sessions import GRACE_S, ROTATE_S
from deployments.http.sessions.own_page import OWN_PAGE
from pipelines.ledger.credentials.api_keys import JOB_SCOPES, new_key
from tests.fakes.api_keys import OPERATOR, MemoryKeys
from tests.support.sign_in_site import CONSOLE, HOME, cookies_of, led_to, problem


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
    [deed] = site.store.entered
    assert (deed.action, deed.actor, deed.kind, deed.object_id) == ("end_session", "user:ada", "session", emils)
    assert dict(deed.detail) == {"of": "user:emil"}


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
