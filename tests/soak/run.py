"""A soak from its start, or from where it was broken off, to the judgement."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from pipelines.audit import SYSTEM, Doer
from pipelines.errors import LedgerUnavailable
from pipelines.ledger.credentials.api_keys import JOB_SCOPES, new_key
from pipelines.ledger.credentials.sql_api_keys import SqlKeys
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.storage.open import open_store
from tests.chaos.clusters import Cluster
from tests.chaos.processes import kill
from tests.chaos.receiver import Receiver
from tests.servers.postgres import PostgresServer, find_binaries
from tests.soak import judge, sampler
from tests.soak.clients import CALL, Clients
from tests.soak.instant import instant_settings
from tests.soak.journal import Journal
from tests.soak.matrix import TENANT, Matrix
from tests.soak.plan import Item, Plan

MINUTE_S = 60.0
POLL_S = 1.0
STALL_S = 900.0
MAX_LIVE = 120
"""Jobs that are accepted and have not ended, above which nobody begins an item."""
LIST_LIMIT = 50
SCHEMA = "soak"


class Stalled(RuntimeError):
    """No job ended for `STALL_S` seconds."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a soak is run beside its plan: for ``minutes`` (None: until the plan is done), with ``n_threads``
    submitters, ``n_matrix`` clients of each kind of the matrix, ``n_reloads`` replacements of all replicas. A process
    is killed every ``kill_every_s`` (0: none is).
    """

    minutes: float | None
    n_threads: int = 16
    n_matrix: int = 0
    n_reloads: int = 0
    kill_every_s: float = MINUTE_S
    sample_every_s: float = MINUTE_S


@dataclass
class _Told:
    """What the receiver of webhooks learns: deliveries by their ids, and seconds from acceptance to each job's end."""

    ids: set[str] = field(default_factory=set)
    latencies_s: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> list[float]:
        """Return the latencies since the last time."""
        with self.lock:
            taken, self.latencies_s = self.latencies_s, []
            return taken


