"""MeetMemo as its users have it: ``meetmemo up``, uploads over HTTP, transcripts fetched over HTTP."""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import httpx

from scripts.throughput.arms import LANGUAGE, Heard

_READY_S = 300.0
_UPLOADS = 8
_POLL_S, _LONGEST_POLL_S = 0.05, 1.0
"""Pauses between two questions about a job: they grow, so that asking costs the cluster next to nothing."""


class ClusterArm:
    """Runs a cluster with a home of its own, stopped when the process ends."""

    def __init__(self, model: Path, threads: int) -> None:
        self._home = tempfile.TemporaryDirectory(prefix="meetmemo-bench-")
        self._url = f"http://127.0.0.1:{_free_port()}"
        environment = {
            **os.environ,
            "MEETMEMO_HOME": self._home.name,
            "MEETMEMO_HTTP__PORT": self._url.rpartition(":")[2],
            "MEETMEMO_MODELS": f'[{{"name": "bench", "path": "{model}"}}]',
            "MEETMEMO_RAY__NUM_CPUS": str(threads),
            "MEETMEMO_MINUTES__WRITER": "extractive",
            "MEETMEMO_REUSE": "false",
        }
        environment.pop("DEEPSEEK_API_KEY", None)
        started_s = time.monotonic()
        with Path(self._home.name, "up.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "cluster.cli", "up"], env=environment, stdout=log, stderr=log
            )
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() - started_s > _READY_S:
                why = Path(self._home.name, "up.log").read_text()[-2000:]
                self.close()
                raise RuntimeError(why)
            time.sleep(0.1)
        self.start_s = time.monotonic() - started_s

    def run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        """Submit all files, wait for all; only greedy decoding is offered over HTTP, beams as an option."""
        return asyncio.run(self._run(paths, beam))

    def close(self) -> None:
        """Stop the cluster."""
        self._process.terminate()
        self._process.wait(timeout=120)
        self._home.cleanup()

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self._url}/readyz", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    async def _run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        started = datetime.now(UTC)
        gate = asyncio.Semaphore(_UPLOADS)
        async with httpx.AsyncClient(base_url=self._url, timeout=120) as client:

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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
