"""Restore a backup into an empty ledger and an empty store: blobs first, then the ledger, in one transaction.

An interrupted restoration is begun again: what it left in the store is the backup's own.
"""

import functools
import hashlib
import io
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

from pipelines.backup import ledger_copy
from pipelines.backup.blob_copy import AT_ONCE, BlobCopier
from pipelines.backup.manifest import INDEX, STORE, CopiedBlob, Manifest, read_manifest, table_key
from pipelines.codec import decode
from pipelines.errors import ConfigurationError, StorageError
from pipelines.file_hash import hash_stream
from pipelines.ledger.open import open_ledger
from pipelines.storage.protocol import BlobStore


def restore_backup(
    backup: BlobStore, ledger_url: str, store: BlobStore, *, say: Callable[[str], None] = lambda line: None
) -> Manifest:
    """Restore a backup; return what it says of itself. Blocks. ``say`` takes lines about the progress.

    Raises `ConfigurationError` where there is no backup, or a ledger or a store that is not empty, `StorageError` for a
    backup that is damaged, `LedgerUnavailable`, `StoreUnavailable`.
    """
    manifest = read_manifest(backup)
    blobs = _index(backup, manifest)
    _check_tables(backup, manifest)
    ledger_copy.check_empty(ledger_url)
    foreign = next((key for key in store.list("") if key not in blobs), None)
    if foreign is not None:
        raise ConfigurationError(f"the store is not empty ({foreign}): a backup is restored into a new one")
    copier = BlobCopier(source=backup, target=store, from_prefix=STORE)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="restore") as threads:
        for _ in threads.map(lambda blob: copier.copy(blob.key, expected=blob), blobs.values()):
            pass
    say(f"{len(blobs)} blobs restored; now the ledger")
    with ExitStack() as opened:
        rows = {
            name: opened.enter_context(_lines(backup, name)) for name in ledger_copy.tables() if name in manifest.tables
        }
        ledger_copy.copy_in(ledger_url, manifest.revision, rows)
    with closing(open_ledger(ledger_url)) as ledger:
        say(f"{ledger.search.rebuild()} jobs are indexed anew for the search once the cluster runs")
    return manifest


def _index(backup: BlobStore, manifest: Manifest) -> dict[str, CopiedBlob]:
    data = backup.get(INDEX)
    if hashlib.sha256(data).hexdigest() != manifest.index_sha256:
        raise StorageError(f"the backup is damaged: {INDEX} is not what was written")
    found: Iterator[CopiedBlob] = map(functools.partial(decode, CopiedBlob), data.splitlines())
    return {blob.key: blob for blob in found}


def _check_tables(backup: BlobStore, manifest: Manifest) -> None:
    """Raise `StorageError` for a table that is not what was written: before anything is."""
    for name, table in manifest.tables.items():
        with backup.open(table_key(name)) as file:
            _, sha256 = hash_stream(file)
        if sha256 != table.sha256:
            raise StorageError(f"the backup is damaged: {table_key(name)} is not what was written")


def _lines(backup: BlobStore, table: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(backup.open(table_key(table)), encoding="utf-8", newline="\n")
