"""Housekeeping: leftovers go, what lives or is too young stays, and results go when their time is over."""

from dataclasses import replace

import pytest

from deployments.retention.housekeeping import DAY_S, Retention, enforce_retention, expire, sweep
from pipelines.core import BlobRef
from pipelines.errors import JobUnknown, Reason
from pipelines.ids import created_at_s, new_id
from pipelines.jobs.events import Claimed, Failed, ResultsStored, Segmented, TranscriptStored
from pipelines.jobs.job import Job, JobOptions
from pipelines.jobs.state_machine import transition
from pipelines.ledger.protocol import Ledger
from pipelines.storage.folder import LocalStore
from pipelines.storage.layout import JobKeys
from tests.contracts.ledger_base import won
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore

SUCCESS = (Claimed(), Segmented(n_chunks=0), TranscriptStored(), ResultsStored(names=("transcript.json",)))


class Site:
    """A ledger and a store with jobs in them, and a clock."""

    def __init__(self, store):
        self.clock = ManualClock()
        self.ledger: Ledger = MemoryLedger(clock=self.clock)
        self.store = store

    def blobs(self, job_id, tenant="t"):
        """One blob of each kind."""
        keys = JobKeys(tenant=tenant, job_id=job_id)
        for key in (keys.source, keys.summary, keys.span(0), keys.transcript, keys.kept):
            self.store.put(key, b"{}")
        return keys

    def job(self, *events, tenant="t", **options):
        job_id = new_id()
        keys = self.blobs(job_id, tenant)
        job = Job(
            id=job_id,
            tenant=tenant,
            options=JobOptions(model="m"),
            source=BlobRef(key=keys.source, n_bytes=2),
            filename="a.wav",
            created_at_s=self.clock(),
            **options,
        )
        self.ledger.create(job)
        lease = won(self.ledger.acquire_lease("test", 60.0))
        for event in events:
            after, _ = transition(job, event)
            job = self.ledger.apply(lease, replace(after, version=0), self.ledger.get(tenant, job_id).version)
        return job

    def left_of(self, job):
        root = JobKeys(tenant=job.tenant, job_id=job.id).root
        return {key.removeprefix(root) for key in self.store.list(root)}


class FolderwiseStore(MemoryStore):
    """Lists name by name, ``a/b`` before ``a-b``, as SeaweedFS does."""

    def list(self, prefix, *, after=""):
        found = sorted(super().list(prefix), key=lambda key: key.split("/"))
        yield from (key for key in found if key.split("/") > after.split("/"))


@pytest.fixture(params=["memory", "folderwise", "folder"])
def site(request, tmp_path):
    stores = {"memory": MemoryStore, "folderwise": FolderwiseStore, "folder": lambda: LocalStore(tmp_path / "store")}
    return Site(stores[request.param]())


ALL = {"source", "work/summary.json", "work/spans/000000.json", "results/.transcript", "quarantine/kept.json"}
RESULTS = {"results/.transcript", "quarantine/kept.json"}


def test_leftovers_of_ended_jobs_go(site):
    """What a killed clean-up left is deleted; results and quarantine stay."""
    done = site.job(*SUCCESS)
    failed = site.job(Failed(reason=Reason.CORRUPT_AUDIO, detail="torn"))
    assert len(sweep(site.ledger, site.store, now_s=site.clock())) == 2
    assert site.left_of(done) == site.left_of(failed) == RESULTS
    assert sweep(site.ledger, site.store, now_s=site.clock()) == []


def test_tenants_whose_names_begin_alike_are_kept_apart(site):
    """Whichever of ``t/…`` and ``t-1/…`` a store lists first, each job's keys come together and all leftovers go."""
    jobs = [site.job(*SUCCESS, tenant=tenant) for tenant in ("t-1", "t", "t1", "t", "t-1")]
    assert len(sweep(site.ledger, site.store, now_s=site.clock())) == len(jobs)
    assert [site.left_of(job) for job in jobs] == [RESULTS] * len(jobs)


def test_a_large_store_is_swept_in_portions(site):
    """A turn looks at some keys only, never at half a job, and the next one goes on there, until all were looked at."""
    jobs = [site.job(*SUCCESS) for _ in range(5)]
    turns = [sweep(site.ledger, site.store, now_s=site.clock(), max_keys=8) for _ in range(3)]
    assert [len(swept) for swept in turns] == [2, 2, 1]
    assert site.ledger.sweep_position() == ""
    assert [site.left_of(job) for job in jobs] == [RESULTS] * len(jobs)


