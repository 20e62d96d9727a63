"""A process that is killed between any two durable writes of a job leaves something the next one finishes."""

import asyncio
import contextlib
import itertools
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

from deployments.artifacts.search_indexer import CLAIM_S
from deployments.retention.erasure import erase
from pipelines.audit import AuditAction
from pipelines.errors import JobUnknown
from pipelines.jobs.job import JobState
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.search.protocol import ERASURE_S, SearchFilter
from pipelines.search.query import parse
from pipelines.storage.layout import JobKeys
from pipelines.storage.open import open_store
from pipelines.storage.protocol import BlobStore
from tests.fakes.diarizer import in_turns
from tests.integration.cluster_process import NOTIFICATIONS, TENANT, Program, start
from tests.support.in_process_cluster import InProcessCluster
from tests.support.waiting import until

JOB = "j"
NUMBERS = range(1, 45)  # five chunks in two spans
DIARIZE = "auto"


def test_a_kill_between_any_two_writes_converges(tmp_path: Path) -> None:
    """For every n: SIGKILL right after the n-th write; the next start ends the job once, whole, with nothing left."""
    for n in itertools.count(1):
        home = tmp_path / str(n)
        home.mkdir()
        ledger_url, store_url = f"sqlite:///{home / 'ledger.sqlite3'}", f"file://{home / 'store'}"
        process, messages = start(
            Program(
                ledger_url=ledger_url,
                store_url=store_url,
                owner="same",
                jobs={JOB: NUMBERS},
                die_after=n,
                diarize=DIARIZE,
            )
        )
        process.join(timeout=120)
        messages.close()
        assert process.exitcode in (0, -signal.SIGKILL), f"after write {n}"
        # What a killed process had claimed for the search index comes back.
        ledger = open_ledger(ledger_url, clock=lambda: time.time() + CLAIM_S)
        store = open_store(store_url)
        try:
            asyncio.run(_finish(ledger, store, f"after write {n}"))
        finally:
            ledger.close()
        if process.exitcode == 0:
            break
    assert n > 20, "there were hardly any writes to die after"


def test_a_kill_within_an_erasure(tmp_path: Path) -> None:
    """For every n: SIGKILL right after the n-th write of an erasure; what is left is found if it is there, else not."""
    for n in itertools.count(1):
        home = tmp_path / str(n)
        home.mkdir()
        ledger_url, store_url = f"sqlite:///{home / 'ledger.sqlite3'}", f"file://{home / 'store'}"
        program = Program(
            ledger_url=ledger_url, store_url=store_url, owner="same", jobs={JOB: NUMBERS}, die_after=n, purge=True
        )
        process, messages = start(program)
        process.join(timeout=120)
        messages.close()
        assert process.exitcode in (0, -signal.SIGKILL), f"after write {n}"
        ledger = open_ledger(ledger_url, clock=lambda: time.time() + ERASURE_S)
        store = open_store(store_url)
        try:
            asyncio.run(_erase(ledger, store, f"after write {n}"))
        finally:
            ledger.close()
        if process.exitcode == 0:
            break
    assert n > 3, "there were hardly any writes to die after"


async def _erase(ledger: Ledger, store: BlobStore, when: str) -> None:
    """The next start: what is erased stays so, what is not yet is found as long as its transcript is there."""
    there = store.exists(JobKeys(tenant=TENANT, job_id=JOB).transcript)
    assert there or not _found(ledger), when
    async with _running(InProcessCluster(ledger, store, owner="same", notifications=NOTIFICATIONS)):
        await until(lambda: bool(_found(ledger)) == there)
        with contextlib.suppress(JobUnknown):
            await asyncio.to_thread(erase, ledger, store, ledger.get(TENANT, JOB))
        assert not _found(ledger), when
        await until(lambda: not ledger.search.pending(1))
        assert not _found(ledger), when
        (receipt,) = ledger.receipts.list(TENANT).receipts
        assert JobKeys(tenant=TENANT, job_id=JOB).transcript in receipt.keys, when
        assert receipt.gone, when
        assert not ledger.receipts.begun(time.time() + ERASURE_S), when
        assert [entry.deed.action for entry in ledger.audit.walk(TENANT)] == [AuditAction.ERASE], when


@contextlib.asynccontextmanager
async def _running(cluster: InProcessCluster) -> AsyncIterator[None]:
    await cluster.coordinator.start()
    try:
        async with cluster.indexing():
            yield
    finally:
        await cluster.coordinator.stop()


def _found(ledger: Ledger) -> list[str]:
    """The kinds of passages in which the first number is found."""
    return [hit.passage.kind.value for hit in ledger.search.find(TENANT, parse("w1"), SearchFilter()).hits]


async def _finish(ledger: Ledger, store: BlobStore, when: str) -> None:
    """The next start: whoever was told nothing sends the job again, then everything goes on by itself."""
    cluster = InProcessCluster(ledger, store, owner="same", notifications=NOTIFICATIONS)
    try:
        job = ledger.get(TENANT, JOB)
    except JobUnknown:
        job = cluster.submit(JOB, NUMBERS, tenant=TENANT, diarize=DIARIZE)
    try:
        async with _running(cluster):
            (ended,) = await cluster.ended(job)
            assert (ended.state, ended.n_failed_chunks) == (JobState.SUCCEEDED, 0), when
            assert cluster.words(job) == list(NUMBERS), when
            assert ended.notes == (), when
            assert cluster.said(job) == in_turns(NUMBERS), when
            names = [event.name for event in ledger.events(TENANT, JOB)]
            assert [name for name in names if name in set(JobState)] == [
                *(["queued"] if "queued" in names else []),
                "transcribing",
                "summarizing",
                "succeeded",
            ], when
            told = [delivery.message.event for delivery in ledger.outbox.of_job(TENANT, JOB)]
            assert told == ["job.succeeded"], when
            await until(lambda: all("/results/" in key for key in store.list("")))
            await until(lambda: set(_found(ledger)) == {"speech"})
    except TimeoutError:
        raise AssertionError(f"{when}: {ledger.get(TENANT, JOB)}, stored: {list(store.list(''))}") from None
