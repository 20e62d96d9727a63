"""`FairQueue`: which chunks the next batch holds.

Start-time fair queueing (Goyal, Vin, Cheng 1996) on two levels, counted in audio seconds: tenants share
the machine, and within a tenant the jobs of the highest priority share what the tenant gets. A short job
submitted during a long one therefore finishes as if it had its share of the machine. Pure: no clock, no I/O.
"""

import hashlib
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from pipelines.core import SAMPLE_RATE, Chunk


@dataclass(frozen=True, kw_only=True)
class WorkItem:
    """One row for a Transcriber: transcribe a chunk, or say which languages are heard in it.

    ``attempt`` counts from 0, ``errors`` says what the attempts before met. A row that is ``alone`` shares its batch
    with no other. ``language`` is None only where a language is to be detected. ``translate`` writes English,
    ``prompt`` primes the decoder, ``temperature`` is the first it tries. ``traceparent`` is the job's.
    """

    task: Literal["transcribe", "detect_language"]
    tenant: str
    job_id: str
    chunk: Chunk
    language: str | None = None
    word_timestamps: bool = False
    beam_size: int = 1
    translate: bool = False
    prompt: str = ""
    temperature: float = 0.0
    priority: int = 0
    attempt: int = 0
    errors: tuple[str, ...] = ()
    alone: bool = False
    traceparent: str = ""

    @property
    def cut(self) -> str:
        """What decides a chunk's text besides its job's options, as 16 hex digits: its samples and its language.

        Results are stored under it, so that those of another segmentation or another vote are never mistaken.
        """
        pieces = ",".join(f"{piece.start}-{piece.end}" for piece in self.chunk.pieces)
        return hashlib.sha256(f"{self.language}/{self.chunk.channel}/{pieces}".encode()).hexdigest()[:16]

    @property
    def audio_s(self) -> float:
        """Seconds of speech in the row."""
        return self.chunk.n_samples / SAMPLE_RATE

    @property
    def group(self) -> tuple[str, bool, int, str]:
        """Rows of one decoding batch must agree in this: it is what CTranslate2 takes per call, not per row."""
        only = f"{self.job_id}/{self.chunk.index}" if self.alone else ""
        return (self.task, self.word_timestamps, self.beam_size, only)


@dataclass
class _Lane:
    """Items of one job (or, one level up, the jobs of one tenant) and the service they got so far."""

    served_s: float = 0.0
    items: deque[WorkItem] = field(default_factory=deque)


class FairQueue:
    """Chunks that wait for a device. Not thread-safe: it belongs to one event loop."""

    def __init__(self) -> None:
        self._jobs: dict[str, dict[str, _Lane]] = {}  # tenant → job → lane; empty lanes are removed
        self._tenants: dict[str, float] = {}  # tenant → service so far, audio seconds
        self._backlog_s = 0.0
        self._n_items = 0

    def __len__(self) -> int:
        return self._n_items

    @property
    def backlog_s(self) -> float:
        """Audio seconds that wait."""
        return self._backlog_s if self._n_items else 0.0

    def add(self, item: WorkItem, *, first: bool = False) -> None:
        """Queue an item behind its job's others, or before them (``first``) when it comes back after a failure."""
        lane = self._lane(item.tenant, item.job_id)
        if first:
            lane.items.appendleft(item)
        else:
            lane.items.append(item)
        self._backlog_s += item.audio_s
        self._n_items += 1

    def take(self, max_items: int) -> list[WorkItem]:
        """Remove and return the next batch: the fairest item first, then the fairest of the same group."""
        batch: list[WorkItem] = []
        while len(batch) < max_items:
            lane = self._next_lane(batch[0].group if batch else None)
            if lane is None:
                break
            batch.append(self._serve(lane))
        return batch

    def drop(self, tenant: str, job_id: str) -> int:
        """Forget a job's waiting items; return how many there were."""
        lane = self._jobs.get(tenant, {}).get(job_id)
        if lane is None:
            return 0
        n = len(lane.items)
        self._n_items -= n
        self._backlog_s -= sum(item.audio_s for item in lane.items)
        lane.items.clear()
        self._forget_if_empty(tenant, job_id)
        return n

    def _lane(self, tenant: str, job_id: str) -> _Lane:
        jobs = self._jobs.get(tenant)
        if jobs is None:
            # A tenant that was away neither saves up service nor owes any: it joins at the least-served level.
            level = min((self._tenants[name] for name in self._jobs), default=0.0)
            self._tenants[tenant] = max(self._tenants.get(tenant, 0.0), level)
            jobs = self._jobs[tenant] = {}
        if job_id not in jobs:
            jobs[job_id] = _Lane(served_s=min((lane.served_s for lane in jobs.values()), default=0.0))
        return jobs[job_id]

    def _next_lane(self, group: tuple[str, bool, int, str] | None) -> _Lane | None:
        for tenant in sorted(self._jobs, key=lambda name: (self._tenants[name], name)):
            lanes = [lane for lane in self._jobs[tenant].values() if group in (None, lane.items[0].group)]
            if lanes:
                return min(lanes, key=lambda lane: (-lane.items[0].priority, lane.served_s))
        return None

    def _serve(self, lane: _Lane) -> WorkItem:
        item = lane.items.popleft()
        lane.served_s += item.audio_s
        self._tenants[item.tenant] += item.audio_s
        self._backlog_s -= item.audio_s
        self._n_items -= 1
        self._forget_if_empty(item.tenant, item.job_id)
        return item

    def _forget_if_empty(self, tenant: str, job_id: str) -> None:
        jobs = self._jobs[tenant]
        if not jobs[job_id].items:
            del jobs[job_id]
        if not jobs:
            del self._jobs[tenant]
            if not self._jobs:
                self._tenants.clear()
