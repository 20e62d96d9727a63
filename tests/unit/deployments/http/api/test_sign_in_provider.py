"""What an identity provider may say: which answers are believed, and how the others are refused."""

import pytest

from tests.support.sign_in import RULES
from tests.support.sign_in_site import CONSOLE, HOME, PAGE, led_to, problem


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


# Known providers


async def test_roles_within_an_object(site):
    """Keycloak's realm roles, where the setting names the place."""
    await site.start(groups_claim="realm_access.roles")
    site.provider.claims = {"groups": None, "realm_access": {"roles": ["writers", "offline_access"]}}
    assert led_to(await site.sign_in()) == f"{HOME}/#/"
    assert (await site.browser.get("v1/me", headers=CONSOLE)).json()["role"] == "editor"


async def test_a_path_is_another_group_than_its_end(site):
    """Keycloak's full group paths: nobody gets a role by a group of that name below another one."""
    site.provider.claims = {"groups": ["/writers", "/visitors/writers"]}
    assert problem(await site.come_back(await site.begin(), headers={})) == (403, "sign_in_refused")


async def test_a_token_of_another_tenant_of_entra(site):
    """Signed with the same keys, in another company's name: it is refused, whatever its roles."""
    await site.start(groups_claim="roles")
    other = f"{site.provider.issuer}/another-tenant/v2.0"
    site.provider.claims = {"iss": other, "tid": "another-tenant", "roles": ["writers"]}
    assert problem(await site.come_back(await site.begin(), headers={})) == (400, "sign_in_failed")


async def test_a_discovery_document_for_all_tenants(site):
    """Entra's for `common` names a pattern, not an issuer: nobody is sent there."""
    site.provider.metadata = {"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}
    assert problem(await site.browser.get("auth/login")) == (503, "provider_unavailable")


async def test_too_many_groups_without_saying_where(site):
    """Entra's `hasgroups`."""
    site.provider.claims = {"groups": None, "hasgroups": True}
    answer = await site.come_back(await site.begin(), headers={})
    assert problem(answer) == (403, "sign_in_refused")
    assert "too many groups" in answer.json()["detail"]


# The groups of a session


async def let_pass(site):
    """Let the groups of the session become too old, in use all the while."""
    site.clock.advance(RULES.groups_s)
    for session_id in site.store.kept:
        site.store.touch(session_id, site.clock())


@pytest.mark.parametrize("with_id_token", [True, False])
async def test_groups_are_read_anew(site, with_id_token):
    """With the refresh token, from the ID token or the user info: a person who changed groups changes roles."""
    site.provider.refresh_token = "refresh-0"
    site.provider.renews_id_token = with_id_token
    await site.sign_in()
    assert (await site.browser.get("v1/me", headers=CONSOLE)).json()["role"] == "editor"
    site.provider.claims = {"groups": ["listeners"]}
    site.provider.metadata = {} if with_id_token else {"userinfo_endpoint": f"{site.provider.issuer}/me"}
    site.provider.userinfo = None if with_id_token else {"sub": "emil", "groups": ["listeners"]}
    await site.start_again()  # a server that reads the discovery document as it is now
    await let_pass(site)
    assert (await site.browser.get("v1/me", headers=CONSOLE)).json()["role"] == "reader"
    assert site.provider.asked["grant_type"] == "refresh_token"
    assert site.provider.n_renewals == 1
    await let_pass(site)
    assert (await site.browser.get("v1/me", headers=CONSOLE)).status_code == 200
    assert site.provider.n_renewals == 2


async def test_an_answer_for_another_person(site):
    """Ends the session: it is nobody's."""
    site.provider.refresh_token = "refresh-0"
    await site.sign_in()
    site.provider.claims = {"sub": "ada", "groups": ["admins"]}
    await let_pass(site)
    assert problem(await site.browser.get("v1/me", headers=CONSOLE)) == (401, "unauthenticated")
    assert not site.store.kept


async def test_a_refresh_token_that_is_taken_back(site):
    """The account was closed: the session ends at the next reading of its groups."""
    site.provider.refresh_token = "refresh-0"
    await site.sign_in()
    site.provider.refresh_token = ""
    await let_pass(site)
    assert problem(await site.browser.get("v1/me", headers=CONSOLE)) == (401, "unauthenticated")


async def test_a_provider_that_is_away_when_groups_are_due(site):
    """Ends nothing."""
    site.provider.refresh_token = "refresh-0"
    await site.sign_in()
    site.provider.token_error = (503, {"error": "temporarily_unavailable"})
    await let_pass(site)
    assert (await site.browser.get("v1/me", headers=CONSOLE)).status_code == 200


# Signing out at the provider


async def back_channel(site, token):
    return await site.another_browser().post("auth/backchannel-logout", data={"logout_token": token})


@pytest.mark.parametrize("named", [{"sub": "emil"}, {"sid": "s-1"}, {"sub": "emil", "sid": "s-1"}])
async def test_the_provider_ends_sessions(site, named):
    """Those of the person, or of the session there; it is in the audit log, and nobody else is out."""
    site.provider.claims = {"sid": "s-1"}
    await site.sign_in()
    other = site.another_browser()
    site.provider.claims = {"sub": "ada", "groups": ["admins"], "sid": "s-2"}
    await site.sign_in(other)
    answer = await back_channel(site, site.provider.logout_token(**named))
    assert answer.status_code == 204, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert problem(await site.browser.get("v1/me", headers=CONSOLE)) == (401, "unauthenticated")
    assert (await other.get("v1/me", headers=CONSOLE)).status_code == 200
    [deed] = site.store.entered
    assert (deed.action, deed.actor) == ("end_session", "system:identity-provider")
    assert dict(deed.detail) == {"of": "user:emil"}


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "emil", "iss": "https://evil.example"},
        {"sub": "emil", "aud": "another-application"},
        {"sub": "emil", "exp": 1},
        {"sub": "emil", "exp": None},
        {"sub": "emil", "events": None},
        {"sub": "emil", "events": {"http://schemas.openid.net/event/other": {}}},
        {"sub": "emil", "nonce": "as an ID token has"},
        {"sub": None},
        {"sub": ["emil"]},
    ],
)
async def test_logout_tokens_that_do_not_hold(site, claims):
    """End nothing."""
    await site.sign_in()
    answer = await back_channel(site, site.provider.logout_token(**claims))
    assert problem(answer) == (400, "sign_in_failed")
    assert len(site.store.kept) == 1


async def test_an_id_token_is_no_logout_token(site):
    """Nor is something unsigned, or nothing."""
    await site.sign_in()
    for token in (site.provider.id_token(None), "a.b.c", ""):
        assert problem(await back_channel(site, token)) == (400, "sign_in_failed")
    answer = await back_channel(site, "x" * (1 << 17))
    assert problem(answer) == (400, "invalid_request")
    assert len(site.store.kept) == 1
