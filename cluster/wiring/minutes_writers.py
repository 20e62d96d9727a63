"""The writers of minutes that are configured, ready to write."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError
from pipelines.ledger.protocol import Ledger
from pipelines.minutes.extractive.writer import ExtractiveWriter
from pipelines.minutes.llm.cache import MinutesCache, PaidCache
from pipelines.minutes.llm.drafting import MinutesDrafter, transcript_room
from pipelines.minutes.llm.off_peak_writer import OffPeakWriter
from pipelines.minutes.llm.packing import PackLimits
from pipelines.minutes.llm.paying_once import PayingOnce
from pipelines.minutes.llm.writer import LlmWriter
from pipelines.minutes.protocol import Writer
from pipelines.minutes.provider.adaptive_limit import AdaptiveLimit, Limiter
from pipelines.minutes.provider.budget import Budget
from pipelines.minutes.provider.calls import Provider
from pipelines.minutes.provider.circuit_breaker import Breaker, BreakerOptions
from pipelines.minutes.provider.endpoints import Endpoint, JsonMode, is_deepseek, todays_model
from pipelines.minutes.provider.http_client import ClientLimits, HttpChatClient
from pipelines.minutes.provider.json_support import JsonCapability
from pipelines.minutes.provider.off_peak import OffPeak
from pipelines.minutes.provider.pricing import price_of
from pipelines.minutes.provider.shared_limit import SharedLimit
from pipelines.minutes.provider.spending_book import DailyLimits
from pipelines.secret import Secret
from pipelines.storage.protocol import BlobStore
from pipelines.translation.protocol import Translator
from pipelines.translation.translator import LlmTranslator, PaidAnswer

log = structlog.get_logger()

# What servers of one's own usually run with; DeepSeek's models read a million.
OWN_CONTEXT_TOKENS = 32_768
DEEPSEEK_CONTEXT_TOKENS = 1_000_000
MAX_OUTPUT_TOKENS = 16_000
# Thinking counts as output.
MAX_THINKING_TOKENS = 64_000


@dataclass(frozen=True, kw_only=True)
class ConfiguredWriters:
    """Who writes minutes, by a job's choice, and who translates (None: nobody). They share calls and their limits."""

    by_name: Mapping[str, Writer]
    translator: Translator | None = None


def build_writers(settings: Settings, key: Secret | None, store: BlobStore, ledger: Ledger) -> ConfiguredWriters:
    """Build the writers by name: ``extractive`` always, ``llm`` where it is configured, ``auto`` either of them.

    The translator is there where ``llm`` is. ``key`` None: there is none. By the ledger several replicas share their
    budgets, their limit and what they paid for.
    """
    extractive = ExtractiveWriter()
    writers: dict[str, Writer] = {"extractive": extractive, "auto": extractive}
    translator: Translator | None = None
    if key is not None or not is_deepseek(settings.minutes.base_url):
        endpoint = endpoint_of(settings)
        provider = build_provider(settings, endpoint, key or "", store, ledger)
        off_peak = _off_peak(settings)
        paying = PayingOnce(ledger.holds)
        answers = PaidCache(store, PaidAnswer, paying)
        translator = LlmTranslator(provider, endpoint, cache=answers, off_peak=off_peak)
        writer = build_llm_writer(settings, provider, endpoint, MinutesCache(store, paying))
        llm: Writer = OffPeakWriter(writer, off_peak) if off_peak is not None else writer
        writers["llm"] = llm
        if settings.minutes.writer != "extractive":
            writers["auto"] = llm
    elif settings.llm_configured:
        log.error(
            "no key on this machine",
            action="llm_key",
            detail="the settings were made where DEEPSEEK_API_KEY was set, but this machine's environment lacks it",
        )
    return ConfiguredWriters(by_name=writers, translator=translator)


