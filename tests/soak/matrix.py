"""Clients of every kind against a cluster whose replicas die or are replaced, and what they were told.

Each request is one of its own, by its `prompt`. Clients try again as clients do, without an Idempotency-Key: the
cluster has to know that it is the same request.
"""

import base64
import contextlib
import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from pipelines.jobs.job import Job, JobState
from pipelines.ledger.job_filter import ALL_JOBS
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import all_jobs
from pipelines.storage.layout import RESUMABLE_UPLOADS
from pipelines.storage.open import open_store
from tests.chaos.clusters import Cluster
from tests.support.recordings import RECORDINGS

RECORDING = RECORDINGS / "short.mp3"
ANSWER_TIMEOUT_S = 120.0
RETRY_S = 0.5
GIVE_UP_S = 300.0
PIECES = 4
PROBLEM = "application/problem+json"
TUS = {"Tus-Resumable": "1.0.0"}
TENANT = "default"


@dataclass
class Told:
    """What clients were told, by kind of client; used by many threads."""

    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    torn: Counter[str] = field(default_factory=Counter)
    done: set[str] = field(default_factory=set)
    findings: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, kind: str, answer: httpx.Response) -> None:
        """Count an answer; a refusal has to be in the form of its door."""
        with self.lock:
            self.answers[(kind, answer.status_code)] += 1
            if answer.status_code >= httpx.codes.BAD_REQUEST and not _is_in_form(answer):
                kind_of = answer.headers.get("content-type", "")
                self.findings[f"{kind}: {answer.status_code} as {kind_of!r}: {answer.text[:80]!r}"] += 1

    def finding(self, text: str) -> None:
        """Count something that is wrong."""
        with self.lock:
            self.findings[text] += 1


