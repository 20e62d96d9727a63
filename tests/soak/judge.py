"""What must be true at a soak's end: nothing lost, doubled, left over or growing."""

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from statistics import median
from typing import Any

import psycopg

from deployments.retention.housekeeping import MIN_AGE_S, sweep
from pipelines.jobs.job import Job, JobState
from pipelines.ledger.job_filter import ALL_JOBS
from pipelines.ledger.protocol import Ledger, all_jobs
from pipelines.storage.protocol import BlobStore
from tests.soak.plan import Item, Kind, Plan
from tests.soak.sampler import OTHERS, PARTS, growth

WARM_UP_SHARE = 0.3
"""Of the minutes, which are not looked at for growth: caches fill, processes load what they need."""
MIN_MINUTES = 8
"""Below so many after that, nothing is said of growth."""
GROWTH_SHARE = 0.25
GROWTH_MB, GROWTH_FILES = 64.0, 64.0
WEBHOOKS_S = 120.0
_SHOWN = 5


@dataclass
class Judgement:
    """Findings, by what is wrong, with the names of those it is wrong with; and figures."""

    findings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, Any] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return a line for each finding, with its first names."""
        return [
            f"{len(names)} x {what}: {', '.join(names[:_SHOWN])}{', …' if len(names) > _SHOWN else ''}"
            for what, names in sorted(self.findings.items())
        ]


def judge_jobs(plan: Plan, done: Iterable[Mapping[str, Any]], jobs: Mapping[str, Job], found: Judgement) -> None:
    """Look at the jobs that each item that is done should have: one for each prompt, ended as was asked."""
    by_prompt: defaultdict[str, list[Job]] = defaultdict(list)
    for job in jobs.values():
        by_prompt[job.options.prompt].append(job)
    states: Counter[str] = Counter()
    expected: set[str] = set()
    for told in done:
        item = plan.item(told["number"])
        expected.update(item.prompts)
        for prompt in item.prompts:
            made = by_prompt.get(prompt, [])
            if item.kind is Kind.PURGE:
                states["purged"] += 1
                if made:
                    found.findings["erased, and there"].append(prompt)
                continue
            if len(made) != 1:
                found.findings["lost" if not made else "doubled"].append(prompt)
                continue
            states[made[0].state.value] += 1
            _judge_state(item, made[0], told, found)
    for prompt in by_prompt.keys() - expected:
        if prompt.startswith("soak-"):
            found.figures["jobs of items that are not done"] = (
                found.figures.get("jobs of items that are not done", 0) + 1
            )
    found.figures["jobs"] = dict(sorted(states.items()))


def _judge_state(item: Item, job: Job, told: Mapping[str, Any], found: Judgement) -> None:
    may = {JobState.SUCCEEDED} | ({JobState.CANCELLED} if item.kind is Kind.CANCEL else set())
    if job.state not in may:
        found.findings[f"{job.state} {job.reason or ''}".strip()].append(job.id)
    if told["jobs"] and told["jobs"] != [job.id]:
        found.findings["another id than was answered"].append(job.id)
    if job.n_failed_chunks:
        found.findings["chunks given up"].append(job.id)


def judge_ends(dsn: str, jobs: Mapping[str, Job], found: Judgement) -> None:
    """Each job of the ledger has ended once by its history, and one delivery of its end is in the outbox."""
    ends = [state.value for state in JobState if state.final]
    with psycopg.connect(dsn) as connection:
        histories = connection.execute(
            "SELECT job_id, count(*) FROM events WHERE name = ANY(%s) GROUP BY job_id", [ends]
        ).fetchall()
        messages = connection.execute("SELECT job_id, count(*) FROM deliveries GROUP BY job_id").fetchall()
    for what, rows in (("ends", histories), ("messages", messages)):
        counts: dict[str, int] = dict(rows)
        for job_id in jobs:
            if counts.get(job_id, 0) != 1:
                found.findings[f"{counts.get(job_id, 0)} {what}"].append(job_id)


def judge_webhooks(
    deliveries: Iterable[Mapping[str, Any]], jobs: Mapping[str, Job], receipts: set[str], found: Judgement
) -> None:
    """Each job was told of at least once, always under one id, by the end that it has."""
    told: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    n_told = 0
    for message in deliveries:
        told[message["job"]].add((message["id"], message["type"]))
        n_told += 1
    for job_id, job in jobs.items():
        messages = told.get(job_id, set())
        if len(messages) != 1 or {kind for _, kind in messages} != {f"job.{job.state}"}:
            found.findings[f"{len(messages)} webhooks of a job that {job.state}"].append(job_id)
    for job_id in told.keys() - jobs.keys() - receipts:
        found.findings["webhook of a job that nobody knows"].append(job_id)
    n_ids = sum(map(len, told.values()))
    found.figures["webhooks"] = {"received": n_told, "repeated": n_told - n_ids}


def judge_receipts(done: Iterable[Mapping[str, Any]], ledger: Ledger, found: Judgement) -> set[str]:
    """Each erasure has its receipt, by which all is gone; return the erased jobs."""
    erased = set()
    for told in done:
        if told["kind"] != Kind.PURGE:
            continue
        receipt = ledger.receipts.get(told["tenant"], told["receipt"])
        erased.add(receipt.object_id)
        if receipt.object_id != told["jobs"][0] or not receipt.gone:
            found.findings["receipt that is wrong"].append(receipt.id)
    return erased


def judge_store(ledger: Ledger, store: BlobStore, jobs: Mapping[str, Job], found: Judgement) -> None:
    """The store holds results of known jobs and nothing else, once housekeeping has been there an hour later."""
    before = sum(1 for key in store.list("") if not _is_result(key))
    ledger.set_sweep_position("")
    sweep(ledger, store, now_s=time.time() + MIN_AGE_S, max_keys=sys.maxsize)
    n_keys = 0
    for (tenant, job_id), keys in groupby(store.list(""), key=_place):
        names = list(keys)
        n_keys += len(names)
        job = jobs.get(job_id)
        if job is None or job.tenant != tenant:
            found.findings["keys of no job"] += names
        else:
            found.findings["left in the store"] += [key for key in names if not _is_result(key)]
            if job.state is JobState.SUCCEEDED and not any(key.endswith("/results/transcript.json") for key in names):
                found.findings["without a transcript"].append(job_id)
    found.figures["store"] = {"keys": n_keys, "left for housekeeping": before}
    for what in [what for what, names in found.findings.items() if not names]:
        del found.findings[what]


def _place(key: str) -> tuple[str, str]:
    tenant, _, rest = key.partition("/")
    return tenant, rest.partition("/")[0]


def _is_result(key: str) -> bool:
    return "/results/" in key


def judge_growth(rows: Sequence[Mapping[str, float]], found: Judgement) -> None:
    """Look at what each process of a part holds, on an average, over the minutes after the warm-up.

    Those of the last start alone: a cluster that is started again has other processes.
    """
    rows = [row for row in rows if row["run"] == rows[-1]["run"]]
    settled = rows[round(WARM_UP_SHARE * len(rows)) :]
    grown: dict[str, dict[str, float]] = {}
    found.figures["growth"] = grown
    if len(settled) < MIN_MINUTES:
        return
    for part in (*PARTS, OTHERS):
        for what, least in (("MiB", GROWTH_MB), ("files", GROWTH_FILES)):
            values = list(_each(settled, part, what))
            if not values:
                continue
            grows, usual = growth(values), median(values)
            grown.setdefault(part, {})[what] = round(grows, 1)
            if grows > max(least, GROWTH_SHARE * usual):
                found.findings[f"{what} grow"].append(f"{part} by {grows:.0f} from {usual:.0f}")


def _each(rows: Sequence[Mapping[str, float]], part: str, what: str) -> Iterator[float]:
    for row in rows:
        total, number = row[f"{part} {what}"], row[f"{part} processes"]
        if total == total and number:
            # Of a pool the number changes; together they must not grow either.
            yield total if part == OTHERS else total / number


def jobs_by_id(ledger: Ledger) -> dict[str, Job]:
    """Return all jobs of a ledger."""
    return {job.id: job for job in all_jobs(ledger, None, ALL_JOBS)}
