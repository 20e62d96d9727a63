"""``meetmemo drain``: ask the cluster to begin no more jobs, and wait for those in hand."""

import asyncio
import time

from cluster.client import Client

_ROUND_S = 0.5


async def drain_cluster(url: str, *, timeout_s: float, refuse: bool = False) -> int:
    """Drain until no job is in hand or the time is up; return how many are left. Raises `ApiError`.

    Asks anew each round: a Coordinator that was replaced meanwhile knows of no draining.
    """
    deadline_s = time.monotonic() + timeout_s
    async with Client(url) as client:
        while True:
            status = await client.drain(refuse=refuse)
            n_left: int = status["live_jobs"]
            if not n_left or time.monotonic() >= deadline_s:
                return n_left
            await asyncio.sleep(_ROUND_S)
