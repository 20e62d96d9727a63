"""Following jobs with many clients at once: what the ledger is asked, and what each client is told."""

import asyncio
import json
import random
from collections import Counter
from contextlib import aclosing
from typing import Any

from deployments.http.job_events import job_events
from deployments.http.job_feed import ChangedJobs, JobFeed
from deployments.tenant.coordinator_client import CoordinatorClient
from pipelines.jobs.events import CancelRequested, Claimed, ResultsStored, Segmented, TranscriptStored
from pipelines.jobs.state_machine import transition
from tests.contracts.ledger_base import make_job, won
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.api_harness import SteeredCoordinator
from tests.support.in_process_cluster import InProcessCluster
from tests.support.virtual_time import run_in_virtual_time

N_CLIENTS = 100
LIFE = ((Claimed(),), (Segmented(n_chunks=0), TranscriptStored()), (ResultsStored(names=()),))
STATES = ["queued", "transcribing", "summarizing", "succeeded"]
KEEP_ALIVE_S = 15.0
Told = tuple[str, Any]  # name and data of an event


class CountedLedger(MemoryLedger):
    """Counts what is asked, by method."""

    READS = ("get", "get_many", "list", "changed", "counts", "counts_by_tenant")

    def __init__(self):
        self.n_asked: Counter[str] = Counter()
        super().__init__(clock=unix_s)

    def __getattribute__(self, name):
        if name in CountedLedger.READS:
            self.n_asked[name] += 1
        return super().__getattribute__(name)


class Room:
    """A ledger, a line to a Coordinator, and clients that follow."""

    def __init__(self):
        self.ledger = CountedLedger()
        self.coordinator = SteeredCoordinator(self.ledger)
        self.coordinator_client = CoordinatorClient(self.coordinator, self.ledger)
        self.changed = ChangedJobs(self.ledger)
        self.lease = won(self.ledger.acquire_lease("test", 1e9))

    def advance(self, job_id, *events, tenant="acme"):
        job = self.ledger.get(tenant, job_id)
        for event in events:
            after, _ = transition(job, event)
            job = self.ledger.apply(self.lease, after, job.version)

    async def live(self, *job_ids, tenant="acme", step_s=5.0):
        """Let jobs live their lives, a step every few seconds."""
        for events in LIFE:
            await asyncio.sleep(step_s)
            for job_id in job_ids:
                self.advance(job_id, *events, tenant=tenant)

    async def follow(self, job_id, tenant="acme"):
        """Read the stream of a job to its end."""
        job = self.ledger.get(tenant, job_id)
        return [told(event) async for event in job_events(self.coordinator_client, job, None, -1, KEEP_ALIVE_S, "")]

    def feed(self, tenant="acme"):
        return JobFeed(
            changed=self.changed,
            coordinator_client=self.coordinator_client,
            tenant=tenant,
            public_url="",
            keep_alive_s=KEEP_ALIVE_S,
            clock=unix_s,
        )

    async def watch(self, seen, *, tenant="acme"):
        """Read the stream of all jobs into a list, until cancelled."""
        async with aclosing(self.feed(tenant).events()) as events:
            async for event in events:
                seen.append(told(event))


def unix_s():
    try:
        return 1_800_000_000.0 + asyncio.get_running_loop().time()
    except RuntimeError:  # before the loop runs
        return 1_800_000_000.0


def told(event):
    """An event's name and data; a comment as it is."""
    if event.startswith(b":"):
        return event.decode(), None
    fields = dict(coordinator_client.split(": ", 1) for coordinator_client in event.decode().strip().split("\n"))
    return fields["event"], json.loads(fields["data"])


def states_of(seen, job_id):
    return [job["state"] for name, data in seen if name == "jobs" for job in data["jobs"] if job["id"] == job_id]


