"""MeetMemo as its users have it: ``meetmemo up``, uploads over HTTP, transcripts fetched over HTTP."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from scripts.throughput.arms import Heard
from scripts.throughput.mixes import LANGUAGE
from scripts.throughput.own_cluster import OwnCluster

_UPLOADS = 8
_POLL_S, _LONGEST_POLL_S = 0.05, 1.0
"""Pauses between two questions about a job: they grow, so that asking costs the cluster next to nothing."""


class ClusterArm:
    """Runs a cluster with a home of its own, stopped when the process ends."""

    def __init__(self, model: Path, threads: int) -> None:
        self._cluster = OwnCluster(model, threads)

    def run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        """Submit all files, wait for all; only greedy decoding is offered over HTTP, beams as an option."""
        return asyncio.run(self._run(paths, beam))

    def close(self) -> None:
        """Stop the cluster."""
        self._cluster.close()

    async def _run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        started = datetime.now(UTC)
        gate = asyncio.Semaphore(_UPLOADS)
        async with httpx.AsyncClient(base_url=self._cluster.url, timeout=120) as client:

            async def submit(path: str) -> str:
                async with gate:
                    content = await asyncio.to_thread(Path(path).read_bytes)
                    options = {"language": LANGUAGE, "beam_size": str(beam), "minutes": "none"}
                    answer = await client.post("/v1/jobs", files={"file": content}, data=options)
                return str(answer.raise_for_status().json()["id"])

            ids = await asyncio.gather(*map(submit, paths))
            return [await self._heard(client, job_id, started) for job_id in ids]

    async def _heard(self, client: httpx.AsyncClient, job_id: str, started: datetime) -> Heard:
        """Ask for one job at a time until it has ended: hundreds of impatient clients are not what is measured."""
        pause_s = _POLL_S
        while True:
            job = (await client.get(f"/v1/jobs/{job_id}")).raise_for_status().json()
            if job["state"] in ("succeeded", "failed", "cancelled"):
                break
            await asyncio.sleep(pause_s)
            pause_s = min(1.5 * pause_s, _LONGEST_POLL_S)
        if job["state"] != "succeeded":
            raise RuntimeError(f"{job}")
        text = (await client.get(job["results"]["transcript.json"])).raise_for_status().json()["text"]
        return Heard(text=text, after_s=(datetime.fromisoformat(job["updated_at"]) - started).total_seconds())