def test_a_portion_that_begins_within_a_job_erases_no_results(site):
    """A transcript that lies before the portion is there all the same, even of a job that the ledger does not know."""
    keys = site.blobs(new_id())
    site.store.put(f"{keys.root}results/zz.json", b"{}")
    site.ledger.set_sweep_position(keys.transcript)
    sweep(site.ledger, site.store, now_s=4e9)
    assert site.store.exists(f"{keys.root}results/zz.json")


@pytest.mark.parametrize("events", [(), (Claimed(),), SUCCESS[:3]])
def test_live_jobs_are_not_touched(site, events):
    """Whatever its age, a job that has not ended keeps everything."""
    job = site.job(*events)
    site.clock.advance(1000 * DAY_S)
    assert sweep(site.ledger, site.store, now_s=site.clock()) == []
    assert site.left_of(job) == ALL


def test_unknown_jobs_get_an_hour(site):
    """A source may lie in the store before the ledger knows its job; later it is an orphan. Results are never."""
    job_id = new_id()
    born_s = created_at_s(job_id)
    assert born_s is not None
    keys = site.blobs(job_id)
    assert sweep(site.ledger, site.store, now_s=born_s + 3599) == []
    assert sweep(site.ledger, site.store, now_s=born_s + 3601) == [keys.root]
    assert set(site.store.list(keys.root)) == {keys.transcript, keys.kept}


def test_strange_keys_are_not_touched(site):
    """What MeetMemo did not make stays: other programs may keep things in the same bucket."""
    for key in ("notes.txt", "t/my-job/source", "t/0123/work/x", "backup/2024/source/a", "a/b/c/d"):
        site.store.put(key, b"x")
    assert sweep(site.ledger, site.store, now_s=4e9) == []
    assert len(list(site.store.list(""))) == 5


def test_a_replays_success_clears_its_origin_even_later(site):
    """When the clean-up of a replay was killed, housekeeping removes the quarantine it made superfluous."""
    origin = site.job(*SUCCESS)
    again = site.job(*SUCCESS, replay_of=origin.id)
    sweep(site.ledger, site.store, now_s=site.clock())
    assert "quarantine/kept.json" not in site.left_of(origin)
    assert "quarantine/kept.json" in site.left_of(again)


def test_retention_by_tenant(site):
    """Ended jobs go when their tenant's days are over, records and all; live ones and other tenants' stay."""
    old, other, kept = (site.job(*SUCCESS, tenant=tenant) for tenant in ("t", "brief", "for-ever"))
    live = site.job(Claimed())
    retention = Retention(results_days=30, tenants={"brief": 1, "for-ever": 0})
    assert expire(site.ledger, site.store, retention, now_s=site.clock()) == []
    site.clock.advance(2 * DAY_S)
    young = site.job(*SUCCESS, tenant="brief")
    assert expire(site.ledger, site.store, retention, now_s=site.clock()) == [other.id]
    site.clock.advance(29 * DAY_S)
    assert set(expire(site.ledger, site.store, retention, now_s=site.clock())) == {old.id, young.id}
    assert site.left_of(old) == site.left_of(other) == set()
    with pytest.raises(JobUnknown):
        site.ledger.get("t", old.id)
    for job in (kept, live):
        assert site.left_of(job) == ALL
        assert site.ledger.get(job.tenant, job.id)


def test_by_default_nothing_expires(site):
    """Without a setting, results stay for ever."""
    site.job(*SUCCESS)
    assert expire(site.ledger, site.store, Retention(), now_s=site.clock() + 1e9) == []
    assert Retention(tenants={"a": 0}).shortest_days == 0


def test_another_ledgers_store(site):
    """In a store that another ledger claimed first, only known jobs are cleaned up: others are its."""
    rival = MemoryLedger()
    assert site.store.claim(rival.identity()) == rival.identity()
    done = site.job(*SUCCESS)
    theirs = site.blobs(new_id())
    enforce_retention(site.ledger, site.store, Retention(), 4e9)
    assert site.left_of(done) == RESULTS
    assert theirs.source in site.store.list(theirs.root)
    enforce_retention(rival, site.store, Retention(), 4e9)
    assert theirs.source not in site.store.list(theirs.root)
