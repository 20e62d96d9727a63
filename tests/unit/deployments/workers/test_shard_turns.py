"""Pulls of several shards in one replica: turns, and none that is lost."""

import asyncio
from collections import Counter

from deployments.workers.shard_turns import ShardTurns


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_shards_take_turns():
    """However many pulls one shard has waiting, another one's is next but one."""
    turns, served = ShardTurns(1), []

    async def pull(shard: int) -> None:
        async with turns.turn(shard):
            served.append(shard)
            await asyncio.sleep(0)

    await asyncio.gather(*(pull(shard) for shard in (0, 0, 0, 0, 1, 1, 2)))
    assert served == [0, 0, 1, 2, 0, 1, 0]


async def test_a_shard_alone_has_all():
    """Where no other waits, nothing is passed on, and as many work as may."""
    turns = ShardTurns(2)
    async with turns.turn(0), turns.turn(0):
        assert not turns.others_wait(0)
        waiting = asyncio.create_task(turns.pass_on(0))
        await settled()
        assert waiting.done()


async def test_passing_on():
    """A pull that passes its turn on has the next one after the others'."""
    turns, served = ShardTurns(1), []

    async def pull(shard: int, n_batches: int) -> None:
        async with turns.turn(shard):
            for place in range(n_batches):
                served.append(shard)
                await asyncio.sleep(0)
                if place + 1 < n_batches and turns.others_wait(shard):
                    await turns.pass_on(shard)

    await asyncio.gather(pull(0, 3), pull(1, 3))
    assert served == [0, 1, 0, 1, 0, 1]


async def test_a_turn_that_is_lent_is_anothers():
    """While a pull only waits for work, another shard's works; then both do, and the next one waits for both."""
    turns, ends = ShardTurns(1), {shard: asyncio.Event() for shard in (1, 2)}
    served: list[int] = []

    async def pull(shard: int) -> None:
        async with turns.turn(shard):
            served.append(shard)
            await ends[shard].wait()

    async with turns.turn(0):
        with turns.lent():
            other = asyncio.create_task(pull(1))
            await settled()
            assert served == [1]
        late = asyncio.create_task(pull(2))
        await settled()
        assert served == [1]
    await settled()
    assert served == [1], "one of two that worked has ended, and one may"
    ends[1].set()
    await settled()
    assert served == [1, 2]
    ends[2].set()
    await asyncio.gather(other, late)


async def test_cancelled_pulls_keep_no_turn():
    """Pulls that are cancelled while they wait, or just as their turn comes, take nobody's."""
    turns = ShardTurns(1)
    n_served: Counter[int] = Counter()

    async def pull(shard: int) -> None:
        async with turns.turn(shard):
            n_served[shard] += 1
            await asyncio.sleep(0)

    for when in range(6):
        tasks = [asyncio.create_task(pull(shard)) for shard in (0, 1, 2)]
        for _ in range(when):
            await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert n_served[0] == n_served[2] == when + 1
        async with asyncio.timeout(1.0), turns.turn(3):
            assert not turns.others_wait(3)


async def test_a_pull_that_is_cancelled_while_it_passes_on():
    """Its turn stays free for the next."""
    turns = ShardTurns(1)
    began = asyncio.Event()

    async def passing() -> None:
        async with turns.turn(0):
            began.set()
            await asyncio.sleep(0)
            await turns.pass_on(0)

    task = asyncio.create_task(passing())
    await began.wait()
    async with turns.turn(1):
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with asyncio.timeout(1.0), turns.turn(2):
        pass
