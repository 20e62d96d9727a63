"""Submitters that do the plan's items one after another, each until it is done, and write down what they were told.

They try again as clients do, under idempotency keys that are the items' names.
"""

import itertools
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.soak.journal import Journal
from tests.soak.plan import Item, Kind
from tests.support.recordings import RECORDINGS

CALL, MEETING = RECORDINGS / "short.mp3", RECORDINGS / "meeting-12min.mp3"
ANSWER_TIMEOUT_S = 120.0
RETRY_S = 0.5
GIVE_UP_S = 600.0
END_S = 1200.0
"""A job that has not ended by then is reported and left."""
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504)
"""Answers after which a client tries the same request again; 409 says that the first is not answered yet."""


class GivenUp(RuntimeError):
    """An item that did not come to its end."""


class Clients:
    """``n_threads`` submitters of a plan's items; none begins one while ``is_full`` says so."""

    def __init__(
        self,
        url: str,
        keys: Mapping[str, str],
        journal: Journal,
        next_item: Callable[[], Item | None],
        is_full: Callable[[], bool],
        *,
        n_threads: int,
    ) -> None:
        self._keys = keys
        self._journal = journal
        self._next = next_item
        self._is_full = is_full
        self._http = httpx.Client(
            base_url=url,
            timeout=ANSWER_TIMEOUT_S,
            limits=httpx.Limits(max_connections=4 * n_threads, max_keepalive_connections=4 * n_threads),
        )
        self._contents = {path: path.read_bytes() for path in (CALL, MEETING)}
        self._stop = threading.Event()
        self._repeats = ThreadPoolExecutor(2 * n_threads, thread_name_prefix="repeat")
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(n_threads)]
        self.answers: dict[str, int] = {}
        self._counts = itertools.count(1)
        self.n_sent = 0

    def start(self) -> None:
        """Begin with the first items."""
        for thread in self._threads:
            thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until no item is left; say whether that is so."""
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Begin no more items, and end those that are begun."""
        self._stop.set()
        self.wait(GIVE_UP_S + ANSWER_TIMEOUT_S)
        self._repeats.shutdown()
        self._http.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._is_full():
                self._stop.wait(RETRY_S)
                continue
            item = self._next()
            if item is None:
                return
            try:
                told = self._do(item)
            except Exception as error:
                self._journal.findings.append({"item": item.name, "what": f"{type(error).__name__}: {error}"[:300]})
                continue
            self._journal.items.append({"number": item.number, "kind": item.kind, "tenant": item.tenant, **told})

    def _do(self, item: Item) -> dict[str, Any]:
        if item.kind is Kind.BATCH:
            return {"jobs": [], "batch": self._batch(item)}
        if item.kind is Kind.RETRY:
            first, again = (self._repeats.submit(self._submit, item, CALL) for _ in range(2))
            if first.result() != again.result():
                raise GivenUp(f"one key, two jobs: {first.result()} and {again.result()}")
            return {"jobs": [first.result()]}
        job_id = self._submit(item, MEETING if item.kind is Kind.MEETING else CALL)
        if item.kind is Kind.CANCEL:
            self._ask(item, "DELETE", f"/v1/jobs/{job_id}", good=(200, 202))
        if item.kind is Kind.PURGE:
            self._await_end(item, job_id)
            return {"jobs": [job_id], "receipt": self._purge(item, job_id)}
        return {"jobs": [job_id]}

    def _submit(self, item: Item, recording: Path) -> str:
        form = {"prompt": item.name, "language": "en", "minutes": "auto" if item.kind is Kind.MEETING else "none"}
        what: dict[str, Any] = (
            {"json": {"source": recording.as_uri(), "options": form}}
            if item.kind is Kind.SOURCE
            else {"data": form, "files": {"file": (recording.name, self._contents[recording])}}
        )
        answer = self._ask(item, "POST", "/v1/jobs", good=(200, 202), idempotent=True, **what)
        job_id: str = answer.json()["id"]
        return job_id

    def _batch(self, item: Item) -> str:
        options = {"language": "en", "minutes": "none"}
        lines = "\n".join(json.dumps({"source": CALL.as_uri(), "options": {"prompt": each}}) for each in item.prompts)
        answer = self._ask(
            item,
            "POST",
            "/v1/batches",
            good=(200, 202),
            idempotent=True,
            content=lines,
            params=options,
            headers={"content-type": "application/x-ndjson"},
        )
        batch_id: str = answer.json()["id"]
        return batch_id

    def _await_end(self, item: Item, job_id: str) -> None:
        deadline_s = time.monotonic() + END_S
        while time.monotonic() < deadline_s:
            job = self._ask(item, "GET", f"/v1/jobs/{job_id}", good=(200,)).json()
            if job["state"] in ("succeeded", "failed", "cancelled"):
                return
            time.sleep(2 * RETRY_S)
        raise GivenUp(f"job {job_id} did not end")

    def _purge(self, item: Item, job_id: str) -> str:
        """Erase a job; its receipt's id. An answer that was torn off may have done it: then the receipt tells."""
        answer = self._ask(item, "DELETE", f"/v1/jobs/{job_id}", good=(200, 404), params={"purge": "true"})
        if answer.status_code == httpx.codes.NOT_FOUND:
            found = self._ask(item, "GET", "/v1/receipts", good=(200,), params={"object": job_id}).json()["receipts"]
            if len(found) != 1:
                raise GivenUp(f"job {job_id} is gone with {len(found)} receipts")
            return str(found[0]["id"])
        return str(answer.json()["receipt"]["id"])

    def _ask(
        self,
        item: Item,
        method: str,
        path: str,
        *,
        good: tuple[int, ...],
        idempotent: bool = False,
        headers: Mapping[str, str] | None = None,
        **what: Any,
    ) -> httpx.Response:
        """Send a request until it is answered with one of ``good``; raises `GivenUp`."""
        sent = {"authorization": f"Bearer {self._keys[item.tenant]}", **(headers or {})}
        if idempotent:
            sent["idempotency-key"] = item.name
        deadline_s = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline_s:
            try:
                answer = self._http.request(method, path, headers=sent, **what)
            except httpx.TransportError as error:
                self._count(f"{method} {type(error).__name__}")
                time.sleep(RETRY_S)
                continue
            self._count(f"{method} {answer.status_code}")
            if answer.status_code in good:
                return answer
            if answer.status_code not in AGAIN:
                raise GivenUp(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            time.sleep(min(10.0, float(answer.headers.get("retry-after", RETRY_S))))
        raise GivenUp(f"{method} {path}: no answer in {GIVE_UP_S:.0f} s")

    def _count(self, what: str) -> None:
        self.answers[what] = self.answers.get(what, 0) + 1
