"""Conversations about single meetings and packs of them: draft, repair, summary."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from pipelines.core import Minutes, Transcript, Usage
from pipelines.errors import ConfigurationError, MinutesError
from pipelines.minutes.llm.answer_schema import answer_schema, read_draft, read_meetings, read_summary
from pipelines.minutes.llm.micro_batching import Gatherer
from pipelines.minutes.llm.packing import PackLimits, Parcel, pack
from pipelines.minutes.llm.prompt_injection import distrust
from pipelines.minutes.llm.prompts import (
    SYSTEM,
    Question,
    first_messages,
    meeting_block,
    merge_messages,
    repair_messages,
    tenant_name,
)
from pipelines.minutes.llm.repair import combine, find_faults
from pipelines.minutes.provider.calls import Provider
from pipelines.minutes.provider.chat import ChatRequest
from pipelines.minutes.provider.endpoints import Endpoint
from pipelines.minutes.provider.faults import CallFailed, Fault
from pipelines.minutes.provider.token_count import estimate_tokens
from pipelines.minutes.verification import verify

log = structlog.get_logger()

# For the question and the marks, which are not part of a transcript.
MARGIN_TOKENS = 400
LEAST_ROOM_TOKENS = 500
# How often a meeting is asked for alone until the answer has the form that was asked for.
MAX_MISREADINGS = 5


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A piece of a meeting that fits into one prompt, what is wanted of it, and who pays."""

    transcript: Transcript
    question: Question
    tenant: str


@dataclass(frozen=True, kw_only=True)
class Drafted:
    """Minutes, what they took, and for a repair: the answer they were read from, and what could not be read."""

    minutes: Minutes
    usage: Usage
    answer: str = ""
    faults: tuple[str, ...] = field(default=())


# Ends the wait for one asking of a batch: its draft (None when the answer would be too long), or why there is none.
Settle = Callable[[int, Drafted | BaseException | None], None]


