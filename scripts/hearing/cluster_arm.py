"""MeetMemo as its users have it: recordings are uploaded over HTTP, transcripts fetched over HTTP."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cluster.client.http import FINAL_STATES, ApiError, Client
from scripts.hearing.arms import Options, Task
from scripts.hearing.heard import Heard
from scripts.throughput.own_cluster import OwnCluster

_AT_ONCE = 8
_POLL_S = 0.2


class ClusterArm:
    """A cluster that runs already, with its default model; ``connect`` opens a client of it."""

    def __init__(self, connect: Callable[[], Client], poll_s: float = _POLL_S) -> None:
        self._connect = connect
        self._poll_s = poll_s

    def hear(self, tasks: Sequence[Task], options: Options) -> list[Heard]:
        """See `scripts.hearing.arms.Arm`; a recording that is refused or fails is told as such."""
        return asyncio.run(self._hear(tasks, options))

    async def _hear(self, tasks: Sequence[Task], options: Options) -> list[Heard]:
        gate = asyncio.Semaphore(_AT_ONCE)
        async with self._connect() as client:

            async def one(task: Task) -> Heard:
                async with gate:
                    try:
                        return await self._one(client, task, options)
                    except ApiError as error:
                        return Heard(segments=(), failure=str(error))

            return await asyncio.gather(*map(one, tasks))

    async def _one(self, client: Client, task: Task, options: Options) -> Heard:
        job = await client.submit(Path(task.path), job_options(task, options))
        while job["state"] not in FINAL_STATES:
            await asyncio.sleep(self._poll_s)
            job = await client.job(job["id"])
        if job["state"] != "succeeded":
            return Heard(segments=(), failure=f"{job['state']}: {job.get('reason')} {job.get('detail', '')}".strip())
        return Heard.from_dict(await client.transcript(job))


class OwnClusterArm(ClusterArm):
    """A cluster of its own, stopped by `close`."""

    def __init__(self, model: Path, threads: int) -> None:
        self._cluster = OwnCluster(model, threads)
        super().__init__(lambda: Client(self._cluster.url))

    def close(self) -> None:
        """Stop the cluster."""
        self._cluster.close()


def job_options(task: Task, options: Options) -> dict[str, Any]:
    """Return the options of ``POST /v1/jobs``; no transcript of an earlier run is taken."""
    return {
        "language": task.language,
        "channels": "split" if task.split else "mix",
        "beam_size": str(options.beam),
        "word_timestamps": str(options.word_times).lower(),
        "minutes": "none",
        "reuse": "false",
    }
