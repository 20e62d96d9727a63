"""Sweep leftovers of resumable uploads below the spool folder: of erased jobs and of killed processes."""

from collections.abc import Iterator
from pathlib import Path

import structlog
from pydantic import ValidationError

from deployments.intake.resumable_records import FOLDER, PART_SUFFIX, RECORD_SUFFIX, Resumable
from deployments.intake.resumable_uploads import LIFETIME_S
from pipelines.codec import decode
from pipelines.storage.atomic_write import TEMPORARY_SUFFIX

BETWEEN_LIFETIME_S = 3600.0  # what is between two steps of a living process takes no such time

log = structlog.get_logger(__name__)


def forget_job(spool_dir: Path, tenant: str, job_id: str) -> None:
    """Delete what says which resumable upload became a job. Blocks."""
    for path, record in _records(spool_dir, mentioning=job_id):
        if record is not None and (record.tenant, record.job_id) == (tenant, job_id):
            _delete(path)


def sweep_leftovers(spool_dir: Path, now_s: float) -> int:
    """Delete uploads that expired, and files that belong to none; return how many files. Blocks."""
    n_deleted = sum(_delete(path) for path, record in list(_records(spool_dir)) if _is_over(path, record, now_s))
    folder = spool_dir / FOLDER
    parts = (part for part in folder.glob(f"*{PART_SUFFIX}") if not part.with_suffix(RECORD_SUFFIX).exists())
    for path in (*parts, *folder.glob(f"*{TEMPORARY_SUFFIX}")):
        if _age_s(path, now_s) > BETWEEN_LIFETIME_S:
            n_deleted += _unlink(path)
    if n_deleted:
        log.info("leftovers of uploads deleted", action="sweep_resumable", files=n_deleted)
    return n_deleted


def _records(spool_dir: Path, mentioning: str = "") -> Iterator[tuple[Path, Resumable | None]]:
    """Yield the records that mention a word; None for one that cannot be read."""
    for path in (spool_dir / FOLDER).glob(f"*{RECORD_SUFFIX}"):
        try:
            data = path.read_bytes()
            if mentioning.encode() in data:
                yield path, decode(Resumable, data)
        except ValidationError:
            yield path, None
        except FileNotFoundError:
            continue


def _is_over(path: Path, record: Resumable | None, now_s: float) -> bool:
    if record is None:
        return _age_s(path, now_s) > LIFETIME_S
    # The part is made before the record: one that is gone is a job's source, whose id was to be noted at once.
    taken = not record.job_id and not path.with_suffix(PART_SUFFIX).exists()
    return record.expires_at_s < now_s or (taken and _age_s(path, now_s) > BETWEEN_LIFETIME_S)


def _delete(record: Path) -> int:
    """Delete an upload; its record last, so that a part never outlives it."""
    return _unlink(record.with_suffix(PART_SUFFIX)) + _unlink(record)


def _unlink(path: Path) -> int:
    try:
        path.unlink()
    except FileNotFoundError:
        return 0
    return 1


def _age_s(path: Path, now_s: float) -> float:
    try:
        return now_s - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
