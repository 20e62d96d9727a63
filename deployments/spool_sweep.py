"""What lies in the spool folder and should not any more goes: when it is a job's that is erased, and from time to time.

Every replica of the endpoint sweeps the folder of its machine; several may do so at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import anyio.to_thread
import structlog
from fastapi import FastAPI
from pydantic import ValidationError

from deployments.resumable import FOLDER, LIFETIME_S, Resumable
from deployments.uploads import sweep
from pipelines.codec import decode

INTERVAL_S = 600.0
BETWEEN_LIFETIME_S = 3600.0  # what is between two steps of a living process takes no such time

log = structlog.get_logger(__name__)


def forget_job(spool_dir: Path, tenant: str, job_id: str) -> None:
    """Delete what says which resumable upload became a job. Blocks."""
    for path, record in _records(spool_dir, mentioning=job_id):
        if record is not None and (record.tenant, record.job_id) == (tenant, job_id):
            _delete(path)


def sweep_spool(spool_dir: Path, now_s: float) -> int:
    """Delete uploads that expired, and what killed processes left; return how many files. Blocks."""
    n_deleted = sweep(spool_dir)
    for path, record in list(_records(spool_dir)):
        if _is_over(path, record, now_s):
            n_deleted += _delete(path)
    for path in (spool_dir / FOLDER).glob("*.part"):
        if not path.with_suffix(".json").exists() and _age_s(path, now_s) > BETWEEN_LIFETIME_S:
            n_deleted += _unlink(path)
    for path in (*(spool_dir / FOLDER).glob("*.new"), *(path for path in spool_dir.iterdir() if not path.suffix)):
        if path.is_file() and _age_s(path, now_s) > BETWEEN_LIFETIME_S:
            n_deleted += _unlink(path)
    if n_deleted:
        log.info("spool swept", action="sweep_spool", files=n_deleted)
    return n_deleted


def sweeping(
    spool_dir: Path, clock: Callable[[], float], interval_s: float = INTERVAL_S
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    """An application's lifespan in which the spool folder is swept every ``interval_s`` seconds, in a thread."""

    async def often() -> None:
        while True:
            try:
                await anyio.to_thread.run_sync(sweep_spool, spool_dir, clock())
            except OSError as error:
                log.warning("spool not swept", action="sweep_spool", error=error.strerror or type(error).__name__)
            await asyncio.sleep(interval_s)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(often(), name="spool sweep")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    return lifespan


def _records(spool_dir: Path, mentioning: str = "") -> Iterator[tuple[Path, Resumable | None]]:
    """The records of resumable uploads that mention a word; None for one that cannot be read."""
    for path in (spool_dir / FOLDER).glob("*.json"):
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
    taken = not record.job_id and not path.with_suffix(".part").exists()
    return record.expires_at_s < now_s or (taken and _age_s(path, now_s) > BETWEEN_LIFETIME_S)


def _delete(record: Path) -> int:
    """Delete an upload; its record last, so that a part never outlives it."""
    return _unlink(record.with_suffix(".part")) + _unlink(record)


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