async def stop(*tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_all_who_follow_jobs_without_a_coordinator_share_one_look_a_second():
    """A hundred clients of ten jobs see every state in order, and the end; the ledger is asked once a second."""

    async def program():
        room = Room()
        room.coordinator.broken = RuntimeError("ActorDiedError")
        job_ids = [f"j{number}" for number in range(10)]
        for job_id in job_ids:
            room.ledger.create(make_job(job_id))
        clients = [asyncio.create_task(room.follow(job_ids[number % 10])) for number in range(N_CLIENTS)]
        await asyncio.sleep(0)
        room.ledger.n_asked.clear()
        await room.live(*job_ids, step_s=20.0)
        streams = await asyncio.gather(*clients)
        for stream in streams:
            events = [(name, data["state"]) for name, data in stream if data]
            assert events == [*(("state", state) for state in STATES[:-1]), ("end", STATES[-1])]
        return room.ledger.n_asked

    n_asked, took_s = run_in_virtual_time(program())
    assert 60.0 <= took_s <= 62.0
    assert n_asked["get_many"] <= took_s + 1
    # The test's own: its jobs are read, and a write reads again.
    assert n_asked["get"] < N_CLIENTS


def test_clients_that_come_and_go_disturb_nobody():
    """Whoever leaves in the middle of waiting costs no other an event, and the looks end with the last."""

    async def program():
        room = Room()
        room.coordinator.broken = RuntimeError("ActorDiedError")
        room.ledger.create(make_job("j"))
        stays = asyncio.create_task(room.follow("j"))
        life = asyncio.create_task(room.live("j", step_s=3.0))
        dice = random.Random(7)
        while not stays.done():
            leaver = asyncio.create_task(room.follow("j"))
            await asyncio.sleep(dice.random())
            await stop(leaver)
        assert [data["state"] for _, data in stays.result()] == STATES
        await life
        room.ledger.n_asked.clear()
        await asyncio.sleep(100.0)
        return room.ledger.n_asked

    n_asked, _ = run_in_virtual_time(program())
    assert n_asked == {}


def test_all_streams_of_all_jobs_share_one_look_a_second():
    """A hundred clients of two tenants see each change of their own jobs in order; none costs a query of its own."""

    async def program():
        room = Room()
        for tenant in ("acme", "umbrella"):
            room.ledger.create(make_job(f"{tenant}-job", tenant=tenant))
        seen: list[list[Told]] = [[] for _ in range(N_CLIENTS)]
        tenants = ("acme", "umbrella")
        clients = [
            asyncio.create_task(room.watch(events, tenant=tenants[number % 2])) for number, events in enumerate(seen)
        ]
        await asyncio.sleep(0.5)
        room.ledger.n_asked.clear()
        await asyncio.gather(*(room.live(f"{tenant}-job", tenant=tenant, step_s=20.0) for tenant in tenants))
        await asyncio.sleep(2.0)
        n_asked = Counter(room.ledger.n_asked)
        await stop(*clients)
        for number, events in enumerate(seen):
            tenant = tenants[number % 2]
            assert states_of(events, f"{tenant}-job") == STATES
            assert {job["id"] for name, data in events if name == "jobs" for job in data["jobs"]} == {f"{tenant}-job"}
            counts = [data["jobs"] for name, data in events if name == "counts"]
            assert (counts[0]["queued"], counts[-1]["succeeded"]) == (1, 1)
        room.ledger.n_asked.clear()
        await asyncio.sleep(100.0)
        assert room.ledger.n_asked == {}
        return n_asked

    n_asked, took_s = run_in_virtual_time(program())
    assert n_asked["changed"] <= took_s - 100.0 + 1
    assert n_asked["counts_by_tenant"] <= len(STATES)
    assert n_asked["list"] == 0


def test_streams_outlive_an_outage_of_the_ledger():
    """Comments keep each connection alive meanwhile, and what happened is told afterwards, once."""

    async def program():
        room = Room()
        room.coordinator.broken = RuntimeError("ActorDiedError")
        room.ledger.create(make_job("j"))
        seen: list[Told] = []
        watcher, follower = asyncio.create_task(room.watch(seen)), asyncio.create_task(room.follow("j"))
        await asyncio.sleep(2.0)
        room.ledger.outage = "away"
        del seen[:]
        await asyncio.sleep(100.0)
        n_comments = sum(name.startswith(":") for name, _ in seen)
        room.ledger.outage = ""
        room.advance("j", *(event for step in LIFE for event in step))
        stream = await follower
        await asyncio.sleep(2.0)
        await stop(watcher)
        assert states_of(seen, "j") == ["succeeded"]
        assert [name for name, data in stream if data] == ["state", "end"]
        return n_comments, sum(name.startswith(":") for name, _ in stream)

    (of_all, of_one), _ = run_in_virtual_time(program())
    assert of_all == of_one == 6


def test_all_who_follow_waiting_jobs_share_the_coordinators_looks():
    """A hundred clients of jobs that nobody has begun cost the Coordinator four looks a second, and hear of the end."""

    async def program():
        ledger = CountedLedger()
        cluster = InProcessCluster(ledger, MemoryStore())
        for number in range(10):
            ledger.create(make_job(f"j{number}"))
        ended = []

        async def watch(job_id):
            version = 1
            while True:
                view = await cluster.coordinator.watch("acme", job_id, version, 15.0)
                version = view.job.version
                if view.job.state.final:
                    ended.append(job_id)
                    return

        clients = [asyncio.create_task(watch(f"j{number % 10}")) for number in range(N_CLIENTS)]
        await asyncio.sleep(0)
        ledger.n_asked.clear()
        await asyncio.sleep(20.0)
        n_asked = Counter(ledger.n_asked)
        lease = won(ledger.acquire_lease("test", 1e9))
        for number in range(10):
            job = ledger.get("acme", f"j{number}")
            ledger.apply(lease, transition(job, CancelRequested())[0], job.version)
        await asyncio.gather(*clients)
        cluster.let_go()
        return n_asked, len(ended)

    (n_asked, n_ended), took_s = run_in_virtual_time(program())
    assert n_asked["get_many"] <= 4 * 20 + 1
    assert n_asked["get"] == 0
    assert n_ended == N_CLIENTS
    assert took_s < 22.0


def test_a_slow_reader_is_told_what_is_true_when_it_reads():
    """While it does not read nothing is kept for it; then it gets the newest state of every job that changed."""

    async def program():
        room = Room()
        room.ledger.create(make_job("j"))
        async with aclosing(room.feed().events()) as events:
            assert told(await anext(events))[0] == "counts"
            assert states_of([told(await anext(events))], "j") == ["queued"]
            room.ledger.n_asked.clear()
            await room.live("j", step_s=1000.0)
            assert room.ledger.n_asked["changed"] == 0
            rest = [told(await anext(events)) for _ in range(3)]
        assert [name for name, _ in rest] == ["counts", "jobs", "counts"]
        assert states_of(rest, "j") == ["succeeded"]

    run_in_virtual_time(program())