class Asker:
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
        """``window_s`` is how long short pieces wait for company; ``max_waiting`` of them do not wait for more.

        Raises ``ConfigurationError`` when the endpoint's context has no room for a transcript.
        """
        self._provider = provider
        self._endpoint = endpoint
        self._packs = packs or PackLimits()
        self._gatherer: Gatherer[Asking, Drafted | None] = Gatherer(
            self._draft_all, window_s=window_s, max_items=max_waiting
        )
        self.room_tokens = endpoint.prompt_tokens - estimate_tokens(SYSTEM) - MARGIN_TOKENS
        if self.room_tokens < LEAST_ROOM_TOKENS:
            raise ConfigurationError(
                f"a context of {endpoint.context_tokens} tokens with answers of up to {endpoint.max_output_tokens} "
                f"leaves no room for a transcript"
            )

    def resume(self) -> None:
        """Ask the endpoint at the next call, whatever it said before."""
        self._provider.breaker.resume()

    def take_calls(self) -> dict[str, int]:
        """Calls by outcome since this was asked last."""
        return self._provider.take_calls()

    async def draft(self, asking: Asking) -> Drafted | None:
        """Minutes as the model wrote them, not verified; None when its answer would be too long.

        Raises ``MinutesError``, its kind ``MinutesParked`` when it may be asked again later.
        """
        return await self._gatherer.submit(asking)

    async def verified(self, asking: Asking, drafted: Drafted) -> Drafted:
        """The draft, its faults repaired by the model once, and without what the transcript does not support."""
        transcript = asking.transcript
        found = (*drafted.faults, *await asyncio.to_thread(find_faults, drafted.minutes, transcript))
        usage, repaired = drafted.usage, None
        if found:
            messages = repair_messages(first_messages([(transcript, asking.question)]), drafted.answer, found)
            try:
                request = self._request(messages, asking.tenant)
                answer = await self._provider.ask(request, asking.tenant, urgent=True)
            except MinutesError as error:
                # The draft is paid for: it counts without its faults.
                log.warning("minutes not repaired", action="llm_repair", detail=str(error))
            else:
                usage += answer.usage
                repaired = self._read(read_meetings(answer.completion.text).get(1), asking, answer.completion.model)
        if repaired is None:
            minutes = await asyncio.to_thread(verify, drafted.minutes, transcript)
        else:
            minutes = await asyncio.to_thread(combine, drafted.minutes, repaired.minutes, transcript)
        return Drafted(minutes=distrust(minutes, transcript.segments), usage=usage)

    async def summary(self, summaries: Sequence[str], question: Question, tenant: str) -> tuple[str, str, Usage] | None:
        """Title and summary of a whole meeting from those of its parts, and what they took; None when that fails."""
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
        return (*read_summary(answer.completion.text), answer.usage)

    async def _draft_all(self, askings: Sequence[Asking], settle: Settle) -> None:
        """Pack what arrived together; every asking is settled on its own."""
        sizes = [estimate_tokens(meeting_block(1, asking.transcript)) for asking in askings]
        limits = replace(self._packs, max_tokens=min(self._packs.max_tokens, self.room_tokens))
        parcels = [Parcel(item=index, n_tokens=size, group=askings[index].tenant) for index, size in enumerate(sizes)]
        await asyncio.gather(*(self._draft_pack(indices, askings, sizes, settle) for indices in pack(parcels, limits)))

    async def _draft_pack(
        self,
        indices: Sequence[int],
        askings: Sequence[Asking],
        sizes: Sequence[int],
        settle: Settle,
    ) -> None:
        left = list(indices)
        spent = {index: Usage() for index in indices}
        if len(left) > 1:
            left = await self._draft_together(left, askings, sizes, settle, spent)
        await asyncio.gather(*(self._draft_alone(index, askings[index], spent[index], settle) for index in left))

    async def _draft_together(
        self,
        indices: list[int],
        askings: Sequence[Asking],
        sizes: Sequence[int],
        settle: Settle,
        spent: dict[int, Usage],
    ) -> list[int]:
        """Ask for several meetings in one call; returns those that must be asked for alone."""
        tenant = askings[indices[0]].tenant
        messages = first_messages([(askings[index].transcript, askings[index].question) for index in indices])
        try:
            answer = await self._provider.ask(self._request(messages, tenant), tenant)
        except CallFailed as error:
            log.info("pack asked for one by one", action="llm_unpack", n_items=len(indices), fault=error.fault.value)
            return indices
        except MinutesError as error:
            for index in indices:
                settle(index, error)
            return []
        meetings = read_meetings(answer.completion.text)
        whole = sum(sizes[index] for index in indices)
        missing = []
        for number, index in enumerate(indices, start=1):
            spent[index] = answer.usage.share(sizes[index] / whole)
            entry = meetings.get(number)
            drafted = self._read(entry, askings[index], answer.completion.model)
            if drafted is None:
                missing.append(index)
            else:
                alone = json.dumps({"meetings": [{**(entry or {}), "meeting": 1}]}, ensure_ascii=False)
                settle(index, replace(drafted, usage=spent[index], answer=alone))
        return missing

    async def _draft_alone(
        self,
        index: int,
        asking: Asking,
        usage: Usage,
        settle: Settle,
    ) -> None:
        try:
            settle(index, await self._draft_one(asking, usage))
        except Exception as error:
            settle(index, error)

    async def _draft_one(self, asking: Asking, usage: Usage) -> Drafted | None:
        messages = first_messages([(asking.transcript, asking.question)])
        request = self._request(messages, asking.tenant)
        for attempt in range(MAX_MISREADINGS):
            begun = attempt > 0 or usage.n_calls > 0
            try:
                answer = await self._provider.ask(request, asking.tenant, urgent=begun)
            except CallFailed as error:
                if error.fault is Fault.TOO_LONG:
                    return None
                raise
            usage += answer.usage
            text = answer.completion.text
            drafted = self._read(read_meetings(text).get(1), asking, answer.completion.model)
            if drafted is not None:
                return replace(drafted, usage=usage, answer=text)
        raise MinutesError(f"the language model did not answer in the form it was asked for, {MAX_MISREADINGS} times")

    def _read(self, entry: dict[str, Any] | None, asking: Asking, model: str) -> Drafted | None:
        if entry is None:
            return None
        segments = {segment.id: segment for segment in asking.transcript.segments}
        draft = read_draft(entry, segments, language=asking.question.language, model=model)
        return Drafted(minutes=draft.minutes, usage=Usage(), faults=draft.faults)

    def _request(self, messages: Sequence[Any], tenant: str) -> ChatRequest:
        return ChatRequest(
            messages=tuple(messages),
            max_tokens=self._endpoint.max_output_tokens,
            schema=ANSWER_SCHEMA,
            user=tenant_name(tenant),
        )


ANSWER_SCHEMA = answer_schema()
SUMMARY_SCHEMA = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "summary": {"type": "string"}},
    "required": ["title", "summary"],
}
