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

N_JOBS = int(os.environ.get("MEETMEMO_CHAOS_JOBS", "60"))
SEED = int(os.environ.get("MEETMEMO_CHAOS_SEED", "1"))
TIMEOUT_S = 3600  # a machine that is busy with other things

pytestmark = [pytest.mark.chaos, pytest.mark.cluster, pytest.mark.timeout(TIMEOUT_S)]


def test_kill_anything_on_several_nodes() -> None:
    """Replicas of every kind, Serve's controller, a node, and at last head, workers and all die; nothing is lost."""
    with ExitStack() as stack:
        cluster = Cluster(nodes=2)
        stack.callback(cluster.remove)
        plan = make_plan(SEED, N_JOBS, victims_of(cluster, None))
        report = ChaosRun(cluster, plan).run()
    print(report.markdown())
    assert not report.findings, report.markdown()
    assert {kill.victim for kill in report.kills} == set(Victim) - {Victim.LEDGER}


@pytest.mark.skipif(find_binaries() is None, reason="there is no PostgreSQL on this machine")
def test_kill_anything_while_postgresql_restarts() -> None:
    """The same on one machine with its ledger in PostgreSQL, which is restarted without a shutdown under load."""
    with ExitStack() as stack:
        ledger_url, restart = ledger_restarts(stack)
        cluster = Cluster(ledger_url=ledger_url)
        stack.callback(cluster.remove)
        plan = make_plan(SEED, N_JOBS, [*victims_of(cluster, restart), Victim.LEDGER, Victim.LEDGER])
        report = ChaosRun(cluster, plan, restart).run()
    print(report.markdown())
    assert not report.findings, report.markdown()
    assert {kill.victim for kill in report.kills} == set(Victim) - {Victim.NODE}