class Soak:
    """Runs a plan, or its rest, in a folder: `run` it and read the judgement."""

    def __init__(self, folder: Path, plan: Plan, options: Options) -> None:
        self._journal = Journal(folder)
        self._folder = folder
        self._plan = plan
        self._options = options
        self._told = _Told(ids={line["id"] for line in self._journal.deliveries})
        self._killed: deque[str] = deque()
        self._stop = threading.Event()

    def run(self) -> judge.Judgement:
        """Start everything, work, wait for the ends, judge, stop everything."""
        binaries = find_binaries()
        if binaries is None:
            raise RuntimeError("there is no PostgreSQL on this machine")
        state = self._journal.begin(self._plan)
        with ExitStack() as stack:
            server = stack.enter_context(PostgresServer(binaries, home=self._folder / "postgres"))
            receiver = Receiver(port=state.get("port", 0), secret=state.get("secret", ""), keep=self._keep_delivery)
            stack.callback(receiver.close)
            ledger_url = server.url(SCHEMA)
            ledger = open_ledger(ledger_url)
            stack.callback(ledger.close)
            keys = state.get("keys") or _make_keys(ledger_url, (*self._plan.tenants, TENANT))
            self._journal.keep(port=receiver.port, secret=receiver.secret, keys=keys)
            home = self._folder / "home"
            home.mkdir(exist_ok=True)
            cluster = Cluster(
                ledger_url=ledger_url,
                home=home,
                receiver=receiver,
                **instant_settings(self._folder, sources=CALL.parent),
            )
            cluster.end_earlier()
            stack.callback(cluster.stop)
            cluster.start()
            dsn = f"{server.dsn}?options=-csearch_path%3D{SCHEMA}"
            self._work(cluster, ledger, dsn, keys)
            return self._judge(cluster, ledger, dsn)

    def _work(self, cluster: Cluster, ledger: Ledger, dsn: str, keys: dict[str, str]) -> None:
        items = self._items()
        lock = threading.Lock()

        def next_item() -> Item | None:
            with lock:
                return next(items, None)

        n_live = _Live(ledger)
        clients = Clients(
            cluster.url, keys, self._journal, next_item, n_live.is_full, n_threads=self._options.n_threads
        )
        matrix = self._matrix = Matrix(cluster=cluster, n_clients=self._options.n_matrix, key=keys[TENANT])
        clients.start()
        matrix.start()
        with self._beside(cluster, dsn, keys, n_live):
            seconds = None if self._options.minutes is None else MINUTE_S * self._options.minutes
            began_s, reloads = time.monotonic(), 0
            while not clients.wait(POLL_S):
                passed_s = time.monotonic() - began_s
                if seconds is not None and passed_s > seconds:
                    break
                due_s = (seconds or 0.0) * (reloads + 1) / (self._options.n_reloads + 1)
                if reloads < self._options.n_reloads and passed_s > due_s:
                    reloads += 1
                    cluster.cli("reload", "--restart")
            clients.stop()
            matrix.stop()
            self._answers = clients.answers
            self._await_ends(dsn)

    def _items(self) -> Iterator[Item]:
        """Yield the items that are not done, until they make as many jobs as are planned."""
        done = {line["number"] for line in self._journal.items}
        n_planned = 0
        for number in itertools.count():
            if n_planned >= self._plan.n_jobs + self._plan.n_meetings:
                return
            item = self._plan.item(number)
            n_planned += len(item.prompts)
            if number not in done:
                yield item

    @contextmanager
    def _beside(self, cluster: Cluster, dsn: str, keys: dict[str, str], n_live: "_Live") -> Iterator[None]:
        """Kill and sample while the block runs."""
        threads = [
            threading.Thread(target=self._again, args=(self._options.kill_every_s, self._kill, cluster), daemon=True),
            threading.Thread(
                target=self._again,
                args=(self._options.sample_every_s, self._sample, cluster, dsn, keys, n_live),
                daemon=True,
            ),
        ]
        rows = sampler.read_rows(self._journal.samples)
        self._run_number = int(rows[-1]["run"]) + 1 if rows else 1
        self._minutes_before = rows[-1]["minute"] if rows else 0.0
        self._began_s = self._sampled_s = time.monotonic()
        self._n_kills = int(self._minutes_before)
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _again(self, every_s: float, do: Any, *arguments: Any) -> None:
        if not every_s:
            return
        for turn in itertools.count(1):
            if self._stop.wait(max(0.0, self._began_s + turn * every_s - time.monotonic())):
                return
            try:
                do(*arguments)
            except Exception as error:
                self._journal.findings.append({"what": f"{do.__name__}: {type(error).__name__}: {error}"[:300]})

    def _kill(self, cluster: Cluster) -> None:
        victim = self._plan.victim(self._n_kills)
        self._n_kills += 1
        found = cluster.find(victim)
        if found:  # else the one before it is not back yet
            kill(found[self._n_kills % len(found)].pid)
            self._killed.append(victim)

    def _sample(self, cluster: Cluster, dsn: str, keys: dict[str, str], n_live: "_Live") -> None:
        now_s = time.monotonic()
        latencies_s = self._told.take()
        killed, self._killed = list(self._killed), deque()
        row = sampler.row_of(
            sampler.held_by_part(cluster.processes()),
            run=self._run_number,
            minute=round(self._minutes_before + (now_s - self._began_s) / MINUTE_S, 2),
            accepted=sum(1 for _ in self._journal.items),
            ended=len(self._told.ids),
            live=n_live.look(),
            jobs_per_s=round(len(latencies_s) / (now_s - self._sampled_s), 2),
            p50_s=round(sampler.percentile(latencies_s, 0.5), 2),
            p95_s=round(sampler.percentile(latencies_s, 0.95), 2),
            ledger_mb=round(sampler.ledger_mb(dsn), 1),
            store_keys=sampler.count_files(cluster.home / "store"),
            list_s=round(_list_s(cluster.url, keys[self._plan.tenants[0]]), 4),
            killed=" ".join(killed),
        )
        self._sampled_s = now_s
        sampler.append_row(self._journal.samples, row)

    def _keep_delivery(self, delivery_id: str, message: dict[str, Any]) -> None:
        job = message["data"]
        self._journal.deliveries.append({"id": delivery_id, "job": job["id"], "type": message["type"]})
        took_s = (datetime.fromisoformat(job["updated_at"]) - datetime.fromisoformat(job["created_at"])).total_seconds()
        with self._told.lock:
            if delivery_id not in self._told.ids:
                self._told.ids.add(delivery_id)
                self._told.latencies_s.append(took_s)

    def _await_ends(self, dsn: str) -> None:
        """Wait until no job is under way, no entry waits to become one, and no delivery waits."""
        left, moved_s = -1, time.monotonic()
        while n_left := _n_open(dsn):
            if n_left != left:
                left, moved_s = n_left, time.monotonic()
            if time.monotonic() - moved_s > STALL_S:
                raise Stalled(f"{left} jobs, entries and deliveries do not end")
            time.sleep(POLL_S)

    def _judge(self, cluster: Cluster, ledger: Ledger, dsn: str) -> judge.Judgement:
        found = judge.Judgement()
        done = list(self._journal.items)
        everything = judge.jobs_by_id(ledger)
        jobs = {job_id: job for job_id, job in everything.items() if job.tenant != TENANT}
        judge.judge_jobs(self._plan, done, jobs, found)
        judge.judge_ends(dsn, jobs, found)
        erased = judge.judge_receipts(done, ledger, found)
        deadline_s = time.monotonic() + judge.WEBHOOKS_S
        while not jobs.keys() <= {line["job"] for line in self._journal.deliveries}:
            if time.monotonic() > deadline_s:
                break
            time.sleep(POLL_S)  # what a killed courier held becomes due again
        judge.judge_webhooks(self._journal.deliveries, jobs, erased | everything.keys(), found)
        judge.judge_store(ledger, open_store(cluster.store_url), everything, found)
        judge.judge_growth(sampler.read_rows(self._journal.samples), found)
        for line in self._journal.findings:
            found.findings[line["what"]].append(line.get("item", ""))
        for what, n in self._matrix.check().findings.items() if self._options.n_matrix else ():
            found.findings[what] += [TENANT] * n
        found.figures["answers"] = dict(sorted(self._answers.items()))
        found.figures["kills"] = self._n_kills
        return found


