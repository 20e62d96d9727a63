"""Files of resumable uploads below the spool folder: a record and the bytes so far, one file each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from pipelines.codec import decode
from pipelines.jobs.job import JobOptions
from pipelines.jobs.reference import NO_REFERENCE, Reference

FOLDER = "resumable"
PART_SUFFIX = ".part"
RECORD_SUFFIX = ".json"
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Resumable:
    """A resumable upload; ``job_id`` is the job it became, "" while it is incomplete. Times are Unix seconds.

    One that ``is_partial`` is a part of a recording; ``concat`` is the header that said so, or named the parts.
    """

    id: str
    tenant: str
    n_bytes: int
    filename: str
    options: JobOptions
    expires_at_s: float
    reference: Reference = field(default=NO_REFERENCE)
    job_id: str = ""
    concat: str = ""

    @property
    def is_partial(self) -> bool:
        return self.concat == "partial"


@dataclass(frozen=True, kw_only=True)
class OpenUpload:
    """An upload that has become no job, and how much of it has arrived."""

    record: Resumable
    n_there: int

    @property
    def n_wanted(self) -> int:
        """Bytes that have not arrived."""
        return max(0, self.record.n_bytes - self.n_there)


def read_record(folder: Path, upload_id: str) -> Resumable | None:
    """Return the record of an upload in ``folder``; None where there is none that can be read."""
    if not _ID.fullmatch(upload_id):
        return None
    try:
        record = decode(Resumable, (folder / f"{upload_id}{RECORD_SUFFIX}").read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return record if record.id == upload_id else None


def open_uploads(folder: Path, now_s: float) -> Iterator[OpenUpload]:
    """Yield the uploads in ``folder`` that may still be sent.

    Only their data files are listed: those are deleted when the job is created, while records stay for a day.
    """
    for part in folder.glob(f"*{PART_SUFFIX}"):
        record = read_record(folder, part.stem)
        if record is None or record.job_id or record.expires_at_s < now_s:
            continue
        try:
            yield OpenUpload(record=record, n_there=part.stat().st_size)
        except FileNotFoundError:
            continue
