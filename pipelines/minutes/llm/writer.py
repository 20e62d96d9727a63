"""Minutes by a language model, few calls for many meetings.

The life of a request:
 1. `LlmWriter.write`: an equal one that is on its way or in the cache answers it.
 2. What is too long for one prompt is split by topic (`splitting`); pieces are written at once and merged (`merging`).
 3. `MinutesDrafter.draft`: short pieces that arrive within a moment are packed several to a call (`gathering`,
    `packing`); one that the call's answer lacks is asked for alone; one whose answer is truncated is halved.
 4. `MinutesDrafter.verified`: the draft is checked against the transcript; its faults are named to the model once, and
    what still does not hold is dropped or marked (`repair`, `verification`, `spoken_orders`).
 5. An answer that is none, lacks fields or leaves nothing is parked with the reason; a prompt that was cut makes the
    pieces smaller (`PromptCut`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

import structlog

from pipelines.core import Minutes, Transcript, Usage
from pipelines.errors import MinutesParked
from pipelines.minutes.by_voice import by_voice
from pipelines.minutes.finishing import finish, unwritten
from pipelines.minutes.language.wording import is_chinese
from pipelines.minutes.llm.cache import Known, MinutesCache, content_digest
from pipelines.minutes.llm.drafting import AnswerUnusable, Drafted, DraftRequest, MinutesDrafter, PromptCut
from pipelines.minutes.llm.merging import merge
from pipelines.minutes.llm.prompts import PROMPT_VERSION, Question, segment_line
from pipelines.minutes.llm.splitting import halve, split_transcript
from pipelines.minutes.protocol import MinutesOptions, PaidMinutes
from pipelines.minutes.provider.endpoints import Endpoint
from pipelines.minutes.provider.token_count import estimate_tokens
from pipelines.minutes.verification import verify
from pipelines.transcript.findings import has_words

log = structlog.get_logger()

# A model that answers, but not with minutes, is asked again after so long (seconds), for it costs every time.
FIRST_PAUSE_S = 3600.0
LONGEST_PAUSE_S = 7 * 24 * 3600.0


class LlmWriter:
    """Writes minutes with a language model; one instance serves many calls at once, on one event loop."""

    def __init__(
        self,
        drafter: MinutesDrafter,
        endpoint: Endpoint,
        *,
        piece_tokens: int = 60_000,
        cache: MinutesCache | None = None,
    ) -> None:
        """Take ``piece_tokens``, the longest transcript for one prompt, as far as the endpoint's context allows."""
        self._drafter = drafter
        self._endpoint = endpoint
        self._piece_tokens = piece_tokens
        self._cache = cache
        self._in_flight: dict[tuple[str, str], asyncio.Task[PaidMinutes]] = {}

    def resume(self) -> None:
        """Ask the model at the next call, whatever it said before."""
        self._drafter.resume()

    def take_calls(self) -> dict[str, int]:
        """Return the calls by outcome since the last call of this method."""
        return self._drafter.take_calls()

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        """Write minutes; see `Writer.write`."""
        paid = await self.write_paid(transcript, options)
        return replace(paid.minutes, usage=paid.usage)

    async def write_paid(self, transcript: Transcript, options: MinutesOptions) -> PaidMinutes:
        """Write minutes and say what they took; see `Writer.write`.

        Who waits may be cancelled: a call that is paid for goes on, and its result is kept.
        """
        if not has_words(transcript):
            return PaidMinutes(minutes=await asyncio.to_thread(unwritten, options), usage=Usage())
        language = options.language or _spoken(transcript)
        question = Question(language=language, instructions=options.instructions, glossary=options.glossary)
        digest = self._digest(transcript, question)
        task = self._in_flight.get((options.tenant, digest))
        first = task is None
        if task is None:
            task = asyncio.create_task(self._write_once(transcript, question, options, digest))
            self._in_flight[options.tenant, digest] = task
            task.add_done_callback(lambda done: self._settle(options.tenant, digest, done))
        paid = await asyncio.shield(task)
        # Title, terms and dates are no part of what was paid for: equal meetings share a call whatever they are.
        paid = replace(paid, minutes=await asyncio.to_thread(_finished, paid.minutes, transcript, options))
        return paid if first else replace(paid, usage=Usage())

    def _settle(self, tenant: str, digest: str, done: asyncio.Task[PaidMinutes]) -> None:
        self._in_flight.pop((tenant, digest), None)
        if not done.cancelled():
            done.exception()  # seen: the waiting tasks got the error, and none may be left

    async def _write_once(
        self, transcript: Transcript, question: Question, options: MinutesOptions, digest: str
    ) -> PaidMinutes:
        paid = await self._kept(digest, options, lambda: self._write_whole(transcript, question, options))
        log.info(
            "minutes written",
            action="llm_minutes",
            job_id=options.job_id,
            model=paid.minutes.model,
            calls=paid.usage.n_calls,
            prompt_tokens=paid.usage.n_prompt,
            cache_hit_tokens=paid.usage.n_cache_hit,
            completion_tokens=paid.usage.n_completion,
            cost_usd=round(paid.usage.cost_usd, 6),
        )
        return paid

    async def _kept(self, digest: str, options: MinutesOptions, write: Callable[[], Awaitable[Drafted]]) -> PaidMinutes:
        """Return what the cache has; else what ``write`` gives, which then goes there."""
        cache = self._cache
        if cache is None or not options.job_id:
            known = await cache.get(options.tenant, digest) if cache is not None else None
            return _as_known(known, options) if known is not None else _paid(await write())
        if (known := await cache.get(options.tenant, digest)) is not None:
            return _as_known(known, options)
        async with cache.paying(options.tenant, digest):
            if (known := await cache.get(options.tenant, digest)) is not None:
                return _as_known(known, options)
            paid = _paid(await write())
            await cache.put(options.tenant, options.job_id, digest, paid)
            return paid

    async def _write_whole(self, transcript: Transcript, question: Question, options: MinutesOptions) -> Drafted:
        """Write all pieces of a transcript; once a prompt was cut, in smaller ones, the first of them to see.

        Raises ``MinutesParked`` where the model answers, but not with minutes.
        """
        cut = False
        while True:
            try:
                return await self._write_pieces(transcript, question, options, first_alone=cut)
            except PromptCut:
                cut = True  # each time the room is smaller, down to the least
            except AnswerUnusable as error:
                raise MinutesParked(str(error), self._drafter.later_s(self._pause_s(options.asked_at_s))) from None

    def _pause_s(self, asked_at_s: float | None) -> float:
        """Return how long an answer that is none is waited on: the longer, the longer it was waited already."""
        waited_s = self._drafter.later_s(0) - asked_at_s if asked_at_s is not None else 0.0
        return min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, waited_s))

    async def _write_pieces(
        self, transcript: Transcript, question: Question, options: MinutesOptions, *, first_alone: bool
    ) -> Drafted:
        room = min(self._piece_tokens, self._drafter.room_tokens)
        pieces = await asyncio.to_thread(
            split_transcript, transcript, room, lambda segment: estimate_tokens(segment_line(segment))
        )
        if len(pieces) == 1:
            return await self._write_piece(transcript, question, options.tenant)

        async def part(piece: Transcript) -> Drafted:
            # Kept one by one: when another piece fails, this one is not paid for again.
            write = partial(self._write_piece, piece, question, options.tenant)
            paid = await self._kept(self._digest(piece, question), options, write)
            return Drafted(minutes=paid.minutes, usage=paid.usage)

        first = [await part(pieces[0])] if first_alone else []
        parts = first + await _all(*(part(piece) for piece in pieces[len(first) :]))
        return await self._joined(parts, transcript, question, options.tenant)

    async def _write_piece(
        self, piece: Transcript, question: Question, tenant: str, *, was_short: bool = False
    ) -> Drafted:
        """Write one piece, in halves where the answer is too long.

        Raises `AnswerUnusable` where it is so again though the first piece was short (``was_short``): some models
        never end an answer, and asking for less would cost a call for each line.
        """
        request = DraftRequest(transcript=piece, question=question, tenant=tenant)
        drafted = await self._drafter.draft(request)
        if drafted is not None:
            return await self._drafter.verified(request, drafted)
        halves = halve(piece)
        if len(halves) == 1 or was_short:
            raise AnswerUnusable("the language model's answer is longer than the longest that it may give")
        short = self._drafter.is_short(piece)
        parts = await _all(*(self._write_piece(half, question, tenant, was_short=short) for half in halves))
        return await self._joined(parts, piece, question, tenant)

    async def _joined(
        self, parts: Sequence[Drafted], transcript: Transcript, question: Question, tenant: str
    ) -> Drafted:
        """Return the parts as one; its summary is written from theirs, and stays as they are where that fails."""
        if len(parts) == 1:
            return parts[0]
        minutes = merge([part.minutes for part in parts])
        usage = sum((part.usage for part in parts), Usage())
        summaries = [part.minutes.summary for part in parts if part.minutes.summary]
        if len(summaries) > 1:
            written = await self._drafter.summary(summaries, question, tenant)
            if written is not None:
                title, summary, used = written
                usage += used
                whole = await asyncio.to_thread(verify, replace(minutes, title=title, summary=summary), transcript)
                minutes = replace(whole, title=whole.title or minutes.title, summary=whole.summary or minutes.summary)
        return Drafted(minutes=minutes, usage=usage)

    def _digest(self, transcript: Transcript, question: Question) -> str:
        return content_digest(
            transcript,
            language=question.language,
            instructions=question.instructions,
            glossary=question.glossary,
            model=self._endpoint.model,
            thinking=self._endpoint.thinking,
            prompt=PROMPT_VERSION,
        )


def _paid(drafted: Drafted) -> PaidMinutes:
    return PaidMinutes(minutes=drafted.minutes, usage=drafted.usage)


def _as_known(known: Known[PaidMinutes], options: MinutesOptions) -> PaidMinutes:
    """Return what the cache has as a job gets it: one that had paid before its process died has still paid."""
    usage = known.paid.usage if known.job_id == options.job_id else Usage()
    return PaidMinutes(minutes=known.paid.minutes, usage=usage, counted=True)


def _finished(minutes: Minutes, transcript: Transcript, options: MinutesOptions) -> Minutes:
    return finish(by_voice(minutes, transcript), options)


def _spoken(transcript: Transcript) -> str:
    return transcript.language or ("zh" if is_chinese(transcript.text) else "en")


async def _all(*parts: Awaitable[Drafted]) -> list[Drafted]:
    """Return all results; raises the first error, but only after the others have ended, for they are paid for."""
    outcomes = await asyncio.gather(*parts, return_exceptions=True)
    drafted = []
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
        drafted.append(outcome)
    return drafted
