"""The translator against a server on a real port that speaks DeepSeek's protocol, bad days included."""

import asyncio
from typing import get_args

import pytest

from pipelines.minutes.provider.endpoints import JsonMode
from pipelines.translation.packing import PassageLimits
from pipelines.translation.protocol import TranslationOptions
from tests.fakes.deepseek_answers import pseudo_translation
from tests.fakes.deepseek_server import FaultKind, ServerOptions
from tests.fakes.store import MemoryStore
from tests.support.llm_lab import LabOptions, lab, meeting

SMALL = PassageLimits(max_segments=8)
OPTIONS = TranslationOptions(language="ru", tenant="acme", job_id="a1")
NEVER = ("401", "402", "stall")  # close the account, or take ten minutes


async def test_a_bad_day() -> None:
    """With a call in seven failing or answered wrongly in every way there is, each line is translated, and rightly."""
    kinds: list[FaultKind] = [kind for kind in get_args(FaultKind) if kind not in NEVER]
    faults = {kind: 0.15 / len(kinds) for kind in kinds}
    original = meeting(7, n_lines=200)
    async with lab(ServerOptions(faults=faults, seed=3), LabOptions(passages=SMALL, store=MemoryStore())) as built:
        paid = await built.translator.translate(original, OPTIONS)
        assert sum(built.server.tally.faults.values()) > 2
        assert all(n == 1 for n in built.server.tally.answered.values())
    assert paid.translation.untranslated == ()
    assert [segment.text for segment in paid.translation.transcript.segments] == [
        pseudo_translation(segment.text, "ru") for segment in original.segments
    ]
    assert paid.usage.cost_usd > 0


async def test_who_gives_up_waiting_wastes_nothing() -> None:
    """A job that is cancelled while its calls are on the way leaves the answers to the next attempt."""
    store = MemoryStore()
    async with lab(ServerOptions(latency_s=lambda rng: 0.3), LabOptions(store=store)) as built:
        impatient = asyncio.create_task(built.translator.translate(meeting(4), OPTIONS))
        await asyncio.sleep(0.1)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        paid = await built.translator.translate(meeting(4), OPTIONS)
        assert built.server.tally.calls == 1
    assert paid.translation.untranslated == ()


@pytest.mark.parametrize("mode", ["json_schema", "text"])
async def test_other_servers(mode: str) -> None:
    """One that enforces a schema gets it; one that knows no JSON is asked in words."""
    options = ServerOptions(deepseek=False, json_modes=("text", mode))
    async with lab(options, json_mode=None, deepseek=False, model="llama3") as built:
        paid = await built.translator.translate(meeting(4), OPTIONS)
        found = built.capability.mode
        last = built.server.tally.bodies[-1]
    assert paid.translation.untranslated == ()
    assert found is (JsonMode.SCHEMA if mode == "json_schema" else JsonMode.PROMPT)
    if found is JsonMode.SCHEMA:
        assert last["response_format"]["json_schema"]["schema"]["required"] == ["segments"]
