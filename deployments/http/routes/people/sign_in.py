"""The routes under ``/auth``: a browser signs in at the identity provider, comes back, and signs out.

A browser that visits them is led back to the console, which says in words why somebody is not signed in; everybody else
gets the problem document.
"""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from deployments.auth.attempt_cookie import new_attempt, opened, sealed
from deployments.auth.oidc import TEMPORARY
from deployments.http.errors.problems import answer
from deployments.http.sessions.own_page import check_own_page
from deployments.http.sessions.sign_in import SignIn, count_visit
from deployments.schemas.options import ApiModel
from deployments.telemetry.request_context import current_request
from pipelines.audit import SYSTEM, Doer
from pipelines.errors import InvalidRequest, MeetMemoError, ProviderUnavailable, SignInFailed, SignInRefused

METHODS_PATH = "/auth/methods"
LOGIN_PATH = "/auth/login"
CALLBACK_PATH = "/auth/callback"
LOGOUT_PATH = "/auth/logout"
PROVIDER_LOGOUT_PATH = "/auth/backchannel-logout"

MAX_PARAMETER_CHARS = 4096
MAX_LOGOUT_BYTES = 1 << 16
_PLACE = re.compile(r"/[A-Za-z0-9._~%/-]{0,500}")
_ERROR = re.compile(r"[a-z_]{1,40}")


class MethodsBody(ApiModel):
    """How people sign in here; ``provider`` is null where they need an API key."""

    provider: str | None
    refusal: str


class LogoutBody(ApiModel):
    """``url`` is where to sign out at the provider too; null where it has no such place."""

    url: str | None


def method_routes(sign_in: SignIn | None) -> APIRouter:
    """Build the route that tells the console how people sign in."""
    router = APIRouter(include_in_schema=False)

    @router.get(METHODS_PATH)
    async def methods() -> MethodsBody:
        if sign_in is None:
            return MethodsBody(provider=None, refusal="")
        return MethodsBody(provider=sign_in.name, refusal=sign_in.sessions.rules.refusal)

    return router


def sign_in_routes(sign_in: SignIn) -> APIRouter:
    """Build the routes that sign people in and out; the provider's signing out is entered into the audit log."""
    router = APIRouter(include_in_schema=False)
    provider, sessions, cookies = sign_in.provider, sign_in.sessions, sign_in.cookies

    async def led_back(request: Request, respond: Callable[[], Awaitable[Response]]) -> Response:
        """Respond; a browser is led to the console's words about an error."""
        try:
            return await respond()
        except MeetMemoError as error:
            if "text/html" not in request.headers.get("accept", ""):
                return answer(error, request.url.path)
            return RedirectResponse(f"{cookies.base}/#/sign-in/{error.reason}", status_code=303)

    @router.get(LOGIN_PATH)
    async def login(request: Request, to: str = "/") -> Response:
        count_visit(request, sign_in, "login")

        async def begin() -> Response:
            attempt = new_attempt(to if _PLACE.fullmatch(to) else "/", sign_in.clock())
            response = RedirectResponse(await provider.authorization_url(attempt), status_code=303)
            cookies.set_attempt(response, attempt.state, sealed(attempt, sign_in.secret))
            return response

        return await led_back(request, begin)

    @router.get(CALLBACK_PATH)
    async def callback(request: Request) -> Response:
        count_visit(request, sign_in, "callback")
        parameters = {name: value[:MAX_PARAMETER_CHARS] for name, value in request.query_params.items()}
        state = parameters.get("state", "")

        async def complete() -> Response:
            attempt = opened(cookies.attempt_of(request, state), state, sign_in.secret, sign_in.clock())
            await provider.check_issuer(parameters.get("iss"))
            _check_granted(parameters)
            person = await provider.redeem(parameters.get("code", ""), attempt)
            token = await sessions.begin(person, cookies.session_of(request))
            # The page is a fragment: it cannot lead away from the console, whatever it says.
            response = RedirectResponse(f"{cookies.base}/#{quote(attempt.place, safe='/%')}", status_code=303)
            cookies.set_session(response, token)
            cookies.set_hint(response, person.id_token)
            return response

        response = await led_back(request, complete)
        cookies.drop_attempt(response, state)
        return response

    @router.post(LOGOUT_PATH)
    async def logout(request: Request) -> Response:
        check_own_page(request, cookies.public_url)
        token = cookies.session_of(request)
        ended = await sessions.end(token) if token else None
        hint = cookies.hint_of(request)
        url = await provider.logout_url(hint, f"{cookies.base}/") if ended or hint else None
        response = JSONResponse(LogoutBody(url=url).model_dump(mode="json"))
        cookies.drop_session(response)
        return response

    @router.post(PROVIDER_LOGOUT_PATH, status_code=204)
    async def logged_out_there(request: Request) -> Response:
        """End the sessions that the provider says are over (OpenID Connect Back-Channel Logout 1.0)."""
        count_visit(request, sign_in, "backchannel-logout")
        fields = parse_qs((await _small_body(request)).decode("ascii", "replace"))
        subject, provider_session = await provider.logged_out(fields.get("logout_token", [""])[0])
        by = Doer(actor=f"{SYSTEM}identity-provider", request_id=current_request().request_id)
        await sessions.end_all(by, subject=subject, provider_session=provider_session)
        return Response(status_code=204, headers={"cache-control": "no-store"})

    return router


async def _small_body(request: Request) -> bytes:
    """Return the body; raises `InvalidRequest` for a large one."""
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > MAX_LOGOUT_BYTES:
            raise InvalidRequest("A logout token is smaller.")
    return bytes(body)


def _check_granted(parameters: dict[str, str]) -> None:
    """Raise the error that a provider sent instead of a code (RFC 6749, section 4.1.2.1)."""
    error = parameters.get("error")
    if error is None:
        return
    told = error if _ERROR.fullmatch(error) else "an error"
    if error in TEMPORARY:
        raise ProviderUnavailable(f"The identity provider cannot sign anybody in now ({told}).")
    if error == "access_denied":
        raise SignInRefused("The identity provider did not let you in, or you turned back.")
    raise SignInFailed(f"The identity provider refused this sign-in ({told}).")
