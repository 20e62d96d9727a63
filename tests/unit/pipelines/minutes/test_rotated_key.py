"""The language model's key: read for every call, sent and never shown."""

import httpx
import pytest

from pipelines.minutes.provider.chat import ChatMessage, ChatRequest
from pipelines.minutes.provider.endpoints import Endpoint, JsonMode
from pipelines.minutes.provider.faults import CallFailed
from pipelines.minutes.provider.http_client import HttpChatClient

ASK = ChatRequest(messages=(ChatMessage(role="user", content="hello"),), max_tokens=10)


async def test_a_rotated_key_is_sent_at_once() -> None:
    """Each call sends the key as it is then; a refusal that repeats it does not show it."""
    sent: list[str | None] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization"))
        return httpx.Response(401, text=f"wrong key {request.headers.get('authorization')}")

    keys = iter(["sk-first", "sk-second", ""])
    endpoint = Endpoint(base_url="http://llm.example")
    async with HttpChatClient(endpoint, key=lambda: next(keys), transport=httpx.MockTransport(refuse)) as client:
        for _ in range(3):
            with pytest.raises(CallFailed) as refused:
                await client.complete(ASK, JsonMode.PROMPT)
            assert "sk-" not in str(refused.value)
    assert sent == ["Bearer sk-first", "Bearer sk-second", None]
