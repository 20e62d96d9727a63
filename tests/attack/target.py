"""`Target`: the cluster that is attacked, and how a probe tells what it saw."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.chaos.processes import Process, in_sessions
from tests.support.recordings import RECORDINGS

ANSWER_TIMEOUT_S = 60.0
JOB_TIMEOUT_S = 300.0
HEALTH_PERIOD_S = 0.05
SLOW_HEALTH_S = 2.0
"""A health check that takes longer is a finding; two busy cores alone may cost some tenths of a second."""


class Finding(Exception):
    """An attack came through; the text says how."""


class NotApplicable(Exception):
    """The attack needs something that this target does not have; the text says what."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A running cluster.

    ``home`` and ``sessions`` (of the processes that started it) are None and empty where the cluster is not on this
    machine. ``key`` and ``other_key`` are API keys of two tenants, "" where nobody is asked for one. ``place`` is a
    URL (``s3://bucket/prefix``) that it pulls recordings from with credentials, "" where there is none.
    ``one_host``: no port but the endpoint's need be reached from other machines. ``traces_of`` names the places that
    hold a text, beside the home's files: rows of a database server, objects of a bucket.
    """

    url: str
    name: str = "a running cluster"
    home: Path | None = None
    sessions: frozenset[int] = frozenset()
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    key: str = field(default="", repr=False)
    other_key: str = field(default="", repr=False)
    place: str = ""
    one_host: bool = True
    traces_of: Callable[[str], list[str]] = lambda text: []

    @property
    def asks_for_keys(self) -> bool:
        """Whether requests without a key are refused."""
        return bool(self.key)

    def headers(self, key: str | None = None) -> dict[str, str]:
        """The header that authenticates as the first tenant, or with another key."""
        chosen = self.key if key is None else key
        return {"authorization": f"Bearer {chosen}"} if chosen else {}

    def request(self, method: str, path: str, *, key: str | None = None, **more: Any) -> httpx.Response:
        """Ask as the first tenant would."""
        headers = {**self.headers(key), **more.pop("headers", {})}
        return httpx.request(method, self.url + path, headers=headers, timeout=ANSWER_TIMEOUT_S, **more)

    def submit(self, filename: str = "a.wav", recording: str = "blip.wav", **options: str) -> str:
        """Upload a sample; return the job's id. Raises `Finding` when an honest upload is refused."""
        content = (RECORDINGS / recording).read_bytes()
        answer = self.request("POST", "/v1/jobs", files={"file": (filename, content)}, data=options)
        if answer.status_code != httpx.codes.ACCEPTED:
            raise Finding(f"an honest upload is refused: {answer.status_code} {answer.text[:200]}")
        return str(answer.json()["id"])

    def wait_for_end(self, job_id: str) -> str:
        """Wait until a job has ended; return its state."""
        deadline_s = time.monotonic() + JOB_TIMEOUT_S
        while time.monotonic() < deadline_s:
            state = str(self.request("GET", f"/v1/jobs/{job_id}").json()["state"])
            if state in ("succeeded", "failed", "cancelled"):
                return state
            time.sleep(0.1)
        raise Finding(f"job {job_id} did not end in {JOB_TIMEOUT_S:.0f} s")

    def purge(self, job_id: str) -> None:
        """Erase a job once it has ended."""
        self.wait_for_end(job_id)
        answer = self.request("DELETE", f"/v1/jobs/{job_id}?purge=true")
        if answer.is_error:
            raise Finding(f"a job cannot be erased: {answer.status_code} {answer.text[:200]}")

    def processes(self) -> list[Process]:
        """Everything that runs for the cluster on this machine; raises `NotApplicable` where it is elsewhere."""
        if not self.sessions:
            raise NotApplicable("its processes are not known")
        return in_sessions(set(self.sessions))

    def own_home(self) -> Path:
        """The home; raises `NotApplicable` where it is on another machine."""
        if self.home is None:
            raise NotApplicable("its home is not known")
        return self.home


def expect(answer: httpx.Response, *statuses: int, about: str) -> None:
    """Raise `Finding` unless the answer has one of these statuses."""
    if answer.status_code not in statuses:
        wanted = " or ".join(map(str, statuses))
        raise Finding(f"{about}: {answer.status_code} instead of {wanted}: {answer.text[:160]}")


@contextmanager
def answering(target: Target) -> Iterator[Callable[[], float]]:
    """Ask ``/healthz`` all the time; raise `Finding` at the end when an answer was slow or missing.

    Yields a function that tells the slowest answer so far, in seconds.
    """
    stop = threading.Event()
    slowest_s = [0.0]
    refused: list[str] = []

    def poll() -> None:
        with httpx.Client(timeout=ANSWER_TIMEOUT_S) as client:
            while not stop.wait(HEALTH_PERIOD_S):
                began_s = time.monotonic()
                try:
                    answer = client.get(f"{target.url}/healthz")
                    if answer.status_code != httpx.codes.OK:
                        refused.append(str(answer.status_code))
                except httpx.HTTPError as error:
                    refused.append(repr(error))
                slowest_s[0] = max(slowest_s[0], time.monotonic() - began_s)

    thread = threading.Thread(target=poll, name="health checks")
    thread.start()
    try:
        yield lambda: slowest_s[0]
    finally:
        stop.set()
        thread.join()
    if refused:
        raise Finding(f"health checks failed meanwhile: {', '.join(refused[:3])}")
    if slowest_s[0] > SLOW_HEALTH_S:
        raise Finding(f"a health check took {slowest_s[0]:.1f} s meanwhile")
