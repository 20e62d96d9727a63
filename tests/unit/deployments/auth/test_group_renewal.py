"""Groups of a session that lives: read anew at intervals, or the session is over."""

import pytest

from deployments.auth.group_renewal import RETRY_S
from deployments.auth.oidc_claims import Person
from deployments.auth.roles import Role
from pipelines.errors import ProviderUnavailable, SignInFailed, SignInRefused, Unauthenticated
from tests.support.sign_in import RULES, sessions_over

ADA = Person(subject="ada", name="Ada", email="", groups=("admins",), id_token="", refresh_token="first")


class Provider:
    """Answers as it is told, and remembers what it was asked with."""

    def __init__(self):
        self.groups = ("admins",)
        self.error = None
        self.asked = []

    async def renew(self, refresh_token, subject):
        self.asked.append((refresh_token, subject))
        if self.error is not None:
            raise self.error
        number = f"number {len(self.asked)}"
        return Person(subject=subject, name="", email="", groups=self.groups, id_token="", refresh_token=number)


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def server(store, clock, provider):
    return sessions_over(store, clock, fresh_s=0.0, ask=provider.renew)


async def test_groups_are_read_once_in_an_interval(server, clock, provider, store):
    """With the refresh token that came last; each is kept encrypted."""
    token = await server.begin(ADA, None)
    clock.advance(RULES.groups_s - 1)
    store.touch(next(iter(store.kept)), clock())
    await server.find(token)
    assert not provider.asked
    for _ in range(3):
        clock.advance(RULES.groups_s / 2)
        store.touch(next(iter(store.kept)), clock())
        await server.find(token)
        await server.find(token)
    assert provider.asked == [("first", "ada"), ("number 1", "ada")]
    assert "number" not in repr(store.kept)
    assert "first" not in repr(store.kept)


def age(store, clock):
    """Let an interval pass in which the session is in use."""
    clock.advance(RULES.groups_s)
    for session_id in store.kept:
        store.touch(session_id, clock())


async def test_another_group_is_another_role(server, clock, provider, store):
    """From then on, without another sign-in."""
    token = await server.begin(ADA, None)
    assert (await server.find(token)).role is Role.ADMINISTRATOR
    provider.groups = ("listeners", "sports")
    age(store, clock)
    found = await server.find(token)
    assert (found.role, found.session.groups) == (Role.READER, ("listeners",))
    assert (await server.find(token)).role is Role.READER


@pytest.mark.parametrize("groups", [(), ("sports",)])
async def test_who_has_left_all_groups_is_out(server, clock, provider, store, groups):
    """The session is over, also for the next request."""
    token = await server.begin(ADA, None)
    provider.groups = groups
    age(store, clock)
    with pytest.raises(Unauthenticated, match="role was taken away"):
        await server.find(token)
    assert not store.kept


@pytest.mark.parametrize("error", [SignInFailed("no more"), SignInRefused("of no domain")])
async def test_an_account_that_the_provider_knows_no_more(server, clock, provider, store, error):
    """Its session ends."""
    token = await server.begin(ADA, None)
    provider.error = error
    age(store, clock)
    with pytest.raises(Unauthenticated, match="is over"):
        await server.find(token)
    assert not store.kept


async def test_without_a_refresh_token_a_session_ends(server, clock, provider, store):
    """At the interval; the provider cannot be asked."""
    token = await server.begin(Person(subject="ada", name="Ada", email="", groups=("admins",), id_token=""), None)
    await server.find(token)
    age(store, clock)
    with pytest.raises(Unauthenticated, match="is over"):
        await server.find(token)
    assert not provider.asked


async def test_a_provider_that_is_away_ends_nothing(server, clock, provider, store):
    """It is asked again a minute later, not with every request."""
    token = await server.begin(ADA, None)
    provider.error = ProviderUnavailable("away")
    age(store, clock)
    for _ in range(3):
        assert (await server.find(token)).role is Role.ADMINISTRATOR
    assert len(provider.asked) == 1
    provider.error, provider.groups = None, ("listeners",)
    clock.advance(RETRY_S)
    assert (await server.find(token)).role is Role.READER
    assert provider.asked == [("first", "ada")] * 2


async def test_one_server_asks(server, store, clock, provider):
    """A second one goes on with the groups that it knows while the first waits for the answer."""
    other = sessions_over(store, clock, fresh_s=0.0, ask=provider.renew)
    token = await server.begin(ADA, None)
    age(store, clock)
    renew = provider.renew

    async def meanwhile(refresh_token, subject):
        assert (await other.find(token)).role is Role.ADMINISTRATOR
        return await renew(refresh_token, subject)

    provider.groups = ("listeners",)
    first = sessions_over(store, clock, fresh_s=0.0, ask=meanwhile)
    assert (await first.find(token)).role is Role.READER
    assert len(provider.asked) == 1


async def test_another_client_secret(server, store, clock, provider):
    """Reads no token that was kept with the one before: the session ends, and nobody is asked."""
    token = await server.begin(ADA, None)
    session_id = next(iter(store.kept))
    store.renew(session_id, checked_at_s=clock(), renewal="a.b.c.d.e")
    age(store, clock)
    with pytest.raises(Unauthenticated, match="is over"):
        await server.find(token)
    assert not provider.asked
