"""A server that people sign in at, its provider and one browser, for tests of the routes."""

from http.cookies import Morsel, SimpleCookie
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.auth.api_keys import ApiKeyAuthenticator
from deployments.http.sessions.own_page import OWN_PAGE
from pipelines.ledger.credentials.sessions import SessionStore
from tests.fakes.api_keys import MemoryKeys
from tests.fakes.ledger import ManualClock
from tests.servers.scripted_provider import ScriptedProvider
from tests.support.sign_in import sign_in_at

HOME = "https://memo.example"
CONSOLE = {OWN_PAGE: "1", "origin": HOME, "sec-fetch-site": "same-origin"}
PAGE = {"accept": "text/html,*/*;q=0.8"}


class Site:
    """A server, its provider and one browser, which keeps cookies as they are set."""

    def __init__(self, make_api: Any, provider: ScriptedProvider, store: SessionStore) -> None:
        self.make_api, self.provider, self.store = make_api, provider, store
        self.clock = provider.clock = ManualClock()
        self.keys = MemoryKeys()

    async def start(self, public_url: str = HOME, **options: Any) -> Self:
        self.api = await self.make_api(
            authenticator=ApiKeyAuthenticator(self.keys),
            sign_in=sign_in_at(self.provider.issuer, public_url, self.store, clock=self.clock, fresh_s=0.0, **options),
            public_url=public_url,
            refuse_cross_site=False,
        )
        self.browser = self.another_browser(public_url)
        return self

    async def start_again(self, **options: Any) -> Self:
        """Another server of the same cluster takes over; the browser keeps its cookies."""
        cookies = self.browser.cookies
        await self.start(**options)
        self.browser.cookies = cookies
        return self

    def another_browser(self, public_url: str = HOME) -> httpx.AsyncClient:
        prefix = urlsplit(public_url).path
        outer: ASGIApp = self.api.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:  # as a proxy that takes the prefix off
            inside = {**scope, "path": scope["path"].removeprefix(prefix)} if scope["type"] == "http" else scope
            await outer(inside, receive, send)

        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=public_url)

    async def begin(self, browser: httpx.AsyncClient | None = None, **parameters: str) -> dict[str, str]:
        """Go to sign in; return what the provider is asked."""
        answer = await (browser or self.browser).get("auth/login", params=parameters)
        assert answer.status_code == 303, answer.text
        asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}
        return {**asked, "at": answer.headers["location"].partition("?")[0]}

    async def come_back(
        self,
        asked: dict[str, str],
        browser: httpx.AsyncClient | None = None,
        headers: dict[str, str] = PAGE,
        **more: str,
    ) -> httpx.Response:
        """Come back from the provider, where the person agreed."""
        answers = {"code": self.provider.grant(asked), "state": asked["state"], **more}
        return await (browser or self.browser).get("auth/callback", params=answers, headers=headers)

    async def sign_in(self, browser: httpx.AsyncClient | None = None, **parameters: str) -> httpx.Response:
        return await self.come_back(await self.begin(browser, **parameters), browser)


def cookies_of(answer: httpx.Response) -> dict[str, Morsel[str]]:
    """The cookies that an answer sets, by name without prefix."""
    found: dict[str, Morsel[str]] = {}
    for line in answer.headers.get_list("set-cookie"):
        for name, morsel in SimpleCookie(line).items():
            found[name.removeprefix("__Host-").removeprefix("__Secure-")] = morsel
    return found


def led_to(answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["reason"]