class _Live:
    """The number of jobs that have not ended, asked for once in `POLL_S` however many threads want to know it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._asked_s = -POLL_S
        self._lock = threading.Lock()
        self._number = 0

    def is_full(self) -> bool:
        """Say whether more are under way than there should be."""
        return self.look() >= MAX_LIVE

    def look(self) -> int:
        """Return the number."""
        with self._lock:
            if time.monotonic() - self._asked_s >= POLL_S:
                self._asked_s = time.monotonic()
                with suppress(LedgerUnavailable):
                    self._number = self._ledger.backlog(None).n_jobs
            return self._number


def _make_keys(ledger_url: str, tenants: Iterable[str]) -> dict[str, str]:
    """Make a key for each tenant; return them by tenant."""
    keys = {}
    with closing(SqlKeys(ledger_url)) as store:
        for tenant in tenants:
            key, token = new_key(tenant=tenant, scopes=JOB_SCOPES, name="soak", now_s=time.time())
            store.add(key, Doer(actor=f"{SYSTEM}soak"))
            keys[tenant] = token
    return keys


def _n_open(dsn: str) -> int:
    """Count what has not ended."""
    with psycopg.connect(dsn) as connection:
        found = connection.execute(
            "SELECT (SELECT count(*) FROM jobs WHERE state IN ('queued', 'transcribing', 'summarizing')) "
            "+ (SELECT count(*) FROM batch_entries WHERE state = 'pending') "
            "+ (SELECT count(*) FROM deliveries WHERE state = 'pending')"
        ).fetchone()
    assert found is not None, "counts have a row"
    return int(found[0])


def _list_s(url: str, key: str) -> float:
    """Return the seconds that a tenant's list of jobs takes; NaN while nobody answers."""
    began_s = time.monotonic()
    try:
        answer = httpx.get(
            f"{url}/v1/jobs", params={"limit": LIST_LIMIT}, headers={"authorization": f"Bearer {key}"}, timeout=30
        )
    except httpx.TransportError:
        return float("nan")
    return time.monotonic() - began_s if answer.is_success else float("nan")
