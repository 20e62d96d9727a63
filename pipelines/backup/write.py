"""Back up a ledger and a store while the cluster runs.

1. All blobs are copied. That takes long, and the cluster goes on.
2. All tables of the ledger are copied as they are at one moment.
3. Blobs are copied that came since, or may have changed: all but those of jobs that had ended before 1.
4. What is not there any more goes from the backup too, unless a job needs it that had not ended at 2.
5. Where a job that had not ended at 2 lacks its recording (it came after 1 and ended before 3), 2 to 4 are repeated.

Whatever the ledger's copy knows is then among the blobs: a restored cluster goes on as after a crash at 2.
"""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.audit import AuditAction, Deed, Doer, ObjectKind
from pipelines.backup import ledger_copy
from pipelines.backup.blob_copy import BlobCopier
from pipelines.backup.manifest import FORMAT, INDEX, MANIFEST, STORE, CopiedBlob, CopiedTable, Manifest, table_key
from pipelines.codec import decode, encode
from pipelines.errors import ConfigurationError
from pipelines.file_hash import hash_stream
from pipelines.jobs.job import Job
from pipelines.ledger.open import connect_ledger
from pipelines.ledger.schema import SCHEMA_REVISION
from pipelines.storage.layout import JOB_MARKS, JobKeys
from pipelines.storage.protocol import BlobStore

ROUNDS = 5
"""So often the ledger is copied at most; each time only what happened since the last one is missing."""

CLOCKS_APART_S = 60.0
"""By so much clocks of the cluster's machines may differ, and a job's blobs be written after its last change."""

JobName = tuple[str, str]


@dataclass(kw_only=True)
class _Jobs:
    """The jobs of the ledger's copy: those that had not ended, and those whose blobs do not change any more."""

    live: dict[JobName, Job] = field(default_factory=dict)
    settled: set[JobName] = field(default_factory=set)

    @classmethod
    def read(cls, path: Path, before_s: float) -> "_Jobs":
        """Read the rows of ``jobs``; what was last written before a time (Unix seconds) and has ended is settled."""
        found = cls()
        with path.open(encoding="utf-8") as lines:
            columns = json.loads(next(lines))
            for line in lines:
                row = dict(zip(columns, json.loads(line), strict=True))
                job = decode(Job, row["body"])
                if not job.state.final:
                    found.live[job.tenant, job.id] = job
                elif row["updated_at_s"] < before_s:
                    found.settled.add((job.tenant, job.id))
        return found


