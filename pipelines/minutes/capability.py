"""How an endpoint is made to answer in JSON, found out at the first call: servers refuse what they do not know.

vLLM, llama.cpp and Ollama enforce a schema; DeepSeek knows ``json_object`` only; LM Studio refuses ``json_object``.
"""

import asyncio

import structlog

from pipelines.minutes.chat import ChatClient, ChatRequest, Completion
from pipelines.minutes.endpoints import JsonMode
from pipelines.minutes.retries import CallFailed, Fault

log = structlog.get_logger()


class JsonCapability:
    """The strongest mode that an endpoint takes; belongs to one event loop."""

    def __init__(self, mode: JsonMode | None = None) -> None:
        """``mode`` None means: probe, from the strongest down."""
        self._mode = mode
        self._lock = asyncio.Lock()

    @property
    def mode(self) -> JsonMode | None:
        """The mode that works; None while it is unknown."""
        return self._mode

    async def complete(self, client: ChatClient, request: ChatRequest) -> Completion:
        """Make the call in the mode that works. While it is unknown, one call finds out and the others wait for it."""
        if self._mode is None:
            async with self._lock:
                if self._mode is None:
                    return await self._probe(client, request)
        return await client.complete(request, self._mode)

    async def _probe(self, client: ChatClient, request: ChatRequest) -> Completion:
        *stronger, weakest = JsonMode
        for mode in stronger:
            try:
                completion = await client.complete(request, mode)
            except CallFailed as error:
                if error.fault is not Fault.BAD_REQUEST:
                    raise
                log.info("json mode refused", action="llm_probe", mode=mode.value, detail=str(error))
            else:
                self._mode = mode
                return completion
        completion = await client.complete(request, weakest)
        self._mode = weakest
        return completion
