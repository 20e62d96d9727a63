"""What must be true after a run, read from the ledger, the store and the logs alone."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from deployments.retention.housekeeping import MIN_AGE_S, sweep
from pipelines.codec import decode
from pipelines.core import Transcript
from pipelines.jobs.job import JobState
from pipelines.ledger.protocol import Ledger
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore
from tests.chaos.plan import Submission
from tests.chaos.traffic import Accepted

TENANT = "default"
ONCE = ("transcribing", "summarizing", "succeeded")
LEFTOVER_PATIENCE_S = 10.0
WEBHOOK_PATIENCE_S = 120.0


def check_ledger(ledger: Ledger, accepted: Sequence[Accepted]) -> list[str]:
    """Every accepted job succeeded exactly once, and there is no job that nobody sent."""
    findings = []
    for job_id, n in Counter(item.job_id for item in accepted).items():
        if n > 1:
            findings.append(f"{job_id}: the answer to {n} different jobs")
    for item in accepted:
        job = ledger.get(TENANT, item.job_id)
        names = [event.name for event in ledger.events(TENANT, item.job_id)]
        states = tuple(name for name in names if name in set(JobState) - {JobState.QUEUED})
        if job.state is not JobState.SUCCEEDED or states != ONCE:
            findings.append(f"{item.job_id}: {job.state} {job.reason or ''} {job.detail}; events {names}")
        if job.n_failed_chunks:
            findings.append(f"{item.job_id}: {job.n_failed_chunks} chunks were given up")
    n_jobs = sum(ledger.counts(TENANT).values())
    if n_jobs != len(accepted):
        findings.append(f"the ledger holds {n_jobs} jobs, {len(accepted)} were accepted")
    return findings


def transcripts(store: BlobStore, accepted: Sequence[Accepted]) -> dict[str, bytes]:
    """The stored transcripts by job; a missing one is empty."""
    found = {}
    for item in accepted:
        key = JobKeys(tenant=TENANT, job_id=item.job_id).transcript
        found[item.job_id] = store.get(key) if store.exists(key) else b""
    return found


def check_transcripts(
    references: Mapping[Submission, bytes], stored: Mapping[str, bytes], accepted: Sequence[Accepted]
) -> list[str]:
    """Every transcript is, byte for byte, that of the undisturbed run of the same recording and options."""
    findings = []
    for item in accepted:
        here, there = stored[item.job_id], references[item.submission]
        if here != there:
            findings.append(f"{item.job_id} ({item.submission.recording}): {_difference(here, there)}")
    return findings


def _difference(here: bytes, there: bytes) -> str:
    if not here or not there:
        return "there is no transcript"
    one, other = decode(Transcript, here), decode(Transcript, there)
    fields = [name for name in vars(other) if getattr(one, name) != getattr(other, name)]
    if "segments" not in fields:
        return f"its transcript differs from the undisturbed one in {', '.join(fields)}"
    pairs = zip(one.segments, other.segments, strict=False)
    first = next((f"{a} instead of {b}" for a, b in pairs if a != b), "one is longer")
    return f"its transcript differs from the undisturbed one: {first}"


def check_webhooks(told: Mapping[str, set[tuple[str, str]]], accepted: Sequence[Accepted]) -> list[str]:
    """Whoever listens was told of every job's success under one id, as often as it may have been."""
    deadline = time.monotonic() + WEBHOOK_PATIENCE_S
    while any(item.job_id not in told for item in accepted) and time.monotonic() < deadline:
        time.sleep(0.2)  # what a killed courier held becomes due again
    return [
        f"{item.job_id}: its webhooks are {sorted(told.get(item.job_id, ()))}"
        for item in accepted
        if [event for _, event in told.get(item.job_id, ())] != ["job.succeeded"]
    ]


def check_leftovers(ledger: Ledger, store: BlobStore) -> tuple[int, list[str]]:
    """The store holds results and nothing else, once housekeeping has been there an hour later.

    Returns how many keys it had to delete, and the findings.
    """
    deadline = time.monotonic() + LEFTOVER_PATIENCE_S
    while (left := _leftovers(store)) and time.monotonic() < deadline:
        time.sleep(0.5)  # the last jobs are being cleaned up
    sweep(ledger, store, now_s=time.time() + MIN_AGE_S)
    return len(left), [f"left in the store: {key}" for key in _leftovers(store)]


def _leftovers(store: BlobStore) -> list[str]:
    return [key for key in store.list("") if "/results/" not in key]


def decodings(logs: Sequence[Path]) -> Counter[tuple[str, int]]:
    """How often each chunk (job, index) was begun to be decoded, from the Transcribers' debug lines."""
    begun: Counter[tuple[str, int]] = Counter()
    for path in logs:
        for line in path.read_text(errors="replace").splitlines():
            if '"decode"' not in line:
                continue
            try:
                event = json.loads(line[line.index("{") :])
            except ValueError:  # cut off by a kill
                continue
            if event.get("action") == "decode" and event.get("task") == "transcribe":
                begun.update((chunk[-2], chunk[-1]) for chunk in event["chunks"])  # tenant, job, index
    return begun
