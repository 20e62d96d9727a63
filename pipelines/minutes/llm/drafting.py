"""Conversations about single meetings and packs of them: draft, repair, summary."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from pipelines.core import Minutes, Transcript, Usage
from pipelines.errors import ConfigurationError, MinutesError
from pipelines.minutes.language.wording import tokens
from pipelines.minutes.llm.answer_schema import answer_schema, read_draft, read_meetings, read_summary
from pipelines.minutes.llm.micro_batching import MicroBatcher
from pipelines.minutes.llm.packing import PackLimits, pack
from pipelines.minutes.llm.prompts import (
    SYSTEM,
    Question,
    check_of,
    first_messages,
    meeting_block,
    merge_messages,
    repair_messages,
    reread_messages,
    tenant_name,
)
from pipelines.minutes.llm.repair import combine, find_faults
from pipelines.minutes.provider.calls import Provider
from pipelines.minutes.provider.chat import ChatMessage, ChatRequest, Completion
from pipelines.minutes.provider.endpoints import Endpoint
from pipelines.minutes.provider.faults import CallFailed, Fault
from pipelines.minutes.provider.token_count import estimate_tokens, least_tokens
from pipelines.minutes.verification import verify

log = structlog.get_logger()

# For the question and the marks, which are not part of a transcript.
MARGIN_TOKENS = 400
LEAST_ROOM_TOKENS = 500
# How often a meeting is asked for alone until the answer has the form that was asked for.
MAX_MISREADINGS = 4
# Estimates are on the safe side: a whole English prompt takes 0.7 of what is estimated and more.
SUSPECT_SHARE = 0.7
# Of the longest answer: minutes with their quotes are hardly longer than what was said.
SHORT_SHARE = 0.5
# Half of a shorter transcript leaves no room worth a call.
SHORT_TOKENS = 2 * LEAST_ROOM_TOKENS
# What was said in fewer words may leave nothing to write.
LEAST_WORDS = 20


class AnswerUnusable(MinutesError):
    """A language model that works gives no minutes of this meeting: another answer may come another time."""


class PromptCut(MinutesError):
    """The model was shown a part of its prompt only: `MinutesDrafter.room_tokens` has become smaller."""


@dataclass(frozen=True, kw_only=True)
class DraftRequest:
    """A piece of a meeting that fits into one prompt, what is wanted of it, and who pays."""

    transcript: Transcript
    question: Question
    tenant: str


@dataclass(frozen=True, kw_only=True)
class Drafted:
    """Minutes, what they took, and for a repair: the answer they were read from, and what it lacks.

    ``faults`` are what could not be read, ``missing`` required fields; ``check`` is what proves that all was read.
    """

    minutes: Minutes
    usage: Usage
    answer: str = ""
    check: str = ""
    faults: tuple[str, ...] = field(default=())
    missing: tuple[str, ...] = field(default=())


@dataclass(kw_only=True, eq=False)
class PackItem:
    """A request that waits for its draft: its size in tokens, and what it took so far."""

    request: DraftRequest
    n_tokens: int
    usage: Usage = field(default_factory=Usage)
    outcome: "asyncio.Future[Drafted | None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    @property
    def group(self) -> str:
        """Only requests of one tenant share a call."""
        return self.request.tenant

    def settle(self, drafted: Drafted | None) -> None:
        """End the wait with a draft, None when the answer would be too long; does nothing when it is over."""
        if not self.outcome.done():
            self.outcome.set_result(drafted)

    def fail(self, error: BaseException) -> None:
        """End the wait with an error; does nothing when it is over."""
        if not self.outcome.done():
            self.outcome.set_exception(error)


class MinutesDrafter:
    """Asks one endpoint for minutes. Belongs to one event loop."""

    def __init__(
        self,
        provider: Provider,
        endpoint: Endpoint,
        *,
        packs: PackLimits | None = None,
        window_s: float = 0.25,
        max_waiting: int = 64,
    ) -> None:
        """Batch transcripts that arrive within ``window_s`` seconds, at most ``max_waiting`` of them.

        Raises ``ConfigurationError`` when the endpoint's context has no room for a transcript.
        """
        self._provider = provider
        self._endpoint = endpoint
        self._packs = packs or PackLimits()
        self._batcher: MicroBatcher[PackItem] = MicroBatcher(self._draft_all, window_s=window_s, max_items=max_waiting)
        self._room_tokens = transcript_room(endpoint)

    @property
    def room_tokens(self) -> int:
        """The longest transcript for one prompt, as far as is known: less once a prompt was cut."""
        return self._room_tokens

    def is_short(self, transcript: Transcript) -> bool:
        """Say whether minutes of a transcript must fit the longest answer with ease."""
        return estimate_tokens(meeting_block(1, transcript)) < self._endpoint.max_output_tokens * SHORT_SHARE

    def resume(self) -> None:
        """Ask the endpoint at the next call, whatever it said before and however short it cut a prompt."""
        self._room_tokens = transcript_room(self._endpoint)
        self._provider.breaker.resume()

    def later_s(self, pause_s: float) -> float:
        """Return the time (Unix seconds) after a pause from now."""
        return self._provider.now().timestamp() + pause_s

    def take_calls(self) -> dict[str, int]:
        """Return the calls by outcome since the last call of this method."""
        return self._provider.take_calls()

    async def draft(self, request: DraftRequest) -> Drafted | None:
        """Return minutes as the model wrote them, not verified; None when its answer would be too long.

        Raises ``MinutesError``: ``MinutesParked`` when the model may be asked again later, `AnswerUnusable` when it
        answers but not so, and `PromptCut` when it takes shorter transcripts only.
        """
        item = PackItem(request=request, n_tokens=estimate_tokens(meeting_block(1, request.transcript)))
        self._batcher.add(item)
        return await item.outcome

    async def verified(self, request: DraftRequest, drafted: Drafted) -> Drafted:
        """Return the draft, its faults repaired by the model once, and without what the transcript does not support.

        Raises `AnswerUnusable` where fields are missing, or nothing is left, after the repair as well.
        """
        transcript = request.transcript
        faults = (*drafted.faults, *await asyncio.to_thread(find_faults, drafted.minutes, transcript))
        if is_empty(drafted.minutes) and _is_talk(transcript):
            faults = (*faults, "the minutes are empty, but the meeting is not")
        repaired, usage = await self._repaired(request, drafted, faults) if faults else (None, Usage())
        missing = drafted.missing
        if repaired is None:
            minutes = await asyncio.to_thread(verify, drafted.minutes, transcript)
        else:
            minutes = await asyncio.to_thread(combine, drafted.minutes, repaired.minutes, transcript)
            missing = tuple(name for name in missing if name in repaired.missing)
        if missing:
            raise AnswerUnusable(f"the language model's answer lacks {', '.join(missing)}, asked for again as well")
        if is_empty(minutes) and _is_talk(transcript):
            raise AnswerUnusable("nothing that the language model wrote stands in the transcript, or it wrote nothing")
        return Drafted(minutes=minutes, usage=drafted.usage + usage)

    async def _repaired(
        self, request: DraftRequest, drafted: Drafted, faults: Sequence[str]
    ) -> tuple[Drafted | None, Usage]:
        """Name a draft's faults to the model once; None when it gives no other draft."""
        messages = repair_messages(first_messages([(request.transcript, request.question)]), drafted.answer, faults)
        try:
            answer = await self._provider.ask(self._chat_request(messages, request.tenant), request.tenant, urgent=True)
        except MinutesError as error:
            # The draft is paid for: it counts without its faults.
            log.warning("minutes not repaired", action="llm_repair", detail=str(error))
            return None, Usage()
        entry = read_meetings(answer.completion.text).get(1)
        return _read(entry, request, answer.completion.model), answer.usage

    async def summary(self, summaries: Sequence[str], question: Question, tenant: str) -> tuple[str, str, Usage] | None:
        """Merge titles and summaries of a meeting's parts; returns title, summary and usage, None when that fails."""
        request = ChatRequest(
            messages=merge_messages(summaries, question),
            max_tokens=self._endpoint.max_output_tokens,
            schema=SUMMARY_SCHEMA,
            user=tenant_name(tenant),
        )
        try:
            answer = await self._provider.ask(request, tenant, urgent=True)
        except MinutesError as error:
            log.warning("summaries not merged", action="llm_merge", detail=str(error))
            return None
        if _is_cut(request.messages, answer.completion):
            log.warning("summaries not merged", action="llm_merge", detail="the prompt was cut")
            return "", "", answer.usage
        return (*read_summary(answer.completion.text), answer.usage)

    async def _draft_all(self, items: Sequence[PackItem]) -> None:
        """Pack what arrived together; every item is settled on its own."""
        limits = replace(self._packs, max_tokens=min(self._packs.max_tokens, self.room_tokens))
        try:
            await asyncio.gather(*(self._draft_pack(items) for items in pack(items, limits)))
        except BaseException as error:
            for item in items:
                item.fail(error)
            if not isinstance(error, Exception):
                raise

    async def _draft_pack(self, items: list[PackItem]) -> None:
        """Draft in one call what shares it, then one by one what that call left out."""
        left = await self._draft_together(items) if len(items) > 1 else items
        await asyncio.gather(*(self._draft_alone(item) for item in left))

    async def _draft_together(self, items: list[PackItem]) -> list[PackItem]:
        """Ask for several meetings in one call; return those that must be asked for alone."""
        tenant = items[0].request.tenant
        messages = first_messages([(item.request.transcript, item.request.question) for item in items])
        try:
            answer = await self._provider.ask(self._chat_request(messages, tenant), tenant)
        except CallFailed as error:
            log.info("pack asked for one by one", action="llm_unpack", n_items=len(items), fault=error.fault.value)
            return items
        except MinutesError as error:
            for item in items:
                item.fail(error)
            return []
        n_tokens = sum(item.n_tokens for item in items)
        meetings = {} if _is_cut(messages, answer.completion) else read_meetings(answer.completion.text)
        for number, item in enumerate(items, start=1):
            item.usage = answer.usage.share(item.n_tokens / n_tokens)
            drafted = _read(meetings.get(number), item.request, answer.completion.model)
            if drafted is not None and drafted.check == check_of(item.request.transcript):
                item.settle(replace(drafted, usage=item.usage, answer=_alone(meetings[number])))
        return [item for item in items if not item.outcome.done()]

    async def _draft_alone(self, item: PackItem) -> None:
        try:
            item.settle(await self._draft_one(item.request, item.usage))
        except Exception as error:
            item.fail(error)

    async def _draft_one(self, request: DraftRequest, usage: Usage) -> Drafted | None:
        """Ask for one meeting until the answer has its form; None when it would be too long.

        Raises `PromptCut` where the answer shows that the model saw a part of the prompt only.
        """
        asked = messages = first_messages([(request.transcript, request.question)])
        why = ""
        for attempt in range(MAX_MISREADINGS):
            begun = attempt > 0 or usage.n_calls > 0
            try:
                answer = await self._provider.ask(
                    self._chat_request(messages, request.tenant), request.tenant, urgent=begun
                )
            except CallFailed as error:
                if error.fault is Fault.TOO_LONG:
                    return None
                raise
            usage += answer.usage
            text = answer.completion.text
            if _is_cut(messages, answer.completion):
                raise self._cut(request, answer.completion.n_read)
            drafted = _read(read_meetings(text).get(1), request, answer.completion.model)
            if drafted is not None and drafted.check == check_of(request.transcript):
                return replace(drafted, usage=usage, answer=text)
            if drafted is not None and why == WRONG_CHECK:
                raise self._cut(request, None)
            why = NO_FORM if drafted is None else WRONG_CHECK
            messages = reread_messages(asked, text, why)
        if (
            _may_be_cut(asked, answer.completion)
            and estimate_tokens(meeting_block(1, request.transcript)) > SHORT_TOKENS
        ):
            raise self._cut(request, None)  # who sees the end of a question only gives no answer either
        raise AnswerUnusable(
            f"the language model did not answer in the form it was asked for, {MAX_MISREADINGS} times: {why}"
        )

    def _cut(self, request: DraftRequest, n_read: int | None) -> MinutesError:
        """Take note that a prompt was cut, after ``n_read`` tokens where the server tells; returns the error.

        Below the least room the model is of no use: the next time, all is tried anew.
        """
        n_tokens = estimate_tokens(meeting_block(1, request.transcript))
        room = n_tokens // 2 if n_read is None else n_read - estimate_tokens(SYSTEM) - MARGIN_TOKENS
        room = min(self._room_tokens, room, n_tokens - 1)
        said = (
            f"the language model's server shows it {n_read} tokens of the prompt only"
            if n_read is not None
            else "the language model does not give back the codes of its prompt, as if it saw a part of the prompt only"
        )
        log.warning("prompt cut", action="llm_context", detail=said, room_tokens=room)
        if room < LEAST_ROOM_TOKENS:
            self._room_tokens = transcript_room(self._endpoint)
            return AnswerUnusable(f"{said}, which leaves no room for a transcript: give it a longer context")
        self._room_tokens = room
        return PromptCut(said)

    def _chat_request(self, messages: Sequence[ChatMessage], tenant: str) -> ChatRequest:
        return ChatRequest(
            messages=tuple(messages),
            max_tokens=self._endpoint.max_output_tokens,
            schema=ANSWER_SCHEMA,
            user=tenant_name(tenant),
        )


