"""Chat completions over HTTP, streamed: one attempt at a time, with limits that keep-alives cannot defeat.

While a call waits in its queue DeepSeek sends empty lines or ``: keep-alive`` comments, so a time-out on reading
would never fire: the limits here count payload only.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx

from pipelines.backoff import retry_after_s
from pipelines.core import Usage
from pipelines.minutes.provider.chat import ChatRequest, Completion
from pipelines.minutes.provider.endpoints import Endpoint, JsonMode
from pipelines.minutes.provider.faults import CallFailed, Fault, fault_of_status
from pipelines.minutes.provider.sse import DONE, read_events
from pipelines.minutes.provider.token_count import estimate_tokens
from pipelines.secret import Secret, revealed

MAX_ERROR_BYTES = 4096
MAX_ERROR_CHARACTERS = 300
# More than the longest answer any model gives: a server that never stops must not fill the memory.
MAX_ANSWER_CHARACTERS = 4_000_000


@dataclass(frozen=True, kw_only=True)
class ClientLimits:
    """Timeouts of a call in seconds, and the number of open connections.

    ``first_payload_s`` counts from sending to the first piece of an answer (DeepSeek closes after ten minutes),
    ``idle_s`` between pieces, ``total_s`` over all.
    """

    connect_s: float = 10.0
    first_payload_s: float = 630.0
    idle_s: float = 120.0
    total_s: float = 1800.0
    max_connections: int = 256


class HttpChatClient:
    """Talks to one endpoint with one pool of connections; HTTP/2 where the server offers it."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        key: Secret = "",
        limits: ClientLimits | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Send ``key`` in the Authorization header and nowhere else; ``transport`` replaces the network.

        A key that is read where it lies is read for every call.
        """
        self._endpoint = endpoint
        self._limits = limits or ClientLimits()
        self._key = key
        self._http = httpx.AsyncClient(
            base_url=endpoint.base_url.rstrip("/") + "/",
            http2=True,
            transport=transport,
            timeout=httpx.Timeout(None, connect=self._limits.connect_s),
            limits=httpx.Limits(max_connections=self._limits.max_connections, max_keepalive_connections=None),
        )

    async def __aenter__(self) -> "HttpChatClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def complete(self, request: ChatRequest, json_mode: JsonMode) -> Completion:
        """Make one call; see `pipelines.minutes.provider.chat.ChatClient`."""
        body = self.body(request, json_mode)
        key = revealed(self._key)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        now_s = asyncio.get_running_loop().time()
        latest_s = now_s + self._limits.total_s
        try:
            async with (
                asyncio.timeout_at(min(latest_s, now_s + self._limits.first_payload_s)) as deadline,
                self._http.stream("POST", "chat/completions", json=body, headers=headers) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise await self._refusal(response, key)
                return await self._read(response, request, deadline, latest_s)
        except TimeoutError:
            raise CallFailed("the language model sent nothing for too long", Fault.STALLED) from None
        except httpx.HTTPError as error:
            what = str(error) or type(error).__name__
            raise CallFailed(f"the language model cannot be reached: {what}", Fault.UNREACHABLE) from None

    def body(self, request: ChatRequest, json_mode: JsonMode) -> dict[str, Any]:
        """Return the request as sent; DeepSeek's own fields go to DeepSeek only."""
        endpoint = self._endpoint
        body: dict[str, Any] = {
            "model": endpoint.model,
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_tokens": request.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if json_mode is JsonMode.OBJECT:
            body["response_format"] = {"type": "json_object"}
        elif json_mode is JsonMode.OBJECT_SCHEMA:
            body["response_format"] = {"type": "json_object", "schema": request.schema}
        elif json_mode is JsonMode.SCHEMA:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": request.schema},
            }
        if not endpoint.thinking:
            body["temperature"] = 0.0  # ignored in thinking mode
        if endpoint.deepseek:
            body["thinking"] = {"type": "enabled" if endpoint.thinking else "disabled"}
            if request.user:
                body["user_id"] = request.user
        return body

    async def _read(
        self, response: httpx.Response, request: ChatRequest, deadline: asyncio.Timeout, latest_s: float
    ) -> Completion:
        pieces: list[str] = []
        n_characters, finish_reason, model, usage = 0, "", self._endpoint.model, None
        clock = asyncio.get_running_loop().time
        async for data in _payloads(response):
            chunk = _parsed(data)
            model = chunk.get("model") or model
            if isinstance(chunk.get("usage"), dict):
                usage = chunk["usage"]
            for choice in chunk.get("choices") or ():
                delta = choice.get("delta") or {}
                content = delta.get("content") or ""
                if content or delta.get("reasoning_content"):
                    deadline.reschedule(min(latest_s, clock() + self._limits.idle_s))
                pieces.append(content)
                n_characters += len(content)
                finish_reason = choice.get("finish_reason") or finish_reason
            if n_characters > MAX_ANSWER_CHARACTERS:
                raise CallFailed("the language model's answer does not end", Fault.TOO_LONG)
        if not finish_reason:
            raise CallFailed("the language model's answer was cut off", Fault.CUT_OFF)
        text = "".join(pieces)
        n_read = (usage or {}).get("prompt_tokens")
        return Completion(
            text=text,
            finish_reason=finish_reason,
            model=model,
            usage=_usage(usage or {}, request, text, model),
            n_read=n_read if isinstance(n_read, int) and n_read > 0 else None,
        )

    async def _refusal(self, response: httpx.Response, key: str) -> CallFailed:
        body = b""
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) >= MAX_ERROR_BYTES:
                break
        said = _error_text(body[:MAX_ERROR_BYTES])
        if key:
            said = said.replace(key, "…")
        message = f"the language model answered {response.status_code}" + (f": {said}" if said else "")
        return CallFailed(message, fault_of_status(response.status_code), retry_after_s(response.headers, time.time()))


async def _payloads(response: httpx.Response) -> AsyncIterator[str]:
    async for data in read_events(response.aiter_lines()):
        if data == DONE:
            return
        yield data


def _parsed(data: str) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except ValueError:
        chunk = None
    if not isinstance(chunk, dict):
        raise CallFailed("the language model's stream is damaged", Fault.CUT_OFF)
    if "error" in chunk:
        raise CallFailed(f"the language model failed: {_error_text(data.encode())}", Fault.SERVER_ERROR)
    return chunk


def _usage(counted: dict[str, Any], request: ChatRequest, text: str, model: str) -> Usage:
    """Return what the server counted, in DeepSeek's or OpenAI's fields; estimated where it counts nothing."""
    details = counted.get("prompt_tokens_details") or {}
    n_prompt = counted.get("prompt_tokens")
    n_completion = counted.get("completion_tokens")
    n_hit = counted.get("prompt_cache_hit_tokens", details.get("cached_tokens")) or 0
    if n_prompt is None:
        n_prompt = sum(estimate_tokens(message.content) for message in request.messages)
    if n_completion is None:
        n_completion = estimate_tokens(text)
    return Usage(n_calls=1, n_prompt=n_prompt, n_cache_hit=n_hit, n_completion=n_completion, models=(model,))


def _error_text(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        text = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        pass
    return " ".join(str(text).split())[:MAX_ERROR_CHARACTERS]