def write_backup(
    ledger_url: str,
    store: BlobStore,
    target: BlobStore,
    *,
    version: str,
    by: Doer,
    say: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Back up a ledger and a store; return what the backup says of itself. Blocks.

    ``by`` is entered in the audit log of every tenant with jobs, before anything is copied. ``say`` takes lines about
    the progress. Raises `ConfigurationError` where ``target`` holds a backup already,
    `LedgerUnavailable`, `StoreUnavailable`.
    """
    if target.exists(MANIFEST):
        raise ConfigurationError("there is a backup here already: name another folder or prefix")
    began_s = time.time()
    with closing(connect_ledger(ledger_url)) as ledger:
        ledger.audit.append([_deed(tenant, by) for tenant in ledger_copy.tenants(ledger_url)])
        ledger.identity()  # made now where nobody has asked for it: the restored ledger has the same
    blobs = _Blobs(copier=BlobCopier(source=store, target=target, to_prefix=STORE))
    blobs.copy(store.list(""))
    say(f"{len(blobs.copied)} blobs copied; now the ledger, and what came meanwhile")
    with tempfile.TemporaryDirectory(prefix="meetmemo-backup-") as scratch:
        for n_round in range(1, ROUNDS + 1):
            folder = Path(scratch) / str(n_round)
            folder.mkdir()
            taken_at_s = time.time()
            n_rows = ledger_copy.copy_out(ledger_url, folder)
            jobs = _Jobs.read(folder / "jobs.jsonl", began_s - CLOCKS_APART_S)
            blobs.follow(store, jobs, lambda live: _ended(ledger_url, live))
            lost = blobs.without_recording(jobs)
            if not lost:
                break
            say(f"{len(lost)} jobs came and ended meanwhile; once more")
        for tenant, job_id in lost:
            say(f"job {job_id} of {tenant} has no recording in this backup: restored, it will fail")
        tables = {name: _put_table(target, folder / f"{name}.jsonl", n_rows[name]) for name in n_rows}
    index = b"".join(encode(blob) + b"\n" for _, blob in sorted(blobs.copied.items()))
    target.put(INDEX, index)
    manifest = Manifest(
        format=FORMAT,
        version=version,
        revision=SCHEMA_REVISION,
        taken_at_s=taken_at_s,
        tables=tables,
        index_sha256=hashlib.sha256(index).hexdigest(),
        n_blobs=len(blobs.copied),
        n_bytes=sum(blob.n_bytes for blob in blobs.copied.values()),
    )
    target.put(MANIFEST, encode(manifest))
    return manifest


def _deed(tenant: str, by: Doer) -> Deed:
    detail = (("what", "backup"),)
    return by.deed(AuditAction.EXPORT, tenant=tenant, kind=ObjectKind.TENANT, object_id=tenant, detail=detail)


def _ended(ledger_url: str, live: Iterable[JobName]) -> set[JobName]:
    """Return which of these jobs have ended, or are not there any more."""
    names = set(live)
    with closing(connect_ledger(ledger_url)) as ledger:
        now = ledger.get_many(names)
    return {name for name in names if name not in now or now[name].state.final}


def _put_table(target: BlobStore, path: Path, n_rows: int) -> CopiedTable:
    with path.open("rb") as file:
        _, sha256 = hash_stream(file)
    target.put_file(table_key(path.stem), path, sha256=sha256)
    return CopiedTable(n_rows=n_rows, sha256=sha256)


@dataclass(kw_only=True)
class _Blobs:
    """The blobs of the backup so far, by key."""

    copier: BlobCopier
    copied: dict[str, CopiedBlob] = field(default_factory=dict)

    def copy(self, keys: Iterable[str]) -> set[str]:
        """Copy blobs; return the keys of those that were gone."""
        gone: set[str] = set()
        for key, blob in self.copier.copy_all(keys):
            if blob is None:
                gone.add(key)
            else:
                self.copied[key] = blob
        return gone

    def follow(self, store: BlobStore, jobs: _Jobs, ended: Callable[[Iterable[JobName]], set[JobName]]) -> None:
        """Copy what came or may have changed, and forget what nobody needs any more.

        ``ended`` says which of the jobs that had not ended have by now.
        """
        listed: set[str] = set()

        def wanted() -> Iterator[str]:
            for key in store.list(""):
                listed.add(key)
                if key not in self.copied or _job_of(key) not in jobs.settled:
                    yield key

        listed -= self.copy(wanted())
        # The working data of a job that has ended since are deleted piece by piece: it begins with its recording again.
        begun_anew = ended(jobs.live)
        for key in list(self.copied):
            name = _job_of(key)
            keys = JobKeys(tenant=name[0], job_id=name[1])
            needless = key not in listed and name not in jobs.live
            if needless or (name in begun_anew and key.startswith(keys.work) and key != keys.known_voices):
                del self.copied[key]
                self.copier.target.delete(STORE + key)

    def without_recording(self, jobs: _Jobs) -> list[JobName]:
        """Return the jobs that had not ended and whose recording is not in the backup."""
        return [
            name
            for name, job in jobs.live.items()
            if not (job.source_url or job.replay_of or job.minutes_of or job.hears_again)
            and JobKeys(tenant=job.tenant, job_id=job.id).source not in self.copied
        ]


def _job_of(key: str) -> JobName:
    """Return whose blob this is: tenant and job; for what belongs to no job, names that no job has."""
    for marks in JOB_MARKS:
        if key.startswith(marks.prefix):
            return ("", key)
    tenant, _, rest = key.partition("/")
    return tenant, rest.partition("/")[0]