def _read(entry: dict[str, Any] | None, request: DraftRequest, model: str) -> Drafted | None:
    """Read the minutes of one meeting from the model's answer; None where it has none."""
    if entry is None:
        return None
    segments = {segment.id: segment for segment in request.transcript.segments}
    draft = read_draft(entry, segments, language=request.question.language, model=model)
    check = str(entry.get("check") or "").strip()
    return Drafted(minutes=draft.minutes, usage=Usage(), check=check, faults=draft.faults, missing=draft.missing)


def transcript_room(endpoint: Endpoint) -> int:
    """Return how many tokens a transcript may have beside the rules and the answer.

    Raises `ConfigurationError` when the endpoint's context has no room for one.
    """
    room_tokens = endpoint.prompt_tokens - estimate_tokens(SYSTEM) - MARGIN_TOKENS
    if room_tokens < LEAST_ROOM_TOKENS:
        raise ConfigurationError(
            f"minutes.context_tokens: {endpoint.context_tokens} tokens with answers of up to "
            f"{endpoint.max_output_tokens} leave no room for a transcript beside the rules"
        )
    return room_tokens


def is_empty(minutes: Minutes) -> bool:
    """Say whether minutes tell nothing of what was said."""
    entries = (*minutes.topics, *minutes.decisions, *minutes.action_items, *minutes.open_questions)
    return not minutes.summary and not entries


def _is_talk(transcript: Transcript) -> bool:
    return len(tokens(transcript.text)) >= LEAST_WORDS


def _is_cut(messages: Sequence[ChatMessage], completion: Completion) -> bool:
    """Say whether the server's own count of the prompt shows that a part of it was not read."""
    least = sum(least_tokens(message.content) for message in messages)
    return completion.n_read is not None and completion.n_read < least


def _alone(entry: dict[str, Any]) -> str:
    """Return an answer as the model would have given it for this meeting alone."""
    return json.dumps({"meetings": [{**entry, "meeting": 1}]}, ensure_ascii=False)


def _may_be_cut(messages: Sequence[ChatMessage], completion: Completion) -> bool:
    """Say whether the server read so little of a prompt that some of it may be missing, or does not tell."""
    estimated = sum(estimate_tokens(message.content) for message in messages)
    return completion.n_read is None or completion.n_read < SUSPECT_SHARE * estimated


NO_FORM = "it holds no complete json object of the form that was asked for"
WRONG_CHECK = 'its "check" does not hold the three codes of the meeting'
ANSWER_SCHEMA = answer_schema()
SUMMARY_SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "summary": {"type": "string"}},
    "required": ["title", "summary"],
}
