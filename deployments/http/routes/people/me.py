"""The routes of the person or program that asks: who it is, what it may do, and in which tenant it works."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Security
from pydantic import Field

from deployments.auth.authenticators import Principal, Scope
from deployments.auth.roles import Role
from deployments.auth.sessions import SignedIn
from deployments.http.dependencies import authorized
from deployments.http.errors.documentation import LEDGER, documented
from deployments.http.json_bodies import documented_json, json_body
from deployments.http.middleware.security_headers import set_response_headers
from deployments.http.sessions.sign_in import SignIn, signed_in
from deployments.schemas.options import ApiModel
from pipelines.audit import USER
from pipelines.errors import InvalidRequest, Reason

ME_PATH = "/v1/me"
TENANT_PATH = "/v1/me/tenant"


class Membership(ApiModel):
    """A tenant that a person may work in."""

    tenant: str
    role: Role


class MeBody(ApiModel):
    """Who asks, and what they may do."""

    actor: str = Field(description="Stable: `key:ID`, `jwt:SUBJECT`, `user:SUBJECT`; empty where nobody is asked.")
    name: str
    tenant: str
    scopes: list[Scope]
    via: Literal["session", "credential"]
    role: Role | None = Field(description="Of somebody who signed in with a browser.")
    tenants: list[Membership] = Field(description="Where such a person may work.")
    signed_in_until: datetime | None = Field(description="When such a session is over, whatever its use.")


class TenantChoice(ApiModel):
    """The tenant to work in."""

    tenant: str = Field(max_length=63)


def me_routes(sign_in: SignIn | None) -> APIRouter:
    """Build the routes that say who asks."""
    router = APIRouter(tags=["service"])

    @router.get(ME_PATH, summary="Who asks, and what they may do", responses=documented(*LEDGER))
    async def me(request: Request, principal: Annotated[Principal, Security(authorized, scopes=[])]) -> MeBody:
        # A key beside the cookie counts, as everywhere.
        found = await signed_in(request) if sign_in and principal.actor.startswith(USER) else None
        return _me(principal, found, sign_in)

    return router


def tenant_routes(sign_in: SignIn) -> APIRouter:
    """Build the route for changing the tenant."""
    router = APIRouter(tags=["service"])
    sessions, cookies = sign_in.sessions, sign_in.cookies

    @router.post(
        TENANT_PATH,
        summary="Work in another tenant",
        description="For somebody who signed in with a browser, by the console; the session's cookie is replaced.",
        openapi_extra=documented_json(TenantChoice),
        responses=documented(Reason.INVALID_REQUEST, Reason.INVALID_OPTION, Reason.CROSS_SITE, *LEDGER),
    )
    async def switch(
        request: Request,
        principal: Annotated[Principal, Security(authorized, scopes=[])],
        wanted: Annotated[TenantChoice, Depends(json_body(TenantChoice))],
    ) -> MeBody:
        token = cookies.session_of(request)
        if token is None or not principal.actor.startswith(USER):
            raise InvalidRequest("A key belongs to one tenant; only a session may change it.")
        found, successor = await sessions.switch(token, wanted.tenant)
        set_response_headers(request, {"set-cookie": cookies.session_header(successor)})
        return _me(found.principal, found, sign_in)

    return router


def _me(principal: Principal, found: SignedIn | None, sign_in: SignIn | None) -> MeBody:
    return MeBody(
        actor=principal.actor,
        name=principal.name,
        tenant=principal.tenant,
        scopes=sorted(principal.scopes),
        via="session" if found else "credential",
        role=found.role if found else None,
        tenants=[Membership(tenant=tenant, role=role) for tenant, role in (found.memberships if found else {}).items()],
        signed_in_until=(
            _time(found.session.created_at_s + sign_in.sessions.rules.lifetime_s) if found and sign_in else None
        ),
    )


def _time(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
