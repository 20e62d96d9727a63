"""Sessions: how long they last, how tokens follow each other, and what a copied one is worth."""

from dataclasses import replace

import pytest

from deployments.auth.oidc_claims import Person
from deployments.auth.roles import Role
from deployments.auth.sessions import GRACE_S, ROTATE_S, TOUCH_INTERVAL_S
from pipelines.errors import Forbidden, LedgerUnavailable, SignInRefused, Unauthenticated
from pipelines.ledger.credentials.api_keys import JOB_SCOPES, Scope
from pipelines.ledger.credentials.sessions import new_token, session_id_of
from tests.support.sign_in import GRANTS, REFUSAL, RULES, sessions_over

EMIL = Person(
    subject="emil",
    name="Emil",
    email="emil@acme.example",
    groups=("writers", "sports"),
    id_token="…",
    refresh_token="first",
    provider_session="s-1",
)


@pytest.fixture
def servers(store, clock):
    """Make servers of one cluster: nothing is remembered from one to the next but in the store."""
    return lambda grants=GRANTS, **options: sessions_over(store, clock, grants, **options)


async def test_a_session_is_a_principal(servers):
    """With the tenant named first, the role's scopes, a stable actor and a name."""
    token = await servers().begin(EMIL, None)
    found = await servers().find(token)
    principal = found.principal
    assert (principal.tenant, principal.scopes) == ("acme", JOB_SCOPES)
    assert (principal.actor, principal.name, principal.author) == ("user:emil", "Emil", "Emil")
    assert found.memberships == {"acme": Role.EDITOR, "lab": Role.READER}


async def test_somebody_without_a_role_is_refused_in_words(servers, store):
    """The operator's; nothing is kept of them."""
    with pytest.raises(SignInRefused, match=REFUSAL):
        await servers().begin(replace(EMIL, groups=("sports",)), None)
    assert not store.kept


async def test_only_groups_that_count_are_kept(servers, store):
    """The others say something about a person and are needed for nothing."""
    await servers().begin(EMIL, None)
    assert [session.groups for session in store.kept.values()] == [("writers",)]


async def test_the_store_is_asked_once(servers, store):
    """A hundred requests within a session's freshness are one look-up."""
    token = await servers().begin(EMIL, None)
    server = servers()
    for _ in range(100):
        await server.find(token)
    assert store.n_finds == 1


async def test_unknown_and_mutilated_tokens(servers):
    """Open nothing, whatever of them is right."""
    token = await servers().begin(EMIL, None)
    for wrong in ("", "ms_", new_token(), f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}", f"{token} "):
        with pytest.raises(Unauthenticated):
            await servers().find(wrong)
    await servers().find(token)


async def test_a_wrong_guess_ends_nothing(servers):
    """An id alone, as logs tell it, gives nobody power over the session."""
    token = await servers().begin(EMIL, None)
    with pytest.raises(Unauthenticated):
        await servers().find(f"ms_{session_id_of(token)}_{'A' * 43}")
    await servers().find(token)


async def test_a_session_ends_in_time(servers, clock):
    """After its lifetime, however much it was used."""
    token = await servers().begin(EMIL, None)
    server = servers(fresh_s=0.0)
    for _ in range(int(RULES.lifetime_s // 600) - 1):
        clock.advance(600.0)
        token = (await server.find(token)).offered or token
    clock.advance(601.0)
    with pytest.raises(Unauthenticated):
        await server.find(token)


async def test_an_idle_session_ends(servers, clock, store):
    """Without use it is over, also for the server that remembers it; the next sign-in clears it away."""
    server = servers()
    token = await server.begin(EMIL, None)
    await server.find(token)
    clock.advance(RULES.idle_s + TOUCH_INTERVAL_S)
    with pytest.raises(Unauthenticated):
        await server.find(token)
    clock.advance(1.0)
    await server.begin(EMIL, None)
    assert len(store.kept) == 1


async def test_use_at_the_last_moment_counts(servers, clock):
    """What was just used is not over in the next second."""
    server = servers()
    token = await server.begin(EMIL, None)
    clock.advance(RULES.idle_s + TOUCH_INTERVAL_S - 1)
    await server.find(token)
    clock.advance(2.0)
    await server.find(token)


async def test_a_token_is_replaced_while_it_is_used(servers, clock):
    """Every server offers the same one; the first use of it ends the old one, with grace for requests under way."""
    token = await servers().begin(EMIL, None)
    assert (await servers().find(token)).offered is None
    clock.advance(ROTATE_S)
    offered = (await servers().find(token)).offered
    assert offered not in (None, token)
    assert (await servers().find(token)).offered == offered  # the first answer was lost, perhaps
    assert (await servers().find(offered)).offered is None
    clock.advance(GRACE_S)
    await servers().find(token)
    await servers().find(offered)


async def test_an_offer_that_never_arrives_costs_nothing(servers, clock):
    """The old token goes on for as long as nobody uses the new one."""
    token = await servers().begin(EMIL, None)
    for _ in range(2):
        clock.advance(ROTATE_S)
        assert (await servers().find(token)).offered is not None


async def test_a_copied_token_ends_the_session(servers, clock):
    """A replaced token that is used after its grace was copied: neither the thief nor the owner goes on."""
    token = await servers().begin(EMIL, None)
    clock.advance(ROTATE_S)
    offered = (await servers().find(token)).offered
    await servers().find(offered)
    clock.advance(GRACE_S + 1)
    for one in (token, offered):
        with pytest.raises(Unauthenticated):
            await servers().find(one)


async def test_signing_in_again_ends_the_session_before(servers):
    """A token that somebody planted in a browser never becomes that of who signs in there."""
    planted = await servers().begin(EMIL, None)
    token = await servers().begin(replace(EMIL, subject="ada", groups=("admins",)), planted)
    assert session_id_of(token) != session_id_of(planted)
    with pytest.raises(Unauthenticated):
        await servers().find(planted)


async def test_another_tenant_takes_another_token(servers, clock):
    """And the role that the person has there; a tenant without a role is refused."""
    token = await servers().begin(EMIL, None)
    found, successor = await servers().switch(token, "lab")
    assert (found.principal.tenant, found.principal.scopes) == ("lab", {Scope.JOBS_READ})
    assert successor != token
    clock.advance(GRACE_S + 1)
    with pytest.raises(Unauthenticated):
        await servers().find(token)
    with pytest.raises(Forbidden):
        await servers().switch(await servers().begin(EMIL, None), "other")


async def test_a_role_that_was_taken_away(servers):
    """Settings count as they are now, not as they were at the sign-in."""
    token = await servers().begin(EMIL, None)
    assert (await servers((*GRANTS[:1], replace(GRANTS[1], role=Role.READER))).find(token)).role is Role.READER
    with pytest.raises(Unauthenticated, match="taken away"):
        await servers(GRANTS[:1]).find(token)


async def test_signing_out_counts_everywhere(servers):
    """At once here, and on servers that remember the session as soon as that is stale."""
    here, there = servers(), servers(fresh_s=0.0)
    token = await here.begin(EMIL, None)
    await there.find(token)
    await here.end(token)
    with pytest.raises(Unauthenticated):
        await here.find(token)
    with pytest.raises(Unauthenticated):
        await there.find(token)


async def test_a_ledger_that_is_away(servers, store):
    """Is an outage for those it does not know, not a wrong session."""
    server = servers()
    token = await server.begin(EMIL, None)
    await server.find(token)
    store.outage = "the database restarts"
    await server.find(token)
    with pytest.raises(LedgerUnavailable):
        await servers().find(token)
