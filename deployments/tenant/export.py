"""`TenantExport`: everything that a tenant has of one person or matter, as a ZIP that is made while it is sent."""

import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, BinaryIO

from deployments.schemas.jobs import JobBody
from deployments.tenant.jobs import TenantJobs
from pipelines.audit import AuditAction
from pipelines.codec import decode, encode
from pipelines.core import Transcript
from pipelines.errors import BlobMissing, JobUnknown, NotFound
from pipelines.file_hash import HashingWriter
from pipelines.jobs.job import Job
from pipelines.keeping.legal_holds import has_pairs
from pipelines.ledger.job_filter import JobFilter
from pipelines.ledger.protocol import all_jobs
from pipelines.speakers.profiles import VoiceProfile
from pipelines.storage.layout import JobKeys, TenantKeys

BLOCK_BYTES = 1 << 20
MANIFEST = "manifest.json"
_FOLDERS = ((".corrected/", "versions/"), (".translated/", "translations/"))
_COPY = "audio/copy.webm"


@dataclass(frozen=True, kw_only=True)
class ExportQuery:
    """The jobs to export: with an external id, in which a voice profile named a speaker, or with all these pairs."""

    external_id: str = ""
    voice_id: str = ""
    metadata: tuple[tuple[str, str], ...] = ()

    def told(self) -> dict[str, Any]:
        """Return the query as the manifest shows it."""
        given = {"external_id": self.external_id, "voice": self.voice_id, "metadata": dict(self.metadata)}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True, kw_only=True)
class TenantExport:
    """Exports what one tenant has; ``clock`` gives Unix seconds. Its methods block: run them in a thread."""

    jobs: TenantJobs
    clock: Callable[[], float]

    def blocks(self, query: ExportQuery) -> Iterator[bytes]:
        """Find the jobs and return the ZIP in blocks; memory does not grow with it.

        Raises `NotFound` at once where no job is found. Each job is entered in the audit log before any of it is sent.
        """
        found = self._found(query)
        first = next(found, None)
        if first is None:
            raise NotFound("There is nothing to export: no job is found.")
        return self._zipped(query, chain([first], found))

    def _found(self, query: ExportQuery) -> Iterator[Job]:
        """Yield the jobs, and those that did a stage of one of them again, each once."""
        wanted = JobFilter(external_id=query.external_id)
        seen: set[str] = set()
        for job in all_jobs(self.jobs.ledger, self.jobs.tenant, wanted):
            if has_pairs(job, query.metadata) and (not query.voice_id or self._has_voice(job, query.voice_id)):
                for each in (job, *self._rewritings(job)):
                    if each.id not in seen:
                        seen.add(each.id)
                        yield each

    def _has_voice(self, job: Job, voice_id: str) -> bool:
        try:
            data = self.jobs.store.get(JobKeys(tenant=job.tenant, job_id=job.id).transcript)
        except BlobMissing:
            return False
        return any(speaker.profile == voice_id for speaker in decode(Transcript, data).speakers)

    def _rewritings(self, job: Job) -> Iterator[Job]:
        prefix = JobKeys(tenant=job.tenant, job_id=job.id).rewritings
        for key in list(self.jobs.store.list(prefix)):
            with suppress(JobUnknown):  # erased since
                later = self.jobs.ledger.get(job.tenant, key.removeprefix(prefix))
                yield later
                yield from self._rewritings(later)

    def _zipped(self, query: ExportQuery, found: Iterable[Job]) -> Iterator[bytes]:
        sink, listed, ids = _Sink(), [], []
        at = datetime.fromtimestamp(self.clock(), UTC)
        # What is kept is compressed already, or small: no time is lost with it.
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            for job in found:
                ids.append(job.id)
                self.jobs.ledger.audit.append([self.jobs.deed(AuditAction.EXPORT, job.id)])
                for name, opened in self._parts(job):
                    entry = zipfile.ZipInfo(f"jobs/{job.id}/{name}", at.timetuple()[:6])
                    with opened as source, archive.open(entry, "w", force_zip64=True) as target:
                        writer = HashingWriter(target.write)
                        while block := source.read(BLOCK_BYTES):
                            writer.write(block)
                            yield sink.taken()
                    listed.append({"path": entry.filename, "n_bytes": writer.n_bytes, "sha256": writer.sha256})
            manifest: dict[str, Any] = {
                "exported_at": at.isoformat(),
                "exported_by": self.jobs.actor,
                "tenant": self.jobs.tenant,
                "query": query.told(),
                "voice": self._voice(query.voice_id),
                "jobs": ids,
                "files": listed,
            }
            written = json.dumps(manifest, ensure_ascii=False, indent=1).encode()
            archive.writestr(zipfile.ZipInfo(MANIFEST, at.timetuple()[:6]), written)
        yield sink.taken()

    def _parts(self, job: Job) -> Iterator[tuple[str, BinaryIO]]:
        """Yield the files of a job: what the API shows, documents, versions, translations, the recording if kept."""
        shown = JobBody.from_domain(job, None, "").model_dump_json(indent=1).encode()
        yield "job.json", io.BytesIO(shown)
        corrections = [vars(each) for each in self.jobs.ledger.corrections.of_job(job.tenant, job.id)]
        if corrections:
            yield "versions.json", io.BytesIO(json.dumps(corrections, ensure_ascii=False, indent=1).encode())
        keys = JobKeys(tenant=job.tenant, job_id=job.id)
        for key in list(self.jobs.store.list(keys.root)):
            name = _name(key.removeprefix(keys.root))
            if name:
                with suppress(BlobMissing):  # deleted meanwhile
                    yield name, self.jobs.store.open(key)

    def _voice(self, voice_id: str) -> dict[str, Any] | None:
        """Return what is kept of a voice profile, without the voice itself, which is sealed."""
        if not voice_id:
            return None
        try:
            record = self.jobs.store.get(TenantKeys(tenant=self.jobs.tenant).voice(voice_id))
        except BlobMissing:
            return None
        kept: dict[str, Any] = json.loads(encode(decode(VoiceProfile, record), without={"sealed"}))
        return kept


class _Sink(io.RawIOBase):
    """Takes what a ZIP writes until `taken` hands it on; it cannot be sought in, so nothing is ever changed again."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self._blocks.append(bytes(block))
        return len(block)

    def taken(self) -> bytes:
        """Return what was written since."""
        found = b"".join(self._blocks)
        self._blocks.clear()
        return found


def _name(below: str) -> str:
    """Return the name of a blob in the archive, by its key below the job's root; "" for what is no one's to have."""
    if below == _COPY:
        return "audio.webm"
    folder, _, name = below.partition("/")
    if folder != "results":
        return ""
    if name == ".transcript":
        return "transcript.as-recognised.json"
    for start, into in _FOLDERS:
        if name.startswith(start):
            return f"{into}{name.removeprefix(start)}.json"
    return "" if name.startswith(".") else f"documents/{name}"
