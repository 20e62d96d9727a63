"""Find out at the first calls how an endpoint can be made to answer in JSON: servers refuse modes they do not know.

vLLM, llama.cpp and Ollama enforce a schema; llama-cpp-python takes it only beside ``json_object``; DeepSeek knows
``json_object`` only; LM Studio refuses ``json_object``. Most refuse with 400 or 422, llama-cpp-python with 500.
"""

import asyncio
from collections import Counter

import structlog

from pipelines.minutes.provider.chat import ChatClient, ChatRequest, Completion
from pipelines.minutes.provider.endpoints import JsonMode
from pipelines.minutes.provider.faults import CallFailed, Fault

log = structlog.get_logger()

# A server that fails in a mode refuses it or has a bad moment: twice, with a weaker mode working, is a refusal.
FAILURES_THAT_REFUSE = 2


class JsonCapability:
    """Finds and keeps the strongest mode that an endpoint takes; belongs to one event loop."""

    def __init__(self, mode: JsonMode | None = None) -> None:
        """Begin with ``mode``; None: probe, from the strongest down."""
        self._mode = mode
        self._failures: Counter[JsonMode] = Counter()
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
        failure: CallFailed | None = None
        for mode in JsonMode:
            if self._failures[mode] >= FAILURES_THAT_REFUSE:
                continue
            try:
                completion = await client.complete(request, mode)
            except CallFailed as error:
                if error.fault is Fault.BAD_REQUEST:
                    self._failures[mode] = FAILURES_THAT_REFUSE
                elif error.fault is Fault.SERVER_ERROR:
                    self._failures[mode] += 1
                else:
                    raise
                log.info("json mode refused", action="llm_probe", mode=mode.value, detail=str(error))
                failure = failure or error
            else:
                stronger = [other for other in JsonMode if other.rank < mode.rank]
                if all(self._failures[other] >= FAILURES_THAT_REFUSE for other in stronger):
                    self._mode = mode
                return completion
        # It fails whatever is asked: that says nothing about modes.
        self._failures.clear()
        raise failure or CallFailed("the language model takes no request", Fault.BAD_REQUEST)
