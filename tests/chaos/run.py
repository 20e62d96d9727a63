"""One chaos run: some jobs undisturbed, then all jobs while their cluster is being killed, then the audit."""

import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

import structlog

from pipelines.errors import LedgerUnavailable
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.scheduling.shards import Shard
from pipelines.storage.open import open_store
from tests.chaos import audit
from tests.chaos.clusters import Cluster
from tests.chaos.plan import TITLES, Kill, Plan, Submission, Victim
from tests.chaos.report import Killed, Report
from tests.chaos.traffic import Accepted, Traffic
from tests.servers.postgres import PostgresServer, find_binaries
from tests.support.lease_thief import steal_lease

STALL_S = 300.0
POLL_S = 0.2
LEDGER_AWAY_S = 3.0

log = structlog.get_logger()


class Stalled(RuntimeError):
    """No job ended for `STALL_S` seconds."""


@dataclass
class _Open:
    """A kill whose victim is not back yet."""

    kill: Kill
    at_s: float
    detail: str
    n_ended: int
    pids: frozenset[int]


class ChaosRun:
    """Runs a plan on a cluster that it starts; ``restart_ledger`` restarts the ledger's server and says how."""

    def __init__(self, cluster: Cluster, plan: Plan, restart_ledger: Callable[[], str] | None = None) -> None:
        self._cluster = cluster
        self._plan = plan
        self._restart_ledger = restart_ledger
        self._n_ended_before = 0
        self._n_ended = 0
        self._n_refused = 0
        self._open: list[_Open] = []
        self._killed: list[Killed] = []

    def run(self) -> Report:
        """Start the cluster, do everything, stop it; the report's findings are what is wrong."""
        try:
            self._cluster.start()
            ledger = open_ledger(self._cluster.ledger_url)
            try:
                return self._run(ledger)
            finally:
                ledger.close()
        finally:
            self._cluster.stop()

    def _run(self, ledger: Ledger) -> Report:
        store = open_store(self._cluster.store_url)
        calm, calm_s = self._phase("calm", ledger, self._plan.calm, ())
        references, findings = _references(audit.transcripts(store, calm), calm)
        self._n_ended_before = len(calm)
        wild, disturbed_s = self._phase("wild", ledger, self._plan.submissions, self._plan.kills)
        findings += audit.check_ledger(ledger, [*calm, *wild])
        findings += audit.check_transcripts(references, audit.transcripts(store, wild), wild)
        findings += audit.check_webhooks(self._cluster.receiver.told, [*calm, *wild])
        n_litter, left = audit.check_leftovers(ledger, store)
        findings += left
        of_run = {item.job_id for item in wild}
        begun = {chunk: n for chunk, n in audit.decodings(self._cluster.logs()).items() if chunk[0] in of_run}
        return Report(
            cluster=self._cluster.describe(),
            seed=self._plan.seed,
            n_jobs=len(wild),
            n_chunks=len(begun),
            n_repeats=sum(1 for n in begun.values() if n > 1),
            n_refused=self._n_refused,
            n_litter=n_litter,
            undisturbed_s=calm_s * _audio_s(self._plan.submissions) / _audio_s(self._plan.calm),
            disturbed_s=disturbed_s,
            kills=tuple(sorted(self._killed, key=lambda killed: killed.at_s)),
            findings=tuple(findings),
        )

    def _phase(
        self, name: str, ledger: Ledger, submissions: tuple[Submission, ...], kills: tuple[Kill, ...]
    ) -> tuple[list[Accepted], float]:
        """Send jobs and wait for their ends, with these kills in between; return what was accepted, and seconds."""
        self._n_ended = 0
        traffic = Traffic(self._cluster.url, submissions, key=name, n_ended=lambda: self._n_ended)
        began = time.monotonic()
        traffic.start()
        try:
            todo = list(kills)
            moved = began
            while not traffic.done or todo or self._open or self._n_ended < len(submissions):
                if self._count(ledger):
                    moved = time.monotonic()
                if time.monotonic() - moved > STALL_S:
                    raise Stalled(f"{self._n_ended} of {len(submissions)} jobs ended, and then no more")
                if todo and self._n_ended >= todo[0].after_ended:
                    self._kill(todo.pop(0), began)
                self._close_open(began)
                time.sleep(POLL_S)
            self._n_refused = traffic.n_refused
            return traffic.accepted, time.monotonic() - began
        finally:
            traffic.stop()

    def _count(self, ledger: Ledger) -> bool:
        """Count the jobs of this phase that have ended; whether there are more than before."""
        try:
            counts = ledger.counts(audit.TENANT)
        except LedgerUnavailable:
            return False
        n_ended = sum(n for state, n in counts.items() if state.final) - self._n_ended_before
        more = n_ended > self._n_ended
        self._n_ended = n_ended
        return more

    def _kill(self, kill: Kill, began: float) -> None:
        time.sleep(kill.pause_s)
        at_s = time.monotonic() - began
        pids: frozenset[int] = frozenset()
        if kill.victim is Victim.CLUSTER:
            detail = f"{self._cluster.kill()} processes"
            waiting, self._open = self._open, []
            log.warning("kill", action="kill", victim=kill.victim, detail=detail, n_ended=self._n_ended)
            self._cluster.start()
            # Whoever was not back yet died again, and is back with all the others.
            self._open = [replace(one, pids=frozenset()) for one in waiting]
        elif kill.victim is Victim.NODE:
            detail = self._cluster.kill_node()
        elif kill.victim is Victim.LEDGER:
            assert self._restart_ledger is not None, "this plan needs a ledger that can be restarted"
            detail = self._restart_ledger()
        elif kill.victim is Victim.LEASE:
            pids = frozenset(process.pid for process in self._cluster.find(kill.victim))
            shard = Shard(self._cluster.shards - 1, self._cluster.shards)
            detail = f"of shard {shard.index}: fence {steal_lease(self._cluster.ledger_url, shard)}"
        else:
            pids = frozenset(process.pid for process in self._cluster.find(kill.victim))
            detail = self._cluster.kill_one(kill.victim)
        log.warning("killed", action="kill", victim=kill.victim, detail=detail, n_ended=self._n_ended)
        self._open.append(_Open(kill=kill, at_s=at_s, detail=detail, n_ended=self._n_ended, pids=pids))

    def _close_open(self, began: float) -> None:
        """Note the victims that are back: another process in their place, and the service ready."""
        if not self._open or not self._cluster.ready():
            return
        for one in list(self._open):
            process = one.kill.victim not in (Victim.CLUSTER, Victim.NODE, Victim.LEDGER)
            if process and not any(found.pid not in one.pids for found in self._cluster.find(one.kill.victim)):
                continue
            self._open.remove(one)
            self._killed.append(
                Killed(
                    victim=one.kill.victim,
                    at_s=one.at_s,
                    detail=one.detail,
                    n_ended=one.n_ended,
                    ready_after_s=time.monotonic() - began - one.at_s,
                )
            )


