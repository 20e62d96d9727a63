"""Translates a transcript by a language model, passage by passage.

The life of a translation:
 1. `LlmTranslator.translate`: segments without words, and those in the wanted language already, stay as they are.
 2. The others are packed into passages (`packing`); one goes alone until one brings something, then the rest at once.
 3. A passage that was paid for before comes from the cache; else it is asked for (`prompts`), read (`answers`) and
    checked segment by segment (`verification`).
 4. Segments that do not hold are asked for again, in two halves, at most `MAX_REPAIRS` times; what is left then keeps
    its original text and is named in `Translation.untranslated`.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from pipelines.core import Segment, Transcript, Usage
from pipelines.errors import MinutesError
from pipelines.minutes.glossary import speller
from pipelines.minutes.llm.cache import Known, PaidCache
from pipelines.minutes.llm.prompts import tenant_name
from pipelines.minutes.provider.calls import Provider
from pipelines.minutes.provider.chat import ChatRequest
from pipelines.minutes.provider.endpoints import Endpoint
from pipelines.minutes.provider.faults import CallFailed
from pipelines.minutes.provider.off_peak import OffPeak
from pipelines.minutes.provider.token_count import estimate_tokens
from pipelines.text.chinese import in_script
from pipelines.translation.answers import read_entries
from pipelines.translation.packing import Passage, PassageLimits, halve, pack
from pipelines.translation.prompts import PROMPT_VERSION, SYSTEM, Wrong, answer_schema, messages_for, terms_for
from pipelines.translation.protocol import PaidTranslation, Translation, TranslationOptions
from pipelines.translation.verification import Checked, check, needs_translation, primary

log = structlog.get_logger()

MAX_REPAIRS = 3
MAX_BARREN = 3
"""After so many passages that brought nothing, the model cannot do it: the rest is not asked, and not paid."""
MAX_AT_ONCE = 16
"""Passages of one translation that are asked for at once: a long recording leaves room for the minutes of others."""
MARGIN_TOKENS = 3_000  # for neighbours, glossary, the wish and its faults
LEAST_TOKENS = 100  # of a passage, however small a context is
ANSWER_RATIO = 4
"""Most tokens of an answer per token of text; ids and quotes are part of it."""

_SIMPLIFIED = ("hans", "cn", "sg")
_TRADITIONAL = ("hant", "tw", "hk", "mo")


@dataclass(frozen=True, kw_only=True)
class PaidAnswer:
    """One call's answer as it was checked, and what the call took."""

    checked: Checked
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, kw_only=True)
class _Settled:
    """Translated texts by ids of segments, and what their job paid."""

    texts: Mapping[int, str] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)

    def __add__(self, other: "_Settled") -> "_Settled":
        return _Settled(texts={**self.texts, **other.texts}, usage=self.usage + other.usage)


@dataclass(frozen=True, kw_only=True)
class _Work:
    """Everything that the passages of one translation share."""

    segments: tuple[Segment, ...]
    spoken: str
    options: TranslationOptions


