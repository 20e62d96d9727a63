"""People as providers describe them: the shapes that Keycloak, Entra ID and Google document."""

from typing import Any

import pytest

from deployments.auth.oidc_claims import GOOGLE, ProviderRules, groups_in, person_of
from pipelines.errors import SignInRefused

KEYCLOAK: dict[str, Any] = {
    "iss": "https://id.example/realms/acme",
    "sub": "f:1b2:emil",
    "sid": "a0b1",
    "preferred_username": "emil",
    "realm_access": {"roles": ["transcripts-write", "offline_access"]},
    "resource_access": {"meetmemo": {"roles": ["editor"]}},
    "groups": ["/acme/writers", "/writers"],
}
ENTRA: dict[str, Any] = {
    "iss": "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    "tid": "9122040d-6c67-4c5b-b112-36a304b66dad",
    "oid": "00000000-0000-0000-66f3-3332eca7ea81",
    "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
    "name": "Emil Editor",
    "preferred_username": "emil@acme.example",
    "roles": ["Transcripts.Write"],
    "groups": ["2a3f0d5e-9f0b-4a35-8c7f-3b6d2c9f1e11"],
}
OVERAGE = {
    "_claim_names": {"groups": "src1"},
    "_claim_sources": {"src1": {"endpoint": "https://graph.microsoft.com/v1.0/users/1/getMemberObjects"}},
}


def rules_of(issuer: str, groups_claim: str = "groups", domains: tuple[str, ...] = ()) -> ProviderRules:
    return ProviderRules(issuer=issuer, client_id="memo", scopes=(), groups_claim=groups_claim, domains=domains)


@pytest.mark.parametrize(
    ("claims", "name", "groups"),
    [
        (KEYCLOAK, "groups", ("/acme/writers", "/writers")),
        (KEYCLOAK, "realm_access.roles", ("transcripts-write", "offline_access")),
        (KEYCLOAK, "resource_access.meetmemo.roles", ("editor",)),
        (KEYCLOAK, "realm_access", ()),  # an object is no list of groups
        (KEYCLOAK, "realm_access.groups", ()),
        (ENTRA, "roles", ("Transcripts.Write",)),
        (ENTRA, "groups", ("2a3f0d5e-9f0b-4a35-8c7f-3b6d2c9f1e11",)),
        ({"sub": "a", "https://acme.example/groups": ["writers"]}, "https://acme.example/groups", ("writers",)),
        ({"sub": "a", "role": "writers"}, "role", ("writers",)),
        ({"sub": "a", "groups": ["writers", 7, None]}, "groups", ("writers",)),
    ],
)  # fmt: skip
def test_groups_of_providers(claims, name, groups):
    """Lists, single ones, lists within objects, and names with dots of their own; a path is its own group."""
    assert person_of(claims, rules_of(claims.get("iss", "https://id.example"), name), "", "").groups == groups


def test_a_person_of_keycloak():
    """The name that people know, and the session there, which signing out names."""
    person = person_of(KEYCLOAK, rules_of(KEYCLOAK["iss"]), "id", "refresh")
    assert (person.subject, person.name, person.provider_session) == ("f:1b2:emil", "emil", "a0b1")
    assert (person.id_token, person.refresh_token) == ("id", "refresh")


@pytest.mark.parametrize("overage", [OVERAGE, {"hasgroups": True}, {"hasgroups": "true"}])
def test_too_many_groups_of_entra(overage):
    """Are refused in words; somebody whose roles are told is not, however many groups there are."""
    claims = {name: value for name, value in ENTRA.items() if name != "groups"} | overage
    with pytest.raises(SignInRefused, match="too many groups"):
        person_of(claims, rules_of(ENTRA["iss"]), "", "")
    assert person_of(claims, rules_of(ENTRA["iss"], "roles"), "", "").groups == ("Transcripts.Write",)


def test_claims_of_a_stranger_form():
    """``_claim_names`` that is no object says nothing."""
    assert person_of({"sub": "a", "_claim_names": "groups"}, rules_of("https://id.example"), "", "").groups == ()


@pytest.mark.parametrize(
    ("claims", "holds"),
    [
        ({"hd": "acme.example"}, True),
        ({"email": "eve@acme.example", "email_verified": True}, False),  # anybody may make such an account
        ({"hd": "evil.example", "email": "eve@acme.example", "email_verified": True}, False),
        ({}, False),
    ],
)
def test_accounts_of_google(claims, holds):
    """Belong to a company by ``hd`` alone; Google tells no groups."""
    rules = rules_of(GOOGLE, domains=("acme.example",))
    claims = {"iss": GOOGLE, "sub": "10769150350006150715113082367", "name": "Emil", **claims}
    if holds:
        assert person_of(claims, rules, "", "").groups == ()
    else:
        with pytest.raises(SignInRefused, match="domains"):
            person_of(claims, rules, "", "")


def test_names_of_issuers():
    """Google leaves the scheme out at times; nobody else may."""
    assert rules_of(GOOGLE).issuers == (GOOGLE, "accounts.google.com")
    assert rules_of("https://id.example").issuers == ("https://id.example",)


def test_a_claim_that_is_there_goes_before_a_place():
    """And nothing is found below what is no object."""
    assert groups_in({"a.b": [1], "a": {"b": [2]}}, "a.b") == [1]
    assert groups_in({"a": {"b": [2]}}, "a.b") == [2]
    assert groups_in({"a": ["b"]}, "a.b") is None
