"""A cluster on several hosts: one is cut off and comes back, then the head dies. No accepted job is lost."""

import os
import time
from collections.abc import Iterator

import pytest

from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.storage.open import open_store
from tests.chaos import audit
from tests.chaos.plan import MIX, Submission, Victim
from tests.chaos.traffic import Traffic
from tests.hosts.fleet import DEAD_AFTER_S, Fleet, Machine
from tests.servers.network import can_make_hosts
from tests.servers.postgres import find_binaries
from tests.servers.redis import find_redis

N_JOBS = 24
JOBS_TIMEOUT_S = 900.0

pytestmark = [
    pytest.mark.full,
    pytest.mark.cluster,
    pytest.mark.timeout(2400),
    pytest.mark.skipif(find_binaries() is None or find_redis() is None, reason="needs PostgreSQL and redis-server"),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """One for both tests: starting several hosts takes most of the time."""
    if not can_make_hosts():
        pytest.skip("this machine allows no network namespaces")
    with pytest.MonkeyPatch.context() as environment:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        with Fleet() as fleet:
            yield fleet


class Work:
    """Jobs that are sent to one host's endpoint while something breaks, and what must be true of them at the end."""

    def __init__(self, fleet: Fleet, entry: Machine, name: str) -> None:
        self._fleet = fleet
        self._ledger: Ledger = open_ledger(fleet.ledger_url)
        self._before = sum(self._ledger.counts(audit.TENANT).values())
        kinds = [kind for kind, weight in MIX if weight]
        self._submissions: tuple[Submission, ...] = tuple(kinds[number % len(kinds)] for number in range(N_JOBS))
        self._traffic = Traffic(entry.url, self._submissions, key=name, n_ended=self.n_ended, max_live=8)
        self._traffic.start()

    def n_ended(self) -> int:
        """Jobs of this work that have ended."""
        counts = self._ledger.counts(audit.TENANT)
        return sum(n for state, n in counts.items() if state.final) - self._before

    def finish(self) -> None:
        """Wait for all jobs; each succeeded once, with the transcript that others of its kind have."""
        try:
            self._fleet.wait_for("all jobs sent", lambda: self._traffic.done, JOBS_TIMEOUT_S)
            self._fleet.wait_for("all jobs ended", lambda: self.n_ended() == N_JOBS, JOBS_TIMEOUT_S)
            accepted = self._traffic.accepted
            findings = audit.check_ledger(self._ledger, accepted)
            findings = [finding for finding in findings if not finding.startswith("the ledger holds")]
            assert not findings, findings
            stored = audit.transcripts(open_store(self._fleet.store_url), accepted)
            for kind in set(self._submissions):
                texts = {stored[item.job_id] for item in accepted if item.submission == kind}
                assert len(texts) == 1, kind.recording
                assert texts != {b""}, kind.recording
        finally:
            self._traffic.stop()
            self._ledger.close()


def test_a_host_is_cut_off_and_comes_back(fleet: Fleet) -> None:
    """The host that runs the Coordinator loses its network for longer than Ray waits; the others go on, it rejoins."""
    lost = fleet.holder(Victim.COORDINATOR)
    left = next(machine for machine in fleet.workers if machine is not lost)
    before = {process.pid for process in fleet.find(Victim.COORDINATOR, lost)}
    work = Work(fleet, fleet.head, "cut")
    fleet.wait_for("a few jobs ended", lambda: work.n_ended() >= 3)
    lost.host.cut()
    cut_at = time.monotonic()
    try:
        fleet.wait_for("another host runs the Coordinator", lambda: bool(fleet.find(Victim.COORDINATOR, left)))
        fleet.wait_for("the service goes on", lambda: fleet.ready(fleet.head))
        ended = work.n_ended()
        fleet.wait_for("jobs go on without the host", lambda: work.n_ended() > ended)
        # Longer than it takes to be declared dead in any case: otherwise nothing has to rejoin.
        fleet.wait_for("it is cut for long enough", lambda: time.monotonic() - cut_at > DEAD_AFTER_S)
    finally:
        lost.host.mend()
    work.finish()
    fleet.wait_for("Ray was started again on the host", lambda: fleet.n_restarts >= 1)
    fleet.wait_for("replicas run on it", lambda: bool(fleet.find(Victim.TRANSCRIBER, lost)))
    assert not before & {process.pid for process in fleet.find(Victim.COORDINATOR)}


def test_the_head_dies_and_comes_back(fleet: Fleet) -> None:
    """Redis keeps what the head knew: workers serve on without it, and when it is back nothing of theirs restarts."""
    entry = fleet.holder(Victim.INGESTION)
    fleet.wait_for("the worker has an endpoint", lambda: fleet.ready(entry))
    kinds = (Victim.COORDINATOR, Victim.TRANSCRIBER, Victim.INGESTION)
    before = {kind: {process.pid for process in fleet.find(kind)} for kind in kinds}
    work = Work(fleet, entry, "head")
    fleet.wait_for("a few jobs ended", lambda: work.n_ended() >= 3)
    fleet.kill_head()
    ended = work.n_ended()
    fleet.wait_for("workers go on without the head", lambda: work.n_ended() > ended + 3)
    fleet.head.held = False
    work.finish()
    fleet.wait_for("the head serves again", lambda: fleet.ready(fleet.head))
    assert {kind: {process.pid for process in fleet.find(kind)} for kind in kinds} == before
