"""The routes under ``/v1/admin/keys``: making, listing and revoking API keys."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from deployments.auth.authenticators import Principal
from deployments.http.dependencies import Admin
from deployments.http.errors.documentation import QUERY, documented
from deployments.http.json_bodies import documented_json, json_body
from deployments.schemas.options import ApiModel
from deployments.telemetry.request_context import current_request
from deployments.tenant.threads import in_thread
from pipelines.audit import Doer
from pipelines.errors import KeyUnknown, Reason
from pipelines.ledger.credentials.api_keys import MAX_NAME_CHARS, ApiKey, KeyStore, Scope, new_key
from pipelines.ledger.protocol import Clock

KEYS_PATH = "/v1/admin/keys"


class KeyRequest(ApiModel):
    """A key to make."""

    tenant: str = Field(max_length=63)
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope))
    name: str = Field("", max_length=MAX_NAME_CHARS, description="What the key is for.")
    lifetime_s: float | None = Field(None, gt=0, le=1e10, description="Seconds until it expires; null: never.")


class KeyBody(ApiModel):
    """An API key without its secret."""

    id: str
    tenant: str
    scopes: list[Scope]
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @classmethod
    def from_domain(cls, key: ApiKey) -> "KeyBody":
        return cls(**_fields(key))


class NewKeyBody(KeyBody):
    """A key that was just made."""

    key: str = Field(description="The key itself. It is shown here and never again.")


class KeyList(ApiModel):
    """Keys, newest first."""

    keys: list[KeyBody]


def key_routes(keys: KeyStore, clock: Clock) -> APIRouter:
    """Build the routes for API keys."""
    router = APIRouter(tags=["service"])

    @router.post(
        KEYS_PATH,
        status_code=201,
        summary="Make an API key",
        openapi_extra=documented_json(KeyRequest),
        responses=documented(*QUERY),
    )
    async def create(operator: Admin, wanted: Annotated[KeyRequest, Depends(json_body(KeyRequest))]) -> NewKeyBody:
        key, token = new_key(
            tenant=wanted.tenant, scopes=wanted.scopes, name=wanted.name, now_s=clock(), lifetime_s=wanted.lifetime_s
        )
        await in_thread(keys.add, key, _doer(operator))
        return NewKeyBody(**_fields(key), key=token)

    @router.get(KEYS_PATH, summary="List API keys", responses=documented(*QUERY))
    async def list_keys(
        operator: Admin, tenant: Annotated[str | None, Query(max_length=63, description="Only this tenant's.")] = None
    ) -> KeyList:
        return KeyList(keys=[KeyBody.from_domain(key) for key in await in_thread(keys.list, tenant)])

    @router.delete(
        KEYS_PATH + "/{key_id}",
        summary="Revoke an API key",
        description="For good; it opens nothing after a few seconds. May be repeated.",
        responses=documented(Reason.KEY_UNKNOWN, *QUERY),
    )
    async def revoke(operator: Admin, key_id: str) -> KeyBody:
        if not (key_id.isascii() and key_id.isalnum()):
            raise KeyUnknown("There is no such key.")
        return KeyBody.from_domain(await in_thread(keys.revoke, key_id, clock(), _doer(operator)))

    return router


def _doer(operator: Principal) -> Doer:
    return Doer(actor=operator.acting, request_id=current_request().request_id)


def _fields(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "tenant": key.tenant,
        "scopes": sorted(key.scopes),
        "name": key.name,
        "created_at": _time(key.created_at_s),
        "expires_at": _time(key.expires_at_s),
        "last_used_at": _time(key.last_used_at_s),
        "revoked_at": _time(key.revoked_at_s),
    }


def _time(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)
