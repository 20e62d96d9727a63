"""A language model whose answers a test writes, behind the real writer of minutes and without a network."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from pipelines.core import Usage
from pipelines.minutes.llm.drafting import MinutesDrafter
from pipelines.minutes.llm.packing import PackLimits
from pipelines.minutes.llm.writer import LlmWriter
from pipelines.minutes.provider.adaptive_limit import AdaptiveLimit
from pipelines.minutes.provider.budget import Budget
from pipelines.minutes.provider.calls import Provider
from pipelines.minutes.provider.chat import ChatMessage, ChatRequest, Completion
from pipelines.minutes.provider.circuit_breaker import Breaker, BreakerOptions
from pipelines.minutes.provider.endpoints import Endpoint, JsonMode
from pipelines.minutes.provider.json_support import JsonCapability
from pipelines.minutes.provider.pricing import price_of
from pipelines.minutes.provider.spending_book import DailyLimits
from pipelines.minutes.provider.token_count import estimate_tokens
from tests.fakes.spending import MemorySpending
from tests.support.llm_lab import OFF_PEAK

Reply = Callable[[Sequence[ChatMessage], int], str]
CHARACTERS_PER_TOKEN = 4


class ScriptedModel:
    """Answers what ``reply`` makes of a conversation and the number of the call, from 0.

    ``context_tokens`` is how much of a prompt it is shown: more is cut at the beginning without a word, and
    ``counts`` says whether it tells how much it read, ``finish_reason`` why its answers end.
    """

    def __init__(
        self, reply: Reply, *, context_tokens: int = 1_000_000, counts: bool = True, finish_reason: str = "stop"
    ) -> None:
        self.reply = reply
        self.context_tokens = context_tokens
        self.counts = counts
        self.finish_reason = finish_reason
        self.prompts: list[Sequence[ChatMessage]] = []

    async def complete(self, request: ChatRequest, json_mode: JsonMode) -> Completion:
        """See `ChatClient.complete`."""
        await asyncio.sleep(0)
        n_prompt = sum(len(message.content) for message in request.messages) // CHARACTERS_PER_TOKEN
        n_read = min(n_prompt, self.context_tokens)
        messages = (
            _last_part(request.messages, CHARACTERS_PER_TOKEN * n_read) if n_read < n_prompt else request.messages
        )
        text = self.reply(messages, len(self.prompts))
        self.prompts.append(messages)
        usage = Usage(n_calls=1, n_prompt=n_read, n_completion=estimate_tokens(text), models=("scripted",))
        n_told = n_read if self.counts else None
        return Completion(text=text, finish_reason=self.finish_reason, model="scripted", usage=usage, n_read=n_told)


def _last_part(messages: Sequence[ChatMessage], n_characters: int) -> tuple[ChatMessage, ...]:
    """Return a conversation's rules, and of the rest the last part, as Ollama does."""
    rules, *rest = messages
    n_left = max(0, n_characters - len(rules.content))
    kept = []
    for message in reversed(rest):
        content = message.content[max(0, len(message.content) - n_left) :] if n_left else ""
        n_left -= len(content)
        kept.append(ChatMessage(role=message.role, content=content))
    return (rules, *reversed(kept))


def scripted_writer(
    model: ScriptedModel, *, piece_tokens: int = 60_000, clock: Callable[[], datetime] = lambda: OFF_PEAK
) -> LlmWriter:
    """Build a writer that asks the model for each meeting alone; must be called on an event loop."""
    endpoint = Endpoint(model="deepseek-flash", json_mode=JsonMode.OBJECT)
    provider = Provider(
        model,
        capability=JsonCapability(endpoint.json_mode),
        limit=AdaptiveLimit(8),
        breaker=Breaker(BreakerOptions(), asyncio.get_running_loop().time),
        budget=Budget(DailyLimits(), clock, MemorySpending()),
        price=price_of(endpoint.model),
        clock=clock,
    )
    drafter = MinutesDrafter(provider, endpoint, packs=PackLimits(max_items=1), window_s=0)
    return LlmWriter(drafter, endpoint, piece_tokens=piece_tokens)
