"""Move resumable uploads that an earlier version kept in the spool folder into the store."""

from pathlib import Path

import structlog
from pydantic import ValidationError

from deployments.intake.resumable.records import Resumable
from pipelines.codec import decode, encode
from pipelines.errors import StorageError
from pipelines.storage.protocol import BlobStore

FOLDER = "resumable"
PART_SUFFIX = ".part"
RECORD_SUFFIX = ".json"

log = structlog.get_logger(__name__)


def adopt_spooled(spool_dir: Path, store: BlobStore) -> int:
    """Bring such uploads into the store; return how many. Blocks.

    One that cannot be moved now stays for the next start. Endpoints that start together find each other's files gone.
    """
    folder = spool_dir / FOLDER
    n_adopted = 0
    for path in sorted(folder.glob(f"*{RECORD_SUFFIX}")):
        try:
            n_adopted += _adopt(path, store)
        except (StorageError, OSError) as error:
            log.warning("an upload stays in the spool folder", action="adopt_failed", detail=str(error))
    if n_adopted:
        log.info("resumable uploads moved to the store", action="adopt_spooled", uploads=n_adopted)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
    return n_adopted


def _adopt(path: Path, store: BlobStore) -> bool:
    """Move one upload: its piece first, since a record without it would say that nothing has arrived."""
    try:
        record = decode(Resumable, path.read_bytes())
    except FileNotFoundError:
        return False
    except ValidationError:
        record = None
    part = path.with_suffix(PART_SUFFIX)
    if record is not None and record.id == path.stem:
        if not record.job_id and part.exists() and (n_bytes := part.stat().st_size):
            store.put_file(record.keys.piece(0, n_bytes), part)
        store.put(record.keys.record, encode(record))
    part.unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    return record is not None
