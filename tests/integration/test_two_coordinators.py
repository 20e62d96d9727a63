"""Two Coordinators at once, in processes of their own: the one that lost its lease changes nothing."""

import asyncio
import hashlib
import os
import signal
import time
from pathlib import Path

from deployments.retention.housekeeping import sweep
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.storage.open import open_store
from pipelines.storage.protocol import BlobStore
from tests.integration.cluster_process import TENANT, Program, start
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until

JOBS = {f"j{n}": range(1 + 200 * n, 121 + 200 * n) for n in range(3)}
FREEZE_AFTER = 45  # durable writes: everything is segmented, some chunks are decoded
AWAY_S = 60.0


async def test_a_frozen_leader_that_wakes_up_changes_nothing(ledger_url: str, tmp_path: Path) -> None:
    """SIGSTOP the leader at work; another takes over and ends all jobs; what the first does on SIGCONT is refused."""
    store_url = f"file://{tmp_path / 'store'}"
    ledger, store = open_ledger(ledger_url), open_store(store_url)
    frozen, messages = start(
        Program(
            ledger_url=ledger_url,
            store_url=store_url,
            owner="frozen",
            jobs=JOBS,
            batch_s=0.2,
            freeze_after=FREEZE_AFTER,
        )
    )
    pid = frozen.pid
    assert pid is not None
    try:
        await until(lambda: _frozen(pid), AWAY_S)
        assert any("/work/" in key for key in store.list("")), "the leader was frozen when it had no work in hand"
        second = InProcessCluster(ledger, store, owner="second")
        await second.coordinator.start()
        jobs = await second.ended(*(ledger.get(TENANT, job_id) for job_id in JOBS), timeout_s=AWAY_S)
        assert succeeded(jobs)
        await until(lambda: not [key for key in store.list("") if "/results/" not in key])
        before = _snapshot(ledger, store)
        os.kill(pid, signal.SIGCONT)
        assert await asyncio.to_thread(messages.poll, AWAY_S)
        assert messages.recv() == "fenced"
        await asyncio.to_thread(frozen.join, AWAY_S)
        assert frozen.exitcode == 0
        after = _snapshot(ledger, store)
        # Rows that were being decoded are stored without a fence, under keys of jobs that are over: litter to sweep.
        litter = {key for key in after if "/work/chunks/" in key}
        assert {key: value for key, value in after.items() if key not in litter} == before
        sweep(ledger, store, now_s=time.time())
        assert _snapshot(ledger, store) == before
        second.coordinator.check()
        await second.coordinator.stop()
    finally:
        frozen.kill()
        frozen.join()
        messages.close()
        ledger.close()
    for job in jobs:
        assert second.words(job) == list(JOBS[job.id])


def _frozen(pid: int) -> bool:
    """Whether the process is stopped (Linux)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _snapshot(ledger: Ledger, store: BlobStore) -> dict[str, object]:
    """Everything the ledger says about the jobs and everything the store holds."""
    jobs: dict[str, object] = {
        job_id: (ledger.get(TENANT, job_id), tuple(ledger.events(TENANT, job_id))) for job_id in JOBS
    }
    return jobs | {key: hashlib.sha256(store.get(key)).hexdigest() for key in store.list("")}
