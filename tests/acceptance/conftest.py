"""A whole cluster as a user starts it: ``meetmemo up`` in a process of its own, talked to over HTTP."""

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import free_port
from tests.servers.s3 import s3_server
from tests.support.recordings import RECORDINGS

START_TIMEOUT_S = 420.0  # a machine that is busy with other things
JOB_TIMEOUT_S = 300.0


@dataclass
class RunningMeetMemo:
    """A cluster under test; start it again after `kill` to see it recover."""

    home: Path
    port: int
    program: str = "cluster.cli"
    process: subprocess.Popen[bytes] | None = None
    more: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        ours = {"MEETMEMO_HOME": str(self.home), "MEETMEMO_HTTP__PORT": str(self.port)}
        ours["MEETMEMO_REUSE"] = "false"  # the same samples are submitted again and again, to be transcribed
        return {**os.environ, **ours, **self.more}

    def start(self) -> None:
        """Start it and wait until ``/readyz`` answers 200."""
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.program, "up"],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200 and self._announced():
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        if self.process.poll() is None:
            self.kill()
        tail = "\n".join((self.home / "up.log").read_text(errors="replace").splitlines()[-30:])
        raise AssertionError(f"meetmemo up did not get ready:\n{tail}")

    def ready(self) -> bool:
        """Say whether ``/readyz`` answers 200 now."""
        return httpx.get(f"{self.url}/readyz", timeout=10).status_code == 200

    def stop(self) -> int:
        """SIGTERM; return the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout=90)

    def kill(self) -> None:
        """Kill -9 of the whole process group and everything Ray started for it: a power cut."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)

    def cli(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run the command line against this home."""
        return subprocess.run(
            [sys.executable, "-m", "cluster.cli", *arguments],
            env={**self.environment, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=JOB_TIMEOUT_S,
            check=False,
        )

    def submit(self, name: str | Path, **options: str) -> dict[str, Any]:
        """Upload a sample recording (or any path) as multipart."""
        path = RECORDINGS / name
        with path.open("rb") as file:
            answer = httpx.post(f"{self.url}/v1/jobs", files={"file": (path.name, file)}, data=options, timeout=60)
        assert answer.status_code == 202, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        answer = httpx.get(f"{self.url}/v1/jobs/{job_id}", timeout=30)
        assert answer.status_code == 200, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def finished(self, job_id: str, timeout_s: float = JOB_TIMEOUT_S) -> dict[str, Any]:
        """Wait until the job has ended."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            job = self.job(job_id)
            if job["state"] in ("succeeded", "failed", "cancelled"):
                return job
            time.sleep(0.2)
        raise AssertionError(f"job did not end in {timeout_s:.0f} s: {job}")

    def result(self, job: dict[str, Any], name: str) -> bytes:
        answer = httpx.get(self.url + job["results"][name], timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.content

    def _announced(self) -> bool:
        """Whether this process, not one that was killed, says that it is ready."""
        state = self.home / "run" / "cluster.json"
        return self.process is not None and state.exists() and json.loads(state.read_text())["pid"] == self.process.pid


SECRETS = {name: secrets.token_hex(24) for name in ("llm", "jwt", "metrics", "webhook", "bucket", "source")}
SECRETS["voices"] = base64.b64encode(secrets.token_bytes(32)).decode()
"""What no log, page or file of the cluster may hold; see `test_secrets`."""

WITH_SECRETS = {
    "DEEPSEEK_API_KEY": f"sk-{SECRETS['llm']}",
    "MEETMEMO_MINUTES__WRITER": "extractive",
    "MEETMEMO_MINUTES__BASE_URL": "http://127.0.0.1:9/v1",  # nobody listens: calls with the key fail
    "MEETMEMO_JWT_SECRET": SECRETS["jwt"],
    "MEETMEMO_METRICS_TOKEN": SECRETS["metrics"],
    "MEETMEMO_VOICES_KEY": SECRETS["voices"],
    "WEBHOOK_SECRETS": f"whsec_{base64.b64encode(SECRETS['webhook'].encode()).decode()}",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": SECRETS["bucket"],
    "CALLS_SECRET": f"Bearer {SECRETS['source']}",
    "BUCKET_SECRET": f"recorder:{SECRETS['bucket']}",
}


@pytest.fixture(scope="package")
def bucket_url() -> Iterator[str]:
    """Where an S3 server listens that holds what recorders put into buckets."""
    with s3_server() as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="package")
def meetmemo(tmp_path_factory: pytest.TempPathFactory, bucket_url: str) -> Iterator[RunningMeetMemo]:
    """One cluster for all acceptance tests; at the end it must stop cleanly on SIGTERM."""
    sources = [
        {"name": "calls", "url": "https://recordings.invalid/files", "secret": "CALLS_SECRET"},
        {"name": "bucket", "url": "s3://recordings", "secret": "BUCKET_SECRET", "endpoint": bucket_url},
    ]
    more = {**WITH_SECRETS, "MEETMEMO_SOURCES": json.dumps(sources)}
    running = RunningMeetMemo(home=tmp_path_factory.mktemp("home"), port=free_port(), more=more)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="package")
def meeting(meetmemo: RunningMeetMemo) -> dict[str, Any]:
    """The three-minute meeting, transcribed once for all tests that look at its results."""
    job = meetmemo.finished(meetmemo.submit("meeting-3min.flac", word_timestamps="true", keep_audio="true")["id"])
    assert job["state"] == "succeeded", job
    return job


@pytest.fixture
def own_meetmemo(tmp_path: Path) -> Iterator[RunningMeetMemo]:
    """A cluster for one test that breaks it."""
    running = RunningMeetMemo(home=tmp_path, port=free_port())
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()
