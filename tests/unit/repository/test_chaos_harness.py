"""The chaos harness itself: its plans are what they promise, and its audit sees what is wrong."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.codec import decode, encode
from pipelines.core import Transcript
from pipelines.jobs.job import JobState
from pipelines.storage.layout import JobKeys
from tests.chaos import audit
from tests.chaos.plan import MIX, Victim, make_plan
from tests.chaos.processes import in_sessions, kill_sessions
from tests.chaos.traffic import Accepted
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster, succeeded
from tests.support.waiting import until

SENT = MIX[0][0]


@given(seed=st.integers(0, 10_000), n_jobs=st.integers(len(MIX), 200), rounds=st.integers(1, 4))
def test_a_plan_kills_everything_within_the_run(seed: int, n_jobs: int, rounds: int) -> None:
    """Every victim dies `rounds` times while jobs are left, the whole cluster once and last; a seed is a plan."""
    victims = [victim for victim in Victim if victim is not Victim.CLUSTER]
    plan = make_plan(seed, n_jobs, victims, rounds)
    assert plan == make_plan(seed, n_jobs, victims, rounds)
    killed = [kill.victim for kill in plan.kills]
    assert sorted(killed[:-1]) == sorted(victims * rounds)
    assert killed[-1] is Victim.CLUSTER
    moments = [kill.after_ended for kill in plan.kills]
    assert moments == sorted(moments)
    assert moments[-1] < n_jobs
    assert len(plan.submissions) == n_jobs
    assert set(plan.submissions) == set(plan.calm) == {kind for kind, _ in MIX}


async def _ended_job() -> tuple[MemoryLedger, MemoryStore, list[Accepted]]:
    ledger, store = MemoryLedger(), MemoryStore()
    cluster = InProcessCluster(ledger, store)
    await cluster.coordinator.start()
    assert succeeded(await cluster.ended(cluster.submit("j", range(1, 30), tenant=audit.TENANT)))
    await until(lambda: all("/results/" in key for key in store.list("")))  # else the stop may cut cleaning short
    await cluster.coordinator.stop()
    return ledger, store, [Accepted(job_id="j", submission=SENT)]


async def test_the_audit_finds_nothing_wrong_with_a_good_run() -> None:
    """One job, ended well: no findings."""
    ledger, store, accepted = await _ended_job()
    stored = audit.transcripts(store, accepted)
    assert audit.check_ledger(ledger, accepted) == []
    assert audit.check_transcripts({SENT: stored["j"]}, stored, accepted) == []


async def test_the_audit_sees_lost_doubled_and_foreign_jobs() -> None:
    """A job that did not succeed, one answered twice, one nobody sent, one that ended twice: each is a finding."""
    ledger, _, accepted = await _ended_job()
    assert "the answer to 2 different jobs" in audit.check_ledger(ledger, accepted * 2)[0]
    assert "the ledger holds 1 jobs, 0 were accepted" in audit.check_ledger(ledger, [])
    lease = ledger.acquire_lease("somebody", 10.0)
    assert lease is not None
    ledger.record(lease, ledger.get(audit.TENANT, "j"), JobState.SUCCEEDED.value)
    assert "'succeeded', 'succeeded'" in audit.check_ledger(ledger, accepted)[0]


async def test_the_audit_sees_another_transcript() -> None:
    """A missing transcript and a differing one are findings."""
    _, store, accepted = await _ended_job()
    stored = audit.transcripts(store, accepted)
    assert "there is no transcript" in audit.check_transcripts({SENT: stored["j"]}, {"j": b""}, accepted)[0]
    other = encode(replace(decode(Transcript, stored["j"]), segments=()))
    assert "one is longer" in audit.check_transcripts({SENT: other}, stored, accepted)[0]


async def test_the_audit_sees_leftovers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What housekeeping deletes is counted, what it leaves is a finding."""
    monkeypatch.setattr(audit, "LEFTOVER_PATIENCE_S", 0.0)
    ledger, store, _ = await _ended_job()
    store.put(JobKeys(tenant=audit.TENANT, job_id="j").summary, b"{}")
    store.put("elsewhere", b"x")
    assert audit.check_leftovers(ledger, store) == (2, ["left in the store: elsewhere"])


def test_decodings_are_counted_from_logs_that_end_anywhere(tmp_path: Path) -> None:
    """Each chunk's batches are counted over all logs; a line that a kill cut off is skipped."""
    line = '{"action": "decode", "task": "transcribe", "chunks": [["t", "a", 0], ["t", "a", 1]], "event": "batch"}\n'
    (tmp_path / "1").write_text("noise\n" + line)
    (tmp_path / "2").write_text(line.replace('["t", "a", 0], ', "") + line[:60])
    assert audit.decodings([tmp_path / "1", tmp_path / "2"]) == {("a", 0): 1, ("a", 1): 2}


def test_a_session_dies_whole() -> None:
    """Children of children die with the session; other processes do not."""
    sleep = "import time; print('up', flush=True); time.sleep(600)"
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleep!r}]); {sleep}"
    one = subprocess.Popen([sys.executable, "-c", program], start_new_session=True, stdout=subprocess.PIPE, text=True)
    other = subprocess.Popen([sys.executable, "-c", sleep], start_new_session=True, stdout=subprocess.DEVNULL)
    assert one.stdout is not None
    try:
        assert [one.stdout.readline() for _ in range(2)] == ["up\n"] * 2
        assert kill_sessions({one.pid}) == 2
        assert not in_sessions({one.pid})
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
        one.wait()
        one.stdout.close()