class LlmTranslator:
    """Translates with a language model; one instance serves many calls at once, on one event loop."""

    def __init__(
        self,
        provider: Provider,
        endpoint: Endpoint,
        *,
        limits: PassageLimits | None = None,
        cache: PaidCache[PaidAnswer] | None = None,
        off_peak: OffPeak | None = None,
    ) -> None:
        """Ask by the same ``provider`` as the writers of minutes; ``off_peak`` None: at any price."""
        self._provider = provider
        self._endpoint = endpoint
        limits = limits or PassageLimits()
        room = endpoint.prompt_tokens - estimate_tokens(SYSTEM) - MARGIN_TOKENS
        longest = min(limits.max_tokens, max(LEAST_TOKENS, min(room // 2, endpoint.max_output_tokens // ANSWER_RATIO)))
        self._limits = replace(limits, max_tokens=longest)
        self._cache = cache
        self._off_peak = off_peak
        self._in_flight: dict[tuple[str, str], asyncio.Task[PaidAnswer]] = {}
        self._used = Usage()

    def resume(self) -> None:
        """Ask the model at the next call, whatever it said before."""
        self._provider.breaker.resume()

    def take_calls(self) -> Mapping[str, int]:
        """Return the calls by outcome since the last call of this method."""
        return self._provider.take_calls()

    def take_usage(self) -> Usage:
        """Return what was used since the last call of this method."""
        used, self._used = self._used, Usage()
        return used

    async def translate(self, transcript: Transcript, options: TranslationOptions) -> PaidTranslation:
        """Translate a transcript; see `Translator.translate`.

        Who waits may be cancelled: a call that is paid for goes on, and its result is kept.
        """
        wanted = frozenset(
            segment.id
            for segment in transcript.segments
            if needs_translation(segment, _spoken(transcript, segment), options.language)
        )
        if wanted and self._off_peak is not None:
            self._off_peak.check(options.asked_at_s)
        work = _Work(segments=transcript.segments, spoken=transcript.language, options=options)
        passages = pack(transcript.segments, wanted, self._limits)
        settled = await self._all(passages, work)
        texts, usage = settled.texts, settled.usage
        if wanted and not texts:
            raise MinutesError(f"the language model translated none of {len(wanted)} segments")
        translation = Translation(
            language=options.language,
            spoken=transcript.language,
            transcript=_translated(transcript, texts, options),
            untranslated=tuple(sorted(wanted - texts.keys())),
            model=self._endpoint.model if wanted else "",
        )
        log.info(
            "transcript translated",
            action="llm_translation",
            job_id=options.job_id,
            language=options.language,
            segments=len(wanted),
            untranslated=len(translation.untranslated),
            calls=usage.n_calls,
            cost_usd=round(usage.cost_usd, 6),
        )
        return PaidTranslation(translation=translation, usage=usage)

    async def _all(self, passages: Sequence[Passage], work: _Work) -> _Settled:
        """Translate passages: one by one until one brings something, the others at once."""
        settled = _Settled()
        n_begun = 0
        while n_begun < min(len(passages), MAX_BARREN) and not settled.texts:
            settled += await self._passage(passages[n_begun], work)
            n_begun += 1
        if not settled.texts:
            return settled
        places = asyncio.Semaphore(MAX_AT_ONCE)

        async def one(passage: Passage) -> _Settled:
            async with places:
                return await self._passage(passage, work)

        return settled + await _together(*(one(passage) for passage in passages[n_begun:]))

    async def _passage(self, passage: Passage, work: _Work, wrong: Wrong | None = None) -> _Settled:
        """Ask for a passage, and again for what does not hold; ``wrong`` is what was so far."""
        try:
            paid = await self._answer(passage, work, wrong)
        except CallFailed as error:
            # An answer that is too long, refused or unreadable may be better for fewer lines.
            log.info("passage not translated", action="llm_translation_fault", fault=error.fault.value)
            paid = PaidAnswer(checked=Checked(faults={each.id: "there was no answer" for each in passage.segments}))
        settled = _Settled(texts=paid.checked.texts, usage=paid.usage)
        faults, n_answers = paid.checked.faults, (wrong.n_answers if wrong else 0) + 1
        if not faults or n_answers > MAX_REPAIRS:
            return settled
        halves = halve(work.segments, faults, self._limits)
        again = (self._passage(half, work, Wrong.of(half, faults, n_answers)) for half in halves)
        return settled + await _together(*again)

    async def _answer(self, passage: Passage, work: _Work, wrong: Wrong | None) -> PaidAnswer:
        """Return a call's answer; the same call is made and paid once.

        Raises `CallFailed`, `MinutesParked`.
        """
        key = (work.options.tenant, self._digest(passage, work, wrong))
        task = self._in_flight.get(key)
        if task is not None:
            return replace(await asyncio.shield(task), usage=Usage())
        task = asyncio.create_task(self._kept(passage, work, wrong, key[1]))
        self._in_flight[key] = task
        task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    def _landed(self, key: tuple[str, str], done: asyncio.Task[PaidAnswer]) -> None:
        self._in_flight.pop(key, None)
        if not done.cancelled():
            done.exception()  # seen: the waiting tasks got the error, and none may be left

    async def _kept(self, passage: Passage, work: _Work, wrong: Wrong | None, digest: str) -> PaidAnswer:
        """Return what the cache has; else ask, and keep the answer."""
        options, cache = work.options, self._cache
        if cache is None or not options.job_id:
            known = await cache.get(options.tenant, digest) if cache is not None else None
            return _as_known(known, options) if known is not None else await self._ask(passage, work, wrong)
        if (known := await cache.get(options.tenant, digest)) is not None:
            return _as_known(known, options)
        async with cache.paying(options.tenant, digest):
            if (known := await cache.get(options.tenant, digest)) is not None:
                return _as_known(known, options)
            paid = await self._ask(passage, work, wrong)
            await cache.put(options.tenant, options.job_id, digest, paid)
            return paid

    async def _ask(self, passage: Passage, work: _Work, wrong: Wrong | None) -> PaidAnswer:
        options = work.options
        request = ChatRequest(
            messages=messages_for(passage, options.language, terms_for(passage, options.glossary), wrong),
            max_tokens=self._endpoint.max_output_tokens,
            schema=ANSWER_SCHEMA,
            user=tenant_name(options.tenant),
        )
        answer = await self._provider.ask(request, options.tenant, urgent=wrong is not None)
        self._used += answer.usage
        entries = read_entries(answer.completion.text)
        checked = check(passage.segments, entries, spoken=work.spoken, language=options.language)
        return PaidAnswer(checked=checked, usage=answer.usage)

    def _digest(self, passage: Passage, work: _Work, wrong: Wrong | None) -> str:
        """Return the SHA-256 (hex) of all that a call's answer depends on."""
        content = [
            [[(each.id, each.speaker, each.text) for each in part] for part in _parts(passage)],
            [wrong.n_answers, *sorted(wrong.faults.items())] if wrong else [],
            work.spoken,
            work.options.language,
            terms_for(passage, work.options.glossary),
            self._endpoint.model,
            self._endpoint.thinking,
            PROMPT_VERSION,
        ]
        return hashlib.sha256(json.dumps(["translation", content]).encode()).hexdigest()


def _as_known(known: Known[PaidAnswer], options: TranslationOptions) -> PaidAnswer:
    """Return what the cache has as a job gets it: one that had paid before its process died has still paid."""
    return replace(known.paid, usage=known.paid.usage if known.job_id == options.job_id else Usage())


def _parts(passage: Passage) -> tuple[tuple[Segment, ...], ...]:
    return passage.before, passage.segments, passage.after


def _spoken(transcript: Transcript, segment: Segment) -> str:
    """Return the language of a segment: its own, else its channel's; that of the whole where Whisper translated it."""
    if transcript.language not in {each.language for each in transcript.languages}:
        return transcript.language
    of_channel = {each.channel: each.language for each in reversed(transcript.languages)}
    return segment.language or of_channel.get(segment.channel, transcript.language)


def _translated(transcript: Transcript, texts: Mapping[int, str], options: TranslationOptions) -> Transcript:
    """Return the transcript with other texts, terms as they are spelled, in the wanted characters of Chinese."""
    spell = speller(options.glossary) or str
    language = primary(options.language)
    segments = (
        replace(segment, text=spell(texts[segment.id]), words=(), matches=(), language=language)
        if segment.id in texts
        else segment
        for segment in transcript.segments
    )
    translated = replace(transcript, language=language, segments=tuple(segments))
    subtags = options.language.lower().split("-")[1:]
    if any(tag in _TRADITIONAL for tag in subtags):
        translated = in_script(translated, "traditional")
    elif any(tag in _SIMPLIFIED for tag in subtags):
        translated = in_script(translated, "simplified")
    return translated


async def _together(*parts: Awaitable[_Settled]) -> _Settled:
    """Return all results as one; raises the first error, but only after the others have ended: they are paid for."""
    settled = _Settled()
    for outcome in await asyncio.gather(*parts, return_exceptions=True):
        if isinstance(outcome, BaseException):
            raise outcome
        settled += outcome
    return settled


ANSWER_SCHEMA = answer_schema()
