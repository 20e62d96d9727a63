"""Signing in at a real identity provider (certified, for Node) with a real browser."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from deployments.auth.api_keys import ApiKeyAuthenticator
from pipelines.jobs.job import JobState
from pipelines.ledger.credentials.sessions import SessionStore
from pipelines.ledger.open import connect_sessions, open_ledger
from tests.acceptance.console.conftest import OpenPage, Serve, assert_accessible
from tests.fakes.api_keys import MemoryKeys
from tests.servers import free_port
from tests.servers.oidc_provider import OidcProvider
from tests.servers.prefix_proxy import PREFIX, prefix_proxy
from tests.support.console_server import ConsoleServer
from tests.support.foreign_clients import installed_clients
from tests.support.sign_in import REFUSAL, sign_in_at

Visit = Callable[..., Page]
PROVIDERS_FONTS = "https://fonts.googleapis.com/"
"""What the pages of this provider, which are for trying it out, ask for beside."""


@dataclass
class Site:
    """A console with sign-in at ``url``, and its provider."""

    url: str
    provider: OidcProvider
    console: ConsoleServer
    sessions: SessionStore


@pytest.fixture(params=["", PREFIX], ids=["root", "prefix"])
def site(request: pytest.FixtureRequest, tmp_path: Path, serve: Serve) -> Iterator[Site]:
    """At the root of its host, and under the path of a proxy."""
    with contextlib.ExitStack() as stack:
        port = free_port()
        url = f"http://127.0.0.1:{port}{request.param}"
        provider = OidcProvider(installed_clients(), tmp_path / "provider.log", url)
        provider.start()
        stack.callback(provider.stop)
        database = f"sqlite:///{tmp_path}/ledger.db"
        open_ledger(database).close()
        sessions = connect_sessions(database)
        console = ConsoleServer(
            tmp_path,
            authenticator=ApiKeyAuthenticator(MemoryKeys()),
            sign_in=sign_in_at(provider.issuer, url, sessions),
            public_url=url,
            refuse_cross_site=False,
        )
        console.add("of-acme.wav", JobState.CANCELLED, tenant="acme")
        console.add("of-lab.wav", JobState.CANCELLED, tenant="lab")
        if request.param:
            stack.enter_context(prefix_proxy(serve(console), port))
        else:
            serve(console, port)
        yield Site(url=url, provider=provider, console=console, sessions=sessions)


@pytest.fixture
def visit(site: Site, open_page: OpenPage) -> Visit:
    """Open the console as a new visitor, who may be led to the provider."""
    return lambda place="", **options: open_page(
        f"{site.url}/{place}", also=(f"{site.provider.issuer}/", PROVIDERS_FONTS), **{"refusals": (401,), **options}
    )


def sign_in(page: Page, login: str) -> None:
    """Go to the provider and agree to everything it asks."""
    page.get_by_role("button", name="Sign in with Acme").click()
    page.get_by_placeholder("Enter any login").fill(login)
    page.get_by_placeholder("and password").fill("anything")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def session_cookie(context: BrowserContext) -> dict[str, object]:
    return next(dict(cookie) for cookie in context.cookies() if cookie["name"] == "meetmemo_session")


def test_an_editor_signs_in_and_out(site: Site, visit: Visit) -> None:
    """At the provider, back to the page that was asked for; works in either tenant; out here and there."""
    page = visit("#/batches")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert_accessible(page)
    sign_in(page, "emil")
    expect(page.get_by_role("heading", name="Batches")).to_be_visible()
    assert page.url == f"{site.url}/#/batches"
    expect(page.locator("[data-part=who]")).to_contain_text("Emil Editor")
    assert_accessible(page)
    cookie = session_cookie(page.context)
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie") == ""
    assert page.evaluate("sessionStorage.length") == 0

    page.get_by_role("link", name="Jobs", exact=True).click()
    expect(page.get_by_role("link", name="of-acme.wav")).to_be_visible()
    expect(page.get_by_role("button", name="choose files")).to_be_visible()
    expect(page.get_by_role("link", name="Cluster")).to_have_count(0)
    page.get_by_label("Tenant").select_option("lab")
    expect(page.get_by_role("link", name="of-lab.wav")).to_be_visible()
    expect(page.get_by_role("link", name="of-acme.wav")).to_have_count(0)
    expect(page.get_by_role("button", name="choose files")).to_have_count(0)  # a reader there
    assert session_cookie(page.context)["value"] != cookie["value"]
    page.reload()
    expect(page.get_by_role("link", name="of-lab.wav")).to_be_visible()

    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Yes, sign me out").click()  # the provider's page
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert not site.sessions.list()
    page.get_by_role("button", name="Sign in with Acme").click()
    expect(page.get_by_placeholder("Enter any login")).to_be_visible()  # signed out there as well


def test_roles_in_the_browser(site: Site, visit: Visit) -> None:
    """A reader sees jobs and none of the buttons that would be refused; an administrator has the cluster's page."""
    reader = visit()
    sign_in(reader, "rita")
    expect(reader.get_by_role("link", name="of-acme.wav")).to_be_visible()
    assert reader.locator("button[data-part=erase]").count() == 0
    assert reader.get_by_role("button", name="choose files").count() == 0
    administrator = visit()
    sign_in(administrator, "ada")
    expect(administrator.locator("button[data-part=erase]").first).to_be_visible()
    administrator.get_by_role("link", name="Cluster").click()
    expect(administrator.locator("button[data-part=drain]")).to_be_visible()


def test_somebody_without_a_role(site: Site, visit: Visit) -> None:
    """Is led back and reads the operator's words."""
    page = visit()
    sign_in(page, "nemo")
    expect(page.get_by_role("alert")).to_contain_text(REFUSAL)
    assert not site.sessions.list()
    assert_accessible(page)


def test_a_provider_that_is_away(site: Site, visit: Visit) -> None:
    """The console says so; once it is back, with new keys, the same page signs in."""
    page = visit()
    expect(page.get_by_role("button", name="Sign in with Acme")).to_be_visible()
    site.provider.stop()
    page.get_by_role("button", name="Sign in with Acme").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached now")
    site.provider.start()
    page.wait_for_timeout(2500)  # it is not asked for each visitor
    sign_in(page, "emil")
    expect(page.get_by_role("link", name="of-acme.wav")).to_be_visible()


def test_a_session_that_was_ended(site: Site, visit: Visit) -> None:
    """By an administrator: the page signs out and says why."""
    page = visit()
    sign_in(page, "emil")
    expect(page.get_by_role("link", name="of-acme.wav")).to_be_visible()
    for session in site.sessions.list():
        site.sessions.end(session.id)
    page.wait_for_timeout(3500)  # servers remember a session for three seconds
    page.get_by_role("link", name="Batches").click()
    expect(page.get_by_role("alert")).to_contain_text("Your session is over")