def build_provider(settings: Settings, endpoint: Endpoint, key: Secret, store: BlobStore, ledger: Ledger) -> Provider:
    """Return who calls the configured endpoint, with connections and a breaker of its own.

    The budget is that of all replicas, and so is the limit where there are several.
    """
    chosen = settings.minutes
    client = HttpChatClient(
        endpoint,
        key=key,
        limits=ClientLimits(
            first_payload_s=chosen.first_payload_timeout_s,
            idle_s=chosen.idle_timeout_s,
            total_s=chosen.total_timeout_s,
            max_connections=chosen.concurrency,
        ),
    )
    limits = DailyLimits(tokens=chosen.tokens_per_day, cost_usd=chosen.cost_per_day_usd)
    return Provider(
        client,
        capability=JsonCapability(endpoint.json_mode),
        limit=_limiter(settings, ledger),
        breaker=Breaker(BreakerOptions(), time.monotonic),
        budget=Budget(limits, _now, ledger.spending, store),
        price=price_of(endpoint.model),
        clock=_now,
    )


def _limiter(settings: Settings, ledger: Ledger) -> Limiter:
    """Return the limit on calls at once; one replica needs no ledger for it."""
    most = settings.minutes.concurrency
    return SharedLimit(ledger.places, most) if settings.minutes.replicas > 1 else AdaptiveLimit(most)


def build_llm_writer(settings: Settings, provider: Provider, endpoint: Endpoint, cache: MinutesCache) -> LlmWriter:
    """Return a writer of minutes; raises ``ConfigurationError`` when a context has no room for a transcript."""
    chosen = settings.minutes
    packs = PackLimits(max_items=chosen.pack_items, max_tokens=chosen.pack_tokens)
    drafter = MinutesDrafter(provider, endpoint, packs=packs, window_s=chosen.window_s)
    return LlmWriter(drafter, endpoint, piece_tokens=chosen.piece_tokens, cache=cache)


def _off_peak(settings: Settings) -> OffPeak | None:
    """Return how long to wait for low prices, where there are such and the settings say so."""
    wait = timedelta(hours=settings.minutes.off_peak_wait_h)
    if not wait or not is_deepseek(settings.minutes.base_url):
        return None
    return OffPeak(wait=wait, clock=_now)


def endpoint_of(settings: Settings) -> Endpoint:
    """Return the configured endpoint, with what was left open chosen, and a warning for a retired model's name."""
    chosen = settings.minutes
    model, thinking, warning = todays_model(chosen.model, chosen.thinking)
    if warning:
        log.warning("model name mapped", action="llm_model", detail=warning)
    deepseek = is_deepseek(chosen.base_url)
    context_tokens = chosen.context_tokens or (DEEPSEEK_CONTEXT_TOKENS if deepseek else OWN_CONTEXT_TOKENS)
    json_mode = JsonMode.OBJECT if deepseek else None
    longest = MAX_THINKING_TOKENS if thinking else MAX_OUTPUT_TOKENS
    return Endpoint(
        base_url=chosen.base_url,
        model=model,
        thinking=thinking,
        deepseek=deepseek,
        context_tokens=context_tokens,
        max_output_tokens=chosen.max_output_tokens or min(longest, context_tokens // 4),
        json_mode=json_mode if chosen.json_mode == "auto" else JsonMode(chosen.json_mode),
    )


def check_language_model(settings: Settings) -> None:
    """Raise `ConfigurationError` where the language model's context has no room for a transcript, or a day's tokens
    none for one answer.
    """
    if not settings.llm_configured:
        return
    endpoint = endpoint_of(settings)
    transcript_room(endpoint)
    tokens, longest = settings.minutes.tokens_per_day, endpoint.max_output_tokens
    if tokens is not None and tokens <= longest:
        raise ConfigurationError(
            f"minutes.tokens_per_day is {tokens}, and one answer may have {longest} tokens: no call would be made. "
            "Allow more a day, or set a lower minutes.max_output_tokens"
        )


def _now() -> datetime:
    return datetime.now(UTC)
