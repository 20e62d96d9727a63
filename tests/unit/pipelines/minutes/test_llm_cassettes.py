"""Recorded sessions of real and simulated servers, played to the client as they came."""

import pytest

from pipelines.minutes.provider.endpoints import Endpoint, JsonMode
from pipelines.minutes.provider.faults import CallFailed, Fault
from pipelines.minutes.provider.http_client import HttpChatClient
from tests.support.cassettes import Player
from tests.support.recorded_questions import QUESTIONS, deepseek_endpoint

SIMULATOR = "deepseek-simulator"


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
    assert (n_prompt, n_completion) == (48, 10)
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


def test_cassettes_hold_no_keys() -> None:
    """What was sent to say who asks is not kept."""
    for exchange in Player(SIMULATOR).exchanges:
        assert "sk-" not in str(exchange)
        assert "uthorization" not in str(exchange)
