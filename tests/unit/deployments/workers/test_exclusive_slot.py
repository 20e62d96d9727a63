"""Batches beside one another, and batches alone."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from deployments.workers.exclusive_slot import ExclusiveSlot


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=12))
def test_what_is_alone_is_alone(batches: list[tuple[bool, int]]) -> None:
    """However batches come, all get their turn, and nothing runs beside one that is alone."""

    async def run() -> None:
        turns = ExclusiveSlot()
        running: list[bool] = []
        seen: list[list[bool]] = []

        async def batch(alone: bool, steps: int) -> None:
            for _ in range(steps):
                await asyncio.sleep(0)
            async with turns.acquire(exclusive=alone):
                running.append(alone)
                seen.append(list(running))
                for _ in range(1 + steps):
                    await asyncio.sleep(0)
                running.remove(alone)

        async with asyncio.timeout(10):
            await asyncio.gather(*(batch(alone, steps) for alone, steps in batches))
        assert len(seen) == len(batches)
        assert all(together == [True] for together in seen if True in together)

    asyncio.run(run())


async def test_ordinary_batches_run_side_by_side() -> None:
    """Two batches hold their turns at the same time, and one that is alone holds up those that come after it."""
    turns = ExclusiveSlot()
    order: list[str] = []
    async with turns.acquire(exclusive=False), turns.acquire(exclusive=False):
        order.append("two")

        async def wait(name: str, alone: bool) -> None:
            async with turns.acquire(exclusive=alone):
                order.append(name)

        waiting = [asyncio.create_task(wait("alone", True))]
        await asyncio.sleep(0)
        waiting.append(asyncio.create_task(wait("later", False)))
        await asyncio.sleep(0)
        assert order == ["two"]
    await asyncio.gather(*waiting)
    assert order == ["two", "alone", "later"]
