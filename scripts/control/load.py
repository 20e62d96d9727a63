"""Send recordings to a cluster over HTTP, one by one or as a batch, wait for their ends, read what came of them."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

_AT_ONCE = 8
_POLL_S = 0.2
_TIMEOUT_S = 120.0
LIVE = ("queued", "transcribing", "summarizing")
OPTIONS = {"language": "en", "minutes": "none"}


@dataclass(frozen=True, kw_only=True)
class Client:
    """The tenant who has recordings transcribed by the cluster at ``url``."""

    url: str

    async def upload(self, paths: Sequence[Path]) -> None:
        """Send each recording as a form, some at once; return when all jobs have ended."""
        gate = asyncio.Semaphore(_AT_ONCE)
        contents = {path: path.read_bytes() for path in set(paths)}
        async with self._session() as http:

            async def submit(path: Path) -> None:
                async with gate:
                    answer = await http.post("/v1/jobs", files={"file": (path.name, contents[path])}, data=OPTIONS)
                answer.raise_for_status()

            await asyncio.gather(*map(submit, paths))
            while await self._n_live(http):  # noqa: ASYNC110 - another process ends them
                await asyncio.sleep(_POLL_S)

    async def submit_batch(self, paths: Sequence[Path]) -> None:
        """Send the recordings' places as one batch; return when all of it has ended."""
        lines = "\n".join(json.dumps({"source": path.as_uri()}) for path in paths)
        async with self._session() as http:
            answer = await http.post(
                "/v1/batches", content=lines, params=OPTIONS, headers={"content-type": "application/x-ndjson"}
            )
            batch = answer.raise_for_status().json()
            while not batch["finished"]:
                await asyncio.sleep(_POLL_S)
                batch = (await http.get(f"/v1/batches/{batch['id']}")).raise_for_status().json()

    async def read(self, n_jobs: int) -> list[dict[str, Any]]:
        """Ask for the newest jobs one by one, and for their transcripts, as each submitter does; return the jobs."""
        gate = asyncio.Semaphore(_AT_ONCE)
        async with self._session() as http:
            page = (await http.get("/v1/jobs", params={"limit": min(n_jobs, 500)})).raise_for_status().json()
            jobs = list(page["jobs"])
            while len(jobs) < n_jobs:
                page = (await http.get(page["next"])).raise_for_status().json()
                jobs += page["jobs"]

            async def read_one(job_id: str) -> dict[str, Any]:
                async with gate:
                    job = (await http.get(f"/v1/jobs/{job_id}")).raise_for_status().json()
                    if job["state"] != "succeeded":
                        raise RuntimeError(f"{job}")
                    (await http.get(job["results"]["transcript.json"])).raise_for_status()
                return job

            return await asyncio.gather(*(read_one(job["id"]) for job in jobs[:n_jobs]))

    async def answer_s(self, n_times: int) -> list[float]:
        """Return the seconds that the cluster takes to say that it is alive, one after another."""
        taken_s = []
        async with self._session() as http:
            for _ in range(n_times):
                began_s = time.perf_counter()
                (await http.get("/healthz")).raise_for_status()
                taken_s.append(time.perf_counter() - began_s)
        return taken_s

    def _session(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, timeout=_TIMEOUT_S)

    @staticmethod
    async def _n_live(http: httpx.AsyncClient) -> int:
        page = (await http.get("/v1/jobs", params={"limit": 1, "state": LIVE})).raise_for_status().json()
        return len(page["jobs"])
