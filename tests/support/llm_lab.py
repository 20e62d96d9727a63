"""Meetings to write minutes of, and a language-model writer that talks to a simulated server at human-free speed."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx

from pipelines.backoff import Backoff
from pipelines.core import ModelInfo, Segment, Transcript
from pipelines.minutes.llm.cache import MinutesCache, PaidCache
from pipelines.minutes.llm.drafting import MinutesDrafter
from pipelines.minutes.llm.packing import PackLimits
from pipelines.minutes.llm.writer import LlmWriter
from pipelines.minutes.provider.adaptive_limit import AdaptiveLimit
from pipelines.minutes.provider.budget import Budget
from pipelines.minutes.provider.calls import Provider
from pipelines.minutes.provider.circuit_breaker import Breaker, BreakerOptions
from pipelines.minutes.provider.endpoints import Endpoint, JsonMode
from pipelines.minutes.provider.faults import RetryPolicy
from pipelines.minutes.provider.http_client import ClientLimits, HttpChatClient
from pipelines.minutes.provider.json_support import JsonCapability
from pipelines.minutes.provider.pricing import price_of
from pipelines.minutes.provider.spending_book import DailyLimits, SpendingBook
from pipelines.storage.protocol import BlobStore
from pipelines.translation.packing import PassageLimits
from pipelines.translation.translator import LlmTranslator, PaidAnswer
from tests.fakes.deepseek_server import DeepSeekServer, ServerOptions
from tests.fakes.spending import MemorySpending
from tests.support.asgi_server import serve_asgi

ALONE = PackLimits(max_items=1)
OFF_PEAK = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOPICS = ("budget", "harbour", "bakery", "library", "server", "garden", "museum", "bridge", "kitchen", "airport")
NAMES = ("Alice", "Bob", "Carol", "David", "Emma", "Frank")


def said(*lines: str, language: str = "en", speakers: Sequence[str] = ("Alice", "Bob")) -> Transcript:
    """A transcript of these lines, five seconds each, spoken in turns."""
    return Transcript(
        duration_s=5.0 * len(lines),
        language=language,
        languages=(),
        segments=tuple(
            Segment(
                id=index,
                channel=0,
                speaker=speakers[index % len(speakers)],
                start_s=5.0 * index,
                end_s=5.0 * index + 4.5,
                text=line,
            )
            for index, line in enumerate(lines)
        ),
        coverage=(),
        model=ModelInfo(name="test"),
    )


def meeting(number: int, n_lines: int = 24) -> Transcript:
    """A meeting of some minutes, different for each number: one decision, one task, one question, talk around them."""
    rng = random.Random(number)
    topic, owner = rng.choice(TOPICS), rng.choice(NAMES)
    lines = [f"Welcome to meeting number {number} about the {topic}."]
    lines += [
        f"I looked at the {rng.choice(TOPICS)} and the {rng.choice(TOPICS)}, and there is not much to say about it."
        for _ in range(n_lines - 4)
    ]
    lines += [
        f"We decided to close the {topic} in room {number}.",
        f"{owner} will prepare the {topic} report by Friday.",
        f"Who pays for the {topic}?",
    ]
    return said(*lines, speakers=("Alice", "Bob"))


@dataclass(kw_only=True)
class Lab:
    """A writer and the server it talks to."""

    server: DeepSeekServer
    writer: LlmWriter
    translator: LlmTranslator
    provider: Provider
    endpoint: Endpoint
    client: HttpChatClient
    url: str
    budget: Budget
    capability: JsonCapability


@dataclass(kw_only=True)
class LabOptions:
    """How the writer is set up; times are short because the simulated server is quick."""

    packs: PackLimits = field(default_factory=PackLimits)
    concurrency: int = 50
    retries: RetryPolicy = field(default_factory=lambda: RetryPolicy(backoff=Backoff(first_s=0.01, longest_s=0.1)))
    breaker: BreakerOptions = field(default_factory=lambda: BreakerOptions(probes=Backoff(first_s=0.05, longest_s=0.2)))
    limits: ClientLimits = field(default_factory=lambda: ClientLimits(first_payload_s=20, idle_s=20, total_s=60))
    daily: DailyLimits = field(default_factory=DailyLimits)
    spending: SpendingBook = field(default_factory=MemorySpending)
    store: BlobStore | None = None
    passages: PassageLimits = field(default_factory=PassageLimits)
    window_s: float = 0.02
    piece_tokens: int = 60_000
    key: str = "sk-simulated"
    clock: Callable[[], datetime] = lambda: OFF_PEAK


@contextlib.asynccontextmanager
async def lab(
    server_options: ServerOptions | None = None, options: LabOptions | None = None, **endpoint: object
) -> AsyncIterator[Lab]:
    """Start the simulated server on a port and build a writer for it; keywords change the `Endpoint`."""
    server = DeepSeekServer(server_options)
    async with (
        serve_asgi(server, log_level="critical") as url,
        connected(server, url, options or LabOptions(), None, **endpoint) as built,
    ):
        yield built


@contextlib.asynccontextmanager
async def connected(
    server: DeepSeekServer,
    url: str,
    options: LabOptions,
    transport: httpx.AsyncBaseTransport | None,
    **endpoint: object,
) -> AsyncIterator[Lab]:
    """A writer for a server that runs already, over the network or another transport."""
    loop = asyncio.get_running_loop()
    chosen = replace(Endpoint(base_url=url, json_mode=JsonMode.OBJECT), **endpoint)  # type: ignore[arg-type]
    async with HttpChatClient(chosen, key=options.key, limits=options.limits, transport=transport) as client:
        budget = Budget(options.daily, options.clock, options.spending)
        capability = JsonCapability(chosen.json_mode)
        provider = Provider(
            client,
            capability=capability,
            limit=AdaptiveLimit(options.concurrency),
            breaker=Breaker(options.breaker, loop.time),
            budget=budget,
            price=price_of(chosen.model),
            clock=options.clock,
            retries=options.retries,
            rng=random.Random(1),
        )
        drafter = MinutesDrafter(provider, chosen, packs=options.packs, window_s=options.window_s)
        cache = MinutesCache(options.store) if options.store else None
        writer = LlmWriter(drafter, chosen, piece_tokens=options.piece_tokens, cache=cache)
        kept = PaidCache(options.store, PaidAnswer) if options.store else None
        yield Lab(
            server=server,
            writer=writer,
            translator=LlmTranslator(provider, chosen, limits=options.passages, cache=kept),
            provider=provider,
            endpoint=chosen,
            client=client,
            url=url,
            budget=budget,
            capability=capability,
        )