def _is_in_form(answer: httpx.Response) -> bool:
    if answer.request.method == "HEAD":
        return True
    kind = answer.headers.get("content-type", "")
    if kind.startswith(PROBLEM):
        return True
    is_openais = "/v1/audio/" in str(answer.request.url) and kind.startswith("application/json")
    return is_openais and "error" in answer.json()


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """``n_clients`` of each kind from `start` to `stop`, with the ``key`` of the tenant `TENANT`."""

    cluster: Cluster
    n_clients: int
    key: str
    told: Told = field(default_factory=Told)
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Start all clients."""
        senders = (self._upload, self._upload_slowly, self._resume, self._wait) * self.n_clients
        lookers = (self._poll, self._stream) if self.n_clients else ()
        for kind in (*senders, *lookers):
            self._threads.append(threading.Thread(target=self._again_and_again, args=(kind,), daemon=True))
            self._threads[-1].start()

    def stop(self) -> None:
        """Let each client end what it is at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(GIVE_UP_S + ANSWER_TIMEOUT_S)

    def _again_and_again(self, kind: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                kind()
            except Exception as error:
                self.told.finding(f"{kind.__name__}: {type(error).__name__}: {error}"[:200])
                time.sleep(RETRY_S)

    # Clients that bring recordings

    def _upload(self) -> None:
        prompt = self._prompt("upload")
        form = {"prompt": prompt, "minutes": "none"}
        self._until_done(
            "upload", prompt, lambda http: http.post("/v1/jobs", data=form, files=self._file()), {200, 202}
        )

    def _upload_slowly(self) -> None:
        prompt = self._prompt("slow")
        headers = {"content-type": "audio/mpeg"}

        def send(http: httpx.Client) -> httpx.Response:
            return http.post(
                "/v1/jobs", params={"prompt": prompt, "minutes": "none"}, content=_slowly(), headers=headers
            )

        self._until_done("slow", prompt, send, {200, 202})

    def _wait(self) -> None:
        prompt = self._prompt("wait")
        form = {"prompt": prompt, "model": "whisper-1"}
        self._until_done(
            "wait", prompt, lambda http: http.post("/v1/audio/transcriptions", data=form, files=self._file()), {200}
        )

    def _resume(self) -> None:
        prompt = self._prompt("resume")
        data = RECORDING.read_bytes()
        headers = {**TUS, "upload-length": str(len(data)), "upload-metadata": _metadata(prompt=prompt, minutes="none")}
        begun = self._until_done("resume", "", lambda http: http.post("/v1/uploads", headers=headers), {201})
        if begun is None:
            return
        path, size, offset = urlsplit(begun.headers["location"]).path, len(data) // PIECES + 1, 0
        give_up_s = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up_s:
            piece = {**TUS, "upload-offset": str(offset), "content-type": "application/offset+octet-stream"}
            content = data[offset : offset + size]
            answer = self._ask("resume", lambda http, c=content, h=piece: http.patch(path, content=c, headers=h))  # type: ignore[misc]
            if answer is None or answer.status_code != httpx.codes.NO_CONTENT:
                time.sleep(RETRY_S)
                answer = self._ask("resume", lambda http: http.head(path, headers=TUS))
            if answer is not None and "x-meetmemo-job" in answer.headers:
                self._done(prompt)
                return
            if answer is not None and "upload-offset" in answer.headers:
                offset = int(answer.headers["upload-offset"])
        self.told.finding("resume: given up")

    # Clients that look

    def _poll(self) -> None:
        answer = self._ask("poll", lambda http: http.get("/v1/jobs", params={"limit": 20}))
        for job in answer.json()["jobs"] if answer is not None and answer.is_success else ():
            self._ask("poll", lambda http, i=job["id"]: http.get(f"/v1/jobs/{i}"))  # type: ignore[misc]
        time.sleep(RETRY_S)

    def _stream(self) -> None:
        with (
            contextlib.suppress(httpx.TransportError),
            self._http() as http,
            http.stream("GET", "/v1/events") as answer,
        ):
            if answer.is_error:
                answer.read()
            self.told.answer("stream", answer)
            for _ in answer.iter_lines() if answer.is_success else ():
                if self._stop.is_set():
                    return
        time.sleep(RETRY_S)

    # Small parts

    def _prompt(self, kind: str) -> str:
        return f"{kind} {next(self._numbers)}"

    def _file(self) -> dict[str, tuple[str, bytes]]:
        return {"file": (RECORDING.name, RECORDING.read_bytes())}

    def _http(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.Client(base_url=self.cluster.url, timeout=ANSWER_TIMEOUT_S, headers=headers)

    def _ask(self, kind: str, send: Callable[[httpx.Client], httpx.Response]) -> httpx.Response | None:
        """Send once; None where there was no answer."""
        try:
            with self._http() as http:
                answer = send(http)
        except httpx.TransportError:
            with self.told.lock:
                self.told.torn[kind] += 1
            return None
        self.told.answer(kind, answer)
        return answer

    def _until_done(
        self, kind: str, prompt: str, send: Callable[[httpx.Client], httpx.Response], good: set[int]
    ) -> httpx.Response | None:
        """Send until it is taken, as long as a client would; note the prompt of one that was."""
        give_up_s = time.monotonic() + GIVE_UP_S
        while time.monotonic() < give_up_s:
            answer = self._ask(kind, send)
            if answer is not None and answer.status_code in good:
                self._done(prompt)
                return answer
            if answer is not None and answer.status_code not in (409, 429, 503):
                self.told.finding(f"{kind}: refused for good with {answer.status_code}: {answer.text[:80]!r}")
                return None
            wait_s = answer.headers.get("retry-after") if answer is not None else None
            time.sleep(min(10.0, float(wait_s or RETRY_S)))
        self.told.finding(f"{kind}: given up")
        return None

    def _done(self, prompt: str) -> None:
        if prompt:
            with self.told.lock:
                self.told.done.add(prompt)

    # What must be true at the end

    def check(self) -> Told:
        """Return what was told and is wrong, once all jobs have ended."""
        ledger, store = open_ledger(self.cluster.ledger_url), open_store(self.cluster.store_url)
        try:
            jobs: dict[str, list[Job]] = defaultdict(list)
            for job in all_jobs(ledger, TENANT, ALL_JOBS):
                jobs[job.options.prompt].append(job)
        finally:
            ledger.close()
        for prompt in self.told.done - jobs.keys():
            self.told.finding(f"lost: {prompt.partition(' ')[0]}")
        for prompt, made in jobs.items():
            kind = prompt.partition(" ")[0]
            if not any(job.state is JobState.SUCCEEDED for job in made):
                self.told.finding(f"{kind}: {made[0].state} {made[0].reason or ''}")
            if sum(not job.reused_from for job in made) > 1:
                self.told.finding(f"decoded again: {kind}")
        if left := [path.name for path in (self.cluster.home / "spool").iterdir()]:
            self.told.finding(f"the spool folder holds {len(left)} files")
        if pieces := list(store.list(RESUMABLE_UPLOADS)):
            self.told.finding(f"the store holds {len(pieces)} blobs of resumable uploads")
        return self.told


def _slowly() -> Iterator[bytes]:
    data = RECORDING.read_bytes()
    step = len(data) // 8 + 1
    for start in range(0, len(data), step):
        yield data[start : start + step]
        time.sleep(0.5)


def _metadata(**values: str) -> str:
    return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in values.items())
