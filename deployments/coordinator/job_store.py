"""`JobStore`: the Coordinator's side of the ledger: every write under the lease, lost answers made good."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Sequence

from deployments.coordinator.group_commit import GroupCommit
from deployments.coordinator.lease import LeaderLease
from deployments.coordinator.live_job import LiveJob
from deployments.notifications.messages import JobNotifications
from deployments.ports import WrittenResults
from pipelines.changed import changed
from pipelines.errors import JobUnknown, LedgerUnavailable, VersionConflict
from pipelines.jobs.events import MinutesFollowed
from pipelines.jobs.job import Job, JobState
from pipelines.jobs.state_machine import transition
from pipelines.ledger.protocol import JobUpdate, Ledger

MIN_AGE_S = 0.5


class JobStore:
    """Reads and writes jobs for the holder of the lease; what is not async blocks. All may raise `Fenced`."""

    def __init__(
        self,
        ledger: Ledger,
        leader: LeaderLease,
        notifications: JobNotifications,
        clock: Callable[[], float] = time.time,
        *,
        expects_more: Callable[[], bool] = lambda: True,
    ) -> None:
        """Take ``notifications``, which derives the messages of a change, and a ``clock`` of Unix seconds.

        ``expects_more``: see `GroupCommit`.
        """
        self._ledger = ledger
        self._leader = leader
        self._notifications = notifications
        self._clock = clock
        self._claim_uncertain = False
        self._commits = GroupCommit(lambda updates: ledger.apply_many(leader.lease, updates), expects_more=expects_more)

    def live(self) -> Sequence[Job]:
        """Return jobs that were begun and have not ended."""
        return self._ledger.live(self._leader.lease)

    def cancel_requests(self) -> Sequence[Job]:
        """Return jobs with a request to cancel that have not ended, queued ones included."""
        return self._ledger.cancel_requests(self._leader.lease)

    def same_content(self, tenant: str, content_key: str) -> Job | None:
        """Return the newest job that succeeded with this content."""
        return self._ledger.same_content(tenant, content_key)

    def claim(self, room: int, economy_room: int, known: Collection[str]) -> Sequence[Job]:
        """Claim queued jobs, those first whose claim's answer was lost: the ledger hands each out once.

        Economy jobs fill up ``economy_room`` at most. ``known`` are the ids of live jobs.
        """
        lost: list[Job] = []
        if self._claim_uncertain:
            live = self._ledger.live(self._leader.lease)
            lost = [job for job in live if job.state is JobState.QUEUED and job.id not in known]
        self._claim_uncertain = True
        claimed = self._ledger.claim(self._leader.lease, room, economy_room)
        self._claim_uncertain = False
        return [*lost, *claimed]

    async def write(self, live: LiveJob, after: Job) -> Job:
        """Write the job, and the messages about its change, to the ledger under the lease; return what it stored."""
        try:
            return await self._commits.write(self._update(live.stored, after))
        except VersionConflict:
            # Only the holder of the lease writes versions: it was progress of ours whose answer was lost.
            held = await asyncio.to_thread(self._ledger.get, after.tenant, after.id)
            if held.state not in (live.stored.state, live.job.state):
                raise
            return await self._commits.write(self._update(held, after))

    async def settle(self) -> None:
        """Wait for the writes under way."""
        await self._commits.settle()

    def _update(self, held: Job, after: Job) -> JobUpdate:
        return JobUpdate(after, held.version, self._notifications.of(held, after, at_s=self._clock()))

    @staticmethod
    def accept(live: LiveJob, after: Job, stored: Job) -> None:
        """Take over version and time that the ledger gave; what it does not store stays as it is in memory."""
        live.stored, live.stored_at_s = stored, time.monotonic()
        live.job = changed(after, version=stored.version, updated_at_s=stored.updated_at_s)

    async def save_progress(self, jobs: Collection[LiveJob]) -> None:
        """Write how far jobs are in one transaction, and states that are written with it.

        One that is just changing state is left out, and one that was written in the last `MIN_AGE_S` seconds: many
        short jobs end before.
        """
        stale = [live for live in jobs if self._is_stale(live)]
        for live in stale:
            await live.lock.acquire()
        try:
            updates = [JobUpdate(live.job, live.stored.version) for live in stale]
            if updates:
                stored = await asyncio.to_thread(self._ledger.apply_many, self._leader.lease, updates)
                for live, job in zip(stale, stored, strict=True):
                    if isinstance(job, VersionConflict):  # an earlier round came through, but its answer did not
                        job = await asyncio.to_thread(self._ledger.get, live.job.tenant, live.job.id)
                        live.stored = changed(live.stored, version=job.version)
                    elif isinstance(job, Job):
                        self.accept(live, live.job, job)
        finally:
            for live in stale:
                live.lock.release()
                live.announce()

    @staticmethod
    def _is_stale(live: LiveJob) -> bool:
        job, stored = live.job, live.stored
        if job.state.final or live.lock.locked() or time.monotonic() < live.stored_at_s + MIN_AGE_S:
            return False
        return job.progress != stored.progress or job.state is not stored.state

    async def record(self, job: Job, name: str, detail: str) -> None:
        """Enter something in a job's history; that alone is no reason to stop."""
        with contextlib.suppress(LedgerUnavailable, JobUnknown):
            await asyncio.to_thread(self._ledger.record, self._leader.lease, job, name, detail)

    def enter_minutes(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        """Enter what was written for a job that had ended without minutes; raises `JobUnknown`, `IllegalTransition`."""
        job = self._ledger.get(tenant, job_id)
        after, _ = transition(job, written.event(MinutesFollowed))
        if after != job:
            update = self._update(job, after)
            self._ledger.apply(self._leader.lease, after, update.expected_version, update.messages)
            name = "minutes_followed" if written.minutes else "translations_followed"
            self._ledger.record(self._leader.lease, after, name, written.note)

    def is_over(self, tenant: str, job_id: str) -> bool:
        """Return whether a job has ended or is unknown."""
        try:
            return self._ledger.get(tenant, job_id).state.final
        except JobUnknown:
            return True
