"""Answers without content, and prompts that were cut: repaired, asked for in smaller pieces, or parked and told."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from pipelines.errors import ConfigurationError, MinutesParked
from pipelines.minutes.llm.drafting import transcript_room
from pipelines.minutes.protocol import MinutesOptions
from pipelines.minutes.provider.chat import ChatMessage
from pipelines.minutes.provider.endpoints import Endpoint
from pipelines.minutes.provider.token_count import least_tokens
from tests.fakes.deepseek_answers import answer_to
from tests.support.llm_lab import OFF_PEAK, meeting, said
from tests.support.scripted_model import Reply, ScriptedModel, scripted_writer

OPTIONS = MinutesOptions(tenant="acme")
TALK = meeting(4)


def good(messages: Sequence[ChatMessage]) -> dict[str, Any]:
    return answer_to([{"role": message.role, "content": message.content} for message in messages])


def honest(messages: Sequence[ChatMessage], call: int) -> str:
    return json.dumps(good(messages))


def spoiled_first(spoil: str) -> Reply:
    """Answer so at first, and well when asked again; ``{}`` stands for the good answer."""
    return lambda messages, call: spoil.replace("{}", honest(messages, call)) if call == 0 else honest(messages, call)


@pytest.mark.parametrize(
    ("spoil", "n_calls"),
    [
        ('<think>Let me draft {"title": "x", "summary": "y"}</think>{}', 1),
        ('I had {"title": "x", "summary": "y"} in mind.</think>{}', 1),
        ("Sure {here} it is: {} {", 1),
        ('{"title": "I think", "summary": "The user wants minutes."}', 2),
        ('{"meetings": [{"meeting": 1}]}', 2),
        ("I cannot do that.", 2),
    ],
)
async def test_one_more_call_at_most(spoil: str, n_calls: int) -> None:
    """Thoughts, drafts and braces cost nothing; an answer without content is repaired by one more call."""
    model = ScriptedModel(spoiled_first(spoil))
    minutes = await scripted_writer(model).write(TALK, OPTIONS)
    assert [decision.verified for decision in minutes.decisions] == [True]
    assert "think" not in str(minutes)
    assert len(model.prompts) == n_calls


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"summary": "", "topics": [], "decisions": [], "action_items": [], "open_questions": []}, "wrote nothing"),
        ({"decisions": None}, "lacks decisions"),
        ({"topics": "none", "title": None}, "lacks title, topics"),
    ],
)
async def test_empty_minutes_are_parked(changes: dict[str, Any], why: str) -> None:
    """Minutes without content or without a field are no minutes: repaired once, then parked with the reason."""

    def empty(messages: Sequence[ChatMessage], call: int) -> str:
        (entry,) = good(messages)["meetings"]
        return json.dumps({"meetings": [{**entry, **changes}]})

    model = ScriptedModel(empty)
    with pytest.raises(MinutesParked, match=why) as parked:
        await scripted_writer(model).write(TALK, OPTIONS)
    assert len(model.prompts) == 2
    assert parked.value.not_before_s > OFF_PEAK.timestamp()


async def test_a_model_without_form_is_parked() -> None:
    """A model that never answers in the form is asked four times, not for ever, and later each time."""
    model = ScriptedModel(lambda messages, call: "{" * 50)
    waited = MinutesOptions(asked_at_s=OFF_PEAK.timestamp() - 100_000)
    with pytest.raises(MinutesParked, match="did not answer in the form") as parked:
        await scripted_writer(model).write(TALK, waited)
    assert len(model.prompts) == 4
    assert parked.value.not_before_s == pytest.approx(OFF_PEAK.timestamp() + 100_000)


async def test_a_model_whose_answers_never_end_is_parked() -> None:
    """A small model repeats itself up to the limit: it is asked for two halves, not for each line of the talk."""
    model = ScriptedModel(lambda messages, call: '{"meetings": [' + '{"meeting": 1}, ' * 20, finish_reason="length")
    with pytest.raises(MinutesParked, match="longer than the longest"):
        await scripted_writer(model).write(meeting(4, n_lines=24), OPTIONS)
    assert len(model.prompts) == 3


async def test_little_said_may_leave_nothing() -> None:
    """Minutes of a few words may be empty."""
    empty = {"title": "", "summary": "", "participants": [], "topics": [], "decisions": [], "action_items": []}

    def reply(messages: Sequence[ChatMessage], call: int) -> str:
        (entry,) = good(messages)["meetings"]
        return json.dumps({"meetings": [{**entry, **empty, "open_questions": []}]})

    minutes = await scripted_writer(ScriptedModel(reply)).write(said("Hello?", "Is anybody there?"), OPTIONS)
    assert (minutes.writer, minutes.summary) == ("llm", "")


LONG = said(
    "We decided to open the museum on the hill.",
    *(f"The talk goes on about item number {number} for quite a while." for number in range(198)),
    "We decided to close the old harbour.",
)


@pytest.mark.parametrize("counts", [True, False])
async def test_a_cut_prompt_makes_smaller_pieces(counts: bool) -> None:
    """A server that cuts prompts without a word, telling so by its count or not: nothing of the meeting is lost."""
    model = ScriptedModel(honest, context_tokens=4000, counts=counts)
    writer = scripted_writer(model)
    with capture_logs() as logs:
        minutes = await writer.write(LONG, OPTIONS)
    assert [decision.text for decision in minutes.decisions] == [LONG.segments[0].text, LONG.segments[-1].text]
    assert any(log.get("action") == "llm_context" for log in logs)
    n_calls = len(model.prompts)
    await writer.write(LONG, OPTIONS)
    assert len(model.prompts) - n_calls < n_calls  # what fits is known now


@pytest.mark.parametrize("counts", [True, False])
async def test_a_context_without_room_is_told(counts: bool) -> None:
    """A server that shows the model next to nothing: parked with the reason, after a few calls."""
    model = ScriptedModel(honest, context_tokens=262, counts=counts)
    with pytest.raises(MinutesParked, match="262 tokens of the prompt only" if counts else "did not answer"):
        await scripted_writer(model).write(LONG, OPTIONS)
    assert len(model.prompts) <= (1 if counts else 16)


async def test_the_middle_counts() -> None:
    """An answer with the codes of both ends but not of the middle is none: some servers cut there."""

    def cut(messages: Sequence[ChatMessage], call: int) -> str:
        (entry,) = good(messages)["meetings"]
        first, _, last = entry["check"].split("-")
        return json.dumps({"meetings": [{**entry, "check": f"{first}-0000-{last}"}]})

    with pytest.raises(MinutesParked):
        await scripted_writer(ScriptedModel(cut)).write(TALK, OPTIONS)


def test_fewest_tokens() -> None:
    """The lower bound is far below what tokenizers make of English and Chinese."""
    assert 0 < least_tokens("word " * 100) < 0.2 * 500
    assert 0 < least_tokens("会议" * 100) < 0.5 * 200


def test_a_context_for_no_transcript() -> None:
    """A context that the rules alone fill is refused before any call."""
    with pytest.raises(ConfigurationError, match="2048 tokens"):
        transcript_room(Endpoint(context_tokens=2048, max_output_tokens=512))