def _audio_s(submissions: tuple[Submission, ...]) -> float:
    return sum(submission.audio_s for submission in submissions)


def _references(stored: dict[str, bytes], calm: list[Accepted]) -> tuple[dict[Submission, bytes], list[str]]:
    """The undisturbed transcript of each kind of job, and a finding for each kind that is not always the same."""
    references: dict[Submission, bytes] = {}
    findings = []
    for item in calm:
        known = references.setdefault(item.submission, stored[item.job_id])
        if known != stored[item.job_id]:
            findings.append(f"{item.submission.recording}: the undisturbed transcripts differ from each other")
    return references, findings


def victims_of(cluster: Cluster, restart_ledger: Callable[[], str] | None) -> list[Victim]:
    """What can be killed here, besides the whole cluster."""
    victims = list(TITLES)
    if cluster.has_nodes:
        victims.append(Victim.NODE)
    if restart_ledger is not None:
        victims.append(Victim.LEDGER)
    return victims


def ledger_restarts(stack: ExitStack) -> tuple[str, Callable[[], str]]:
    """Start PostgreSQL for the stack's duration; return a ledger's URL and what restarts the server without a shutdown.

    Raises ``RuntimeError`` when this machine has no PostgreSQL.
    """
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("there is no PostgreSQL on this machine")
    server = stack.enter_context(PostgresServer(binaries))

    def restart() -> str:
        server.stop(signal.SIGQUIT)
        time.sleep(LEDGER_AWAY_S)
        server.start()
        return f"away for {LEDGER_AWAY_S:.0f} s"

    return server.url("chaos"), restart
