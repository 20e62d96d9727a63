"""A client as clients should be: it sends every job until it is accepted, under a key that makes repeats harmless."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from tests.chaos.plan import Submission
from tests.support.recordings import RECORDINGS

RETRY_PAUSE_S = 0.5
ANSWER_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """An accepted job and what was sent."""

    job_id: str
    submission: Submission


class Traffic:
    """Sends jobs from a thread of its own, at most ``max_live`` ahead of those that have ended.

    ``n_refused`` counts the attempts that brought no answer or a temporary refusal.
    """

    def __init__(
        self, url: str, submissions: Sequence[Submission], *, key: str, n_ended: Callable[[], int], max_live: int = 24
    ) -> None:
        self.accepted: list[Accepted] = []
        self.n_refused = 0
        self._url = url
        self._submissions = submissions
        self._key = key
        self._n_ended = n_ended
        self._max_live = max_live
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send nothing any more."""
        self._stop.set()
        self._thread.join(timeout=ANSWER_TIMEOUT_S + 10)

    @property
    def done(self) -> bool:
        """Whether all jobs are accepted; raises what the thread met."""
        if self._failure is not None:
            raise self._failure
        return len(self.accepted) == len(self._submissions)

    def _run(self) -> None:
        try:
            for number, submission in enumerate(self._submissions):
                while number - self._n_ended() >= self._max_live and not self._stop.wait(RETRY_PAUSE_S):
                    pass
                if self._stop.is_set():
                    return
                self.accepted.append(Accepted(job_id=self._send(number, submission), submission=submission))
        except Exception as error:  # told to whoever asks whether all is sent
            self._failure = error

    def _send(self, number: int, submission: Submission) -> str:
        data = (RECORDINGS / submission.recording).read_bytes()
        while not self._stop.is_set():
            try:
                answer = httpx.post(
                    f"{self._url}/v1/jobs",
                    files={"file": (submission.recording, data)},
                    data=dict(submission.options),
                    headers={"Idempotency-Key": f"{self._key}-{number}"},
                    timeout=ANSWER_TIMEOUT_S,
                )
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code in (200, 202):
                job_id: str = answer.json()["id"]
                return job_id
            if answer is not None and not _temporary(answer):
                raise RuntimeError(f"the job was refused for good: {answer.status_code} {answer.text}")
            self.n_refused += 1
            time.sleep(RETRY_PAUSE_S)
        raise RuntimeError("stopped while sending")


def _temporary(refusal: httpx.Response) -> bool:
    """Whether the same request may be accepted later; 409 of a key says that its first request is not answered yet."""
    status = refusal.status_code
    in_flight = status == httpx.codes.CONFLICT and refusal.json()["reason"] == "request_in_flight"
    return status >= 500 or status in (404, 429) or in_flight
