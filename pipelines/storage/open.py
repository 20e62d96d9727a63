"""Open the blob store that a URL names: a folder or an S3 bucket."""

from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from pipelines.errors import ConfigurationError
from pipelines.storage.folder import LocalStore
from pipelines.storage.protocol import BlobStore


def open_store(url: str) -> BlobStore:
    """Return the store that a URL names; it is reached at its first use, and can be pickled.

    ``file:///path`` is a folder, ``s3://bucket/prefix?endpoint=https://host&region=name`` a bucket; both query
    parts may be left out. Credentials come from boto3's own sources (environment, files, roles), never from the URL.
    Raises `ConfigurationError` for anything else.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or len(parts.path) < 2 or parts.query or parts.fragment:
            raise ConfigurationError(f"a folder as blob store is written file:///path, not {url!r}")
        return LocalStore(Path(unquote(parts.path)))
    if parts.scheme == "s3":
        endpoint = query.get("endpoint")
        known = set(query) <= {"endpoint", "region"} and not parts.fragment
        if not known or not parts.netloc or {"@", ":"} & set(parts.netloc) or not _is_endpoint(endpoint):
            raise ConfigurationError(
                "a bucket as blob store is written s3://bucket/prefix?endpoint=https://host&region=name, "
                "with the credentials in the environment"
            )
        # boto3 takes a second to import, which only those who use a bucket should wait for.
        from pipelines.storage.s3 import S3Store

        return S3Store(
            parts.netloc, prefix=unquote(parts.path).strip("/"), endpoint=endpoint, region=query.get("region")
        )
    raise ConfigurationError(f"the blob store's URL starts with file:// or s3://, not {parts.scheme or url!r}")


def _is_endpoint(url: str | None) -> bool:
    if url is None:
        return True
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
