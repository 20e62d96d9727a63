"""`ShardTurns`: which shards' pulls of a Transcriber may claim and work, and which wait."""

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterator

Waiting = asyncio.Future[None]


class ShardTurns:
    """Lets ``at_once`` pulls work. Shards whose pulls wait take turns, so that none of them keeps a replica.

    Belongs to one event loop.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._n_taken = 0
        self._waiting: OrderedDict[int, deque[Waiting]] = OrderedDict()  # the shard whose turn is next comes first

    def others_wait(self, shard: int) -> bool:
        """Return whether pulls of other shards wait."""
        return any(other != shard for other in self._waiting)

    @contextlib.asynccontextmanager
    async def turn(self, shard: int) -> AsyncIterator[None]:
        """Wait for the shard's turn, and have it for the block."""
        await self._take(shard)
        try:
            yield
        finally:
            self._end()

    async def pass_on(self, shard: int) -> None:
        """Let others have the turn, and wait for the next one, within `turn`."""
        self._end()
        try:
            await self._take(shard)
        except BaseException:
            self._n_taken += 1  # which the end of the block gives back
            raise

    @contextlib.contextmanager
    def lent(self) -> Iterator[None]:
        """Let others have the turn for the block, within `turn`; afterwards there may be one pull too many at work."""
        self._end()
        try:
            yield
        finally:
            self._n_taken += 1

    async def _take(self, shard: int) -> None:
        if self._n_taken < self._at_once and not self._waiting:
            self._n_taken += 1
            return
        turn: Waiting = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(shard, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end()  # it had just been given
            else:
                self._forget(shard, turn)
            raise

    def _end(self) -> None:
        self._n_taken -= 1
        while self._waiting and self._n_taken < self._at_once:
            shard = next(iter(self._waiting))
            turn = self._waiting[shard].popleft()
            if self._waiting[shard]:
                self._waiting.move_to_end(shard)
            else:
                del self._waiting[shard]
            if not turn.done():  # else it is being cancelled
                self._n_taken += 1
                turn.set_result(None)

    def _forget(self, shard: int, turn: Waiting) -> None:
        turns = self._waiting.get(shard, deque())
        if turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[shard]
