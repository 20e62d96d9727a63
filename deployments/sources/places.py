"""Places that recordings are pulled from with credentials of their own: buckets, and web servers that ask who comes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from deployments.sources.urls import SourceUrl, is_ambiguous
from pipelines.errors import ConfigurationError, refused_option
from pipelines.secret import Secret, revealed


@dataclass(frozen=True, kw_only=True)
class SourceCredential:
    """A bucket (``s3://bucket/prefix``) or a part of a web server (``https://host/path``).

    ``secret`` is ``KEY_ID:SECRET`` for a bucket ("": boto3's own sources) and the header ``Authorization`` for a web
    server. With ``sidecars`` a JSON file beside a recording says how to transcribe it, in names of its own where
    ``sidecar_fields`` translates them (`pipelines.jobs.sidecar`). ``endpoint`` is the URL of a store other than AWS.
    Only ``tenants`` may pull from it, all where none is named.
    """

    name: str
    url: str
    secret: Secret = field(default="", repr=False)
    endpoint: str = ""
    region: str = ""
    tenants: tuple[str, ...] = ()
    sidecars: bool = False
    sidecar_fields: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Raise `ConfigurationError` for a place that nothing can be pulled from."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("s3", "https", "http") or not parts.netloc or parts.query or parts.fragment:
            raise ConfigurationError(
                f"source {self.name}: {self.url!r} is neither s3://bucket/prefix nor https://host/"
            )
        try:
            ambiguous = is_ambiguous(self.folder.path)
        except ValueError as error:
            raise ConfigurationError(f"source {self.name}: {self.url!r} {error}") from None
        if ambiguous:
            raise ConfigurationError(f"source {self.name}: {self.url!r} holds dots that may lead elsewhere")
        if parts.scheme == "s3" and (pair := self.authorization) and ":" not in pair:
            raise ConfigurationError(f"source {self.name}: the secret of a bucket is written KEY_ID:SECRET")

    @property
    def authorization(self) -> str:
        """The secret as it is now: the header ``Authorization`` for a web server, "" where none is needed."""
        return revealed(self.secret)

    @property
    def key_pair(self) -> tuple[str | None, str | None]:
        """Access key id and secret access key of a bucket."""
        key_id, _, secret = self.authorization.partition(":")
        return key_id or None, secret or None

    @cached_property
    def folder(self) -> SourceUrl:
        """The URL that it covers, with everything below."""
        return SourceUrl.of(self.url)

    def covers(self, url: str) -> bool:
        """Return whether what is requested for a URL lies in this place: scheme, host and port or bucket, and path."""
        try:
            return SourceUrl.of(url).lies_in(self.folder)
        except ValueError:
            return False


def credential_for(url: str, places: Sequence[SourceCredential], tenant: str | None) -> SourceCredential | None:
    """Return the most specific credential for a tenant's URL, or None. Tenant None: any tenant's."""
    open_to = [place for place in places if tenant is None or not place.tenants or tenant in place.tenants]
    return max((place for place in open_to if place.covers(url)), key=lambda place: len(place.url), default=None)


def place_of_prefix(prefix: str, places: Sequence[SourceCredential], tenant: str) -> SourceCredential:
    """Return the credential for listing a tenant's prefix ``s3://bucket/…``; raises `InvalidOptions` for any other."""
    try:
        SourceUrl.of(prefix)
    except ValueError as error:
        raise refused_option("prefix", str(error)) from None
    place = credential_for(prefix, places, tenant)
    if place is None or not prefix.startswith("s3://"):
        raise refused_option("prefix", "is in no bucket that this server has credentials for")
    return place
