"""Webhooks: a signed POST to a checked address, as Standard Webhooks 1.0.0 wants it."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import structlog

from deployments.notifications.delivery_loop import DeliveryOutcome, DeliveryResult
from deployments.notifications.signing import signature_headers
from deployments.sources.pinned_http import (
    NotPublic,
    Unresolvable,
    complaint_about,
    complaint_about_host,
    pinned_request,
    trusted_certificates,
)
from pipelines.backoff import retry_after_s
from pipelines.errors import ConfigurationError, StorageError
from pipelines.ledger.outbox import Message

MAX_URL_CHARS = 2048

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class WebhookLimits:
    """``allow_private``: targets may lie in the operator's network, and then also speak plain HTTP."""

    allow_private: bool = False
    timeout_s: float = 20.0


def target_complaint(url: str, limits: WebhookLimits) -> str:
    """Say why a URL can be no target; nothing for one that can. Looks at the text only."""
    if len(url) > MAX_URL_CHARS:
        return f"has more than {MAX_URL_CHARS} characters"
    if complaint := complaint_about(url):
        return complaint
    schemes = ("https", "http") if limits.allow_private else ("https",)
    if urlsplit(url).scheme not in schemes:
        return f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    return complaint_about_host(url, allow_private=limits.allow_private)


@dataclass(frozen=True)
class WebhookSender:
    """Posts messages. ``secrets`` gives a tenant's, newest first, as they are now: replacing one needs no stop.

    ``bodies`` make the bodies of messages that are told in another vendor's dialect, by its name; they block, and may
    raise `StorageError`. ``clock`` gives Unix seconds.
    """

    secrets: Callable[[str], Sequence[bytes]]
    limits: WebhookLimits
    user_agent: str = "MeetMemo"
    clock: Callable[[], float] = time.time
    bodies: Mapping[str, Callable[[Message], bytes]] = field(default_factory=dict)

    async def send(self, message: Message) -> DeliveryResult:
        """Post once. Only 2xx is success; redirects are not followed; 410 means that the target wants no more."""
        if complaint := target_complaint(message.target, self.limits):
            return DeliveryResult(outcome=DeliveryOutcome.REFUSED, detail=f"the URL {complaint}")
        try:
            secrets = await asyncio.to_thread(self.secrets, message.tenant)
        except ConfigurationError as error:
            log.warning("webhook not signed", action="deliver", delivery=message.id, error=str(error))
            return DeliveryResult(outcome=DeliveryOutcome.AGAIN, detail="the secret to sign with is damaged")
        if not secrets:
            return DeliveryResult(outcome=DeliveryOutcome.AGAIN, detail="there is no secret to sign with")
        try:
            body = await asyncio.to_thread(self._body, message)
        except StorageError as error:
            return DeliveryResult(outcome=DeliveryOutcome.AGAIN, detail=str(error))
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                return await self._post(message, body, secrets)
        except TimeoutError:
            return DeliveryResult(outcome=DeliveryOutcome.AGAIN, detail=f"no answer within {self.limits.timeout_s:g} s")
        except NotPublic as error:
            return DeliveryResult(outcome=DeliveryOutcome.REFUSED, detail=str(error))
        except (Unresolvable, httpx.HTTPError) as error:
            return DeliveryResult(outcome=DeliveryOutcome.AGAIN, detail=str(error) or type(error).__name__)

    def _body(self, message: Message) -> bytes:
        """Return what is posted: the message, or what its dialect makes of it."""
        dialect = json.loads(message.body).get("dialect") or {}
        make = self.bodies.get(dialect.get("name", ""))
        return make(message) if make else message.body.encode()

    async def _post(self, message: Message, body: bytes, secrets: Sequence[bytes]) -> DeliveryResult:
        headers = {
            "content-type": "application/json",
            "user-agent": self.user_agent,
            **signature_headers(message.id, body, timestamp_s=int(self.clock()), secrets=secrets),
        }
        trusted = await asyncio.to_thread(trusted_certificates)
        # One client each: a kept connection to an address would be used for whatever other name leads there.
        async with httpx.AsyncClient(timeout=self.limits.timeout_s, verify=trusted, trust_env=False) as client:
            request = await pinned_request(
                client, "POST", message.target, allow_private=self.limits.allow_private, headers=headers, content=body
            )
            # The answer's body is not read: what it says could be a look into somebody else's network.
            response = await client.send(request, stream=True)
            await response.aclose()
        return self._judge(response)

    def _judge(self, response: httpx.Response) -> DeliveryResult:
        status = response.status_code
        outcome = DeliveryOutcome.AGAIN
        if response.is_success:
            outcome = DeliveryOutcome.DELIVERED
        elif status == httpx.codes.GONE:
            outcome = DeliveryOutcome.GONE
        return DeliveryResult(
            outcome=outcome,
            status=status,
            detail=f"{status} {response.reason_phrase}".strip(),
            retry_after_s=retry_after_s(response.headers, self.clock()) or 0.0,
        )
