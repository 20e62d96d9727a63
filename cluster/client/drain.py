"""``meetmemo drain``: ask the cluster to begin no more jobs, and wait for the live ones."""

import asyncio
import time

from cluster.client.http import Client

ROUND_S = 0.5


async def drain_cluster(url: str, *, timeout_s: float, refuse: bool = False, round_s: float = ROUND_S) -> int:
    """Drain until no job is live or the time is up; return how many are left. Raises `ApiError`.

    Asks for it once: the ledger keeps it, also for a Coordinator that takes over meanwhile.
    """
    deadline_s = time.monotonic() + timeout_s
    async with Client(url) as client:
        status = await client.drain(refuse=refuse)
        while status["live_jobs"] and time.monotonic() < deadline_s:
            await asyncio.sleep(round_s)
            status = await client.drain_status()
    n_left: int = status["live_jobs"]
    return n_left
