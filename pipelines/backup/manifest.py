"""What a backup says of itself, and where its parts are."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.codec import decode
from pipelines.errors import BlobMissing, ConfigurationError
from pipelines.storage.protocol import BlobStore

FORMAT = 1
MANIFEST = "backup.json"
INDEX = "index.jsonl"
STORE = "store/"


def table_key(table: str) -> str:
    """Return where the rows of a table are."""
    return f"ledger/{table}.jsonl"


@dataclass(frozen=True, kw_only=True)
class CopiedBlob:
    """A blob of the store as it was copied: its key there, its size and SHA-256 (hex)."""

    key: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class CopiedTable:
    """A table as it was copied: its rows, and the SHA-256 (hex) of the file that holds them."""

    n_rows: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A backup: by which version, of which revision of the tables and when (Unix seconds) the ledger was copied."""

    format: int
    version: str
    revision: str
    taken_at_s: float
    tables: Mapping[str, CopiedTable]
    index_sha256: str
    n_blobs: int
    n_bytes: int


def read_manifest(backup: BlobStore) -> Manifest:
    """Return what a backup says of itself; raises `ConfigurationError` where there is none, or one of another form."""
    try:
        manifest = decode(Manifest, backup.get(MANIFEST))
    except BlobMissing:
        raise ConfigurationError(f"there is no backup here: {MANIFEST}, which is written last, is missing") from None
    if manifest.format != FORMAT:
        raise ConfigurationError(f"this backup has the format {manifest.format}, which this MeetMemo does not read")
    return manifest
