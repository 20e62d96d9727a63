"""Recorded sessions of real and simulated servers, played to the client as they came."""

import json

import pytest

from pipelines.minutes.provider.endpoints import Endpoint, JsonMode
from pipelines.minutes.provider.faults import CallFailed, Fault
from pipelines.minutes.provider.http_client import HttpChatClient
from tests.support.cassettes import Player
from tests.support.recorded_questions import QUESTIONS, SCHEMA, deepseek_endpoint, llama_endpoint

SIMULATOR = "deepseek-simulator"
LLAMA = "llama-server-gemma"


async def answered(player: Player, endpoint: Endpoint, name: str, mode: JsonMode) -> tuple[str, str, int, int]:
    """Ask one of the recorded questions: finish reason, text, tokens of the prompt and of the answer."""
    async with HttpChatClient(endpoint, transport=player) as client:
        found = await client.complete(QUESTIONS[name], mode)
    return found.finish_reason, found.text, found.usage.n_prompt, found.usage.n_completion


async def refused(player: Player, endpoint: Endpoint, name: str, mode: JsonMode) -> Fault:
    async with HttpChatClient(endpoint, transport=player) as client:
        with pytest.raises(CallFailed) as failed:
            await client.complete(QUESTIONS[name], mode)
    return failed.value.fault


async def test_deepseeks_streams_are_read_as_they_came() -> None:
    """Signs of life are passed over, pieces joined, tokens counted; an answer at the limit says so."""
    player, endpoint = Player(SIMULATOR), deepseek_endpoint()
    finish_reason, text, n_prompt, n_completion = await answered(player, endpoint, "whole", JsonMode.OBJECT)
    assert (finish_reason, text) == ("stop", '{"title": "Meeting", "summary": ""}')
    assert (n_prompt, n_completion) == (48, 8)
    assert (await answered(player, endpoint, "cut", JsonMode.OBJECT))[0] == "length"
    assert any(piece.startswith(": keep-alive") for piece in player.exchanges[2].pieces)


@pytest.mark.parametrize("mode", [JsonMode.SCHEMA, JsonMode.OBJECT_SCHEMA])
async def test_deepseeks_refusals_of_schemas_are_bad_requests(mode: JsonMode) -> None:
    """A weaker mode is tried then."""
    assert await refused(Player(SIMULATOR), deepseek_endpoint(), "whole", mode) is Fault.BAD_REQUEST


async def test_deepseeks_broken_answers_have_their_faults() -> None:
    """In the order in which they were recorded: whole, cut off, dropped, blank, too busy, interrupted."""
    player, endpoint = Player(SIMULATOR), deepseek_endpoint()
    await answered(player, endpoint, "whole", JsonMode.OBJECT)
    assert await refused(player, endpoint, "whole", JsonMode.OBJECT) is Fault.CUT_OFF
    assert await refused(player, endpoint, "whole", JsonMode.OBJECT) is Fault.UNREACHABLE
    assert not (await answered(player, endpoint, "whole", JsonMode.OBJECT))[1].strip()
    assert await refused(player, endpoint, "whole", JsonMode.OBJECT) is Fault.OVERLOADED
    assert (await answered(player, endpoint, "whole", JsonMode.OBJECT))[0] == "insufficient_system_resource"
    with pytest.raises(LookupError):
        await answered(player, endpoint, "whole", JsonMode.OBJECT)


@pytest.mark.parametrize("mode", [JsonMode.SCHEMA, JsonMode.OBJECT_SCHEMA])
async def test_llama_cpps_server_keeps_a_schema(mode: JsonMode) -> None:
    """In both modes that name one a real, weak model answers in its form, and the tokens are counted."""
    finish_reason, text, n_prompt, n_completion = await answered(Player(LLAMA), llama_endpoint(), "whole", mode)
    answer = json.loads(text)
    assert finish_reason == "stop"
    assert sorted(answer) == sorted(SCHEMA["required"])
    assert len(answer["lines"]) <= 3
    assert (n_prompt, n_completion) == (78, 27)


@pytest.mark.parametrize("mode", [JsonMode.OBJECT, JsonMode.PROMPT])
async def test_a_weak_model_without_a_schema_does_not_end(mode: JsonMode) -> None:
    """Gemma 3 of 270 million parameters repeats itself up to the limit: its answer is told as too long."""
    finish_reason, text, _, n_completion = await answered(Player(LLAMA), llama_endpoint(), "whole", mode)
    assert (finish_reason, n_completion) == ("length", 40)
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


async def test_pieces_that_arrive_slowly_make_the_same_answer() -> None:
    """Characters of several bytes and events cut in two are put together, however the server sends them."""
    slow = await answered(Player(LLAMA, pause_s=0.001), llama_endpoint(), "whole", JsonMode.PROMPT)
    assert slow == await answered(Player(LLAMA), llama_endpoint(), "whole", JsonMode.PROMPT)


@pytest.mark.parametrize("name", [SIMULATOR, LLAMA])
def test_cassettes_hold_no_keys(name: str) -> None:
    """What was sent to say who asks is not kept, nor where the server's files lie."""
    for exchange in Player(name).exchanges:
        assert "gguf" not in str(exchange)
        assert "sk-" not in str(exchange)
        assert "uthorization" not in str(exchange)
