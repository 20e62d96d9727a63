"""Kill anything: every accepted job succeeds exactly once, with the transcript it would have had anyway.

``MEETMEMO_CHAOS_JOBS`` and ``MEETMEMO_CHAOS_SEED`` choose another run; `scripts/chaos` does the same by hand.
"""

import os
from contextlib import ExitStack

import pytest

from tests.chaos.clusters import Cluster
from tests.chaos.plan import Victim, make_plan
from tests.chaos.run import ChaosRun, ledger_restarts, victims_of
from tests.servers.postgres import find_binaries

N_JOBS = int(os.environ.get("MEETMEMO_CHAOS_JOBS", "48"))
N_JOBS_OF_ONE_MACHINE = 12
SEED = int(os.environ.get("MEETMEMO_CHAOS_SEED", "1"))
TIMEOUT_S = 1800  # a machine that is busy with other things

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(TIMEOUT_S)]


@pytest.mark.skipif(find_binaries() is None, reason="there is no PostgreSQL on this machine")
def test_kill_anything_on_several_nodes_while_postgresql_restarts() -> None:
    """Replicas of every kind, Serve's controller, a node, the database, at last head and workers: nothing is lost.

    Two Coordinators divide the jobs, one loses its lease while it works, and two MinutesWriters render.
    """
    with ExitStack() as stack:
        ledger_url, restart = ledger_restarts(stack)
        cluster = Cluster(nodes=2, ledger_url=ledger_url, shards=2, more={"MEETMEMO_MINUTES__REPLICAS": "2"})
        stack.callback(cluster.remove)
        victims = [victim for victim in victims_of(cluster, restart) if victim is not Victim.HANG]
        plan = make_plan(SEED, N_JOBS, victims)
        report = ChaosRun(cluster, plan, restart).run()
    print(report.markdown())
    assert not report.findings, report.markdown()
    assert {kill.victim for kill in report.kills} == set(Victim) - {Victim.HANG}


def test_kill_the_heart_of_one_machine() -> None:
    """One machine with SQLite, as `meetmemo up` starts it: Coordinator and Transcriber die, then everything."""
    with ExitStack() as stack:
        cluster = Cluster()
        stack.callback(cluster.remove)
        plan = make_plan(SEED, N_JOBS_OF_ONE_MACHINE, [Victim.COORDINATOR, Victim.TRANSCRIBER])
        report = ChaosRun(cluster, plan).run()
    print(report.markdown())
    assert not report.findings, report.markdown()
    assert {kill.victim for kill in report.kills} == {Victim.COORDINATOR, Victim.TRANSCRIBER, Victim.CLUSTER}
