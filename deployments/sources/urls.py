"""`SourceUrl`: the URL of a source, read once, the way it is requested.

Judging the text of a URL and requesting what a library makes of it are two readings, and credentials leak between them.
Here the judgement looks at the path that goes over the wire (HTTP) or at the key that is asked for (S3).
"""

import os
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote, unquote_to_bytes, urlsplit, urlunsplit

import httpx

_PORTS = {"https": 443, "http": 80}
_MAX_DECODINGS = 8  # honest names are encoded once, by a careless program twice
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# A segment of dots and blanks, up to the ; where Java servers see parameters; Windows drops the blanks.
_DOT_SEGMENT = re.compile(r"(?:^|[/\\])\s*\.[\s.]*(?=[/\\;]|$)")
_OVERLONG = re.compile(rb"[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f]|\xf0[\x80-\x8f]")  # forbidden forms of . and /
_WIDE = re.compile(r"%u([0-9a-fA-F]{4})")  # an encoding that only IIS knows
_UNRESERVED = re.compile(r"%(?:2[DdEe]|3[0-9]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9AaEe])")
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")


@dataclass(frozen=True, kw_only=True)
class SourceUrl:
    """Parts of a source's URL as they are requested.

    ``authority`` is a bucket, or host and port. ``path`` begins with a slash; it is percent-decoded for buckets and
    files, and as a web server is sent it for HTTP.
    """

    scheme: str
    authority: str
    path: str

    @classmethod
    def of(cls, text: str) -> "SourceUrl":
        """Read a URL; raises `ValueError`, whose text completes the sentence "the URL …"."""
        try:
            parts = urlsplit(text)
        except ValueError:
            raise ValueError("is not a URL") from None
        if parts.scheme in _PORTS:
            return cls._of_http(text, parts.scheme)
        if parts.scheme in ("s3", "file") and ("?" in text or "#" in text):
            raise ValueError("holds a ? or a #, which in a name are written %3F and %23")
        if "@" in parts.netloc:
            raise ValueError("must not hold a user or password")
        return cls(scheme=parts.scheme, authority=parts.netloc, path=_decoded(parts.scheme, parts.path or "/"))

    @classmethod
    def _of_http(cls, text: str, scheme: str) -> "SourceUrl":
        try:
            target = httpx.URL(text)
        except httpx.InvalidURL:
            raise ValueError("is not a URL") from None
        if target.userinfo:
            raise ValueError("must not hold a user or password")
        host = target.raw_host.decode("ascii")
        path = target.raw_path.partition(b"?")[0].decode("ascii")
        return cls(scheme=scheme, authority=f"{host}:{target.port or _PORTS[scheme]}", path=path or "/")

    @property
    def key(self) -> str:
        """The key of an object in a bucket."""
        return self.path[1:]

    def lies_in(self, folder: "SourceUrl") -> bool:
        """Return whether this is ``folder`` or below it, for every server: one that decodes a path twice included."""
        if (self.scheme, self.authority) != (folder.scheme, folder.authority) or is_ambiguous(self.path):
            return False
        mine, theirs = self._comparable(), folder._comparable().rstrip("/")
        return mine == theirs or mine.startswith(f"{theirs}/")

    def _comparable(self) -> str:
        """Return a web server's path, normalised (RFC 3986, section 6.2.2); a key, which is compared as it is."""
        if self.scheme not in _PORTS:
            return self.path
        path = _UNRESERVED.sub(lambda match: unquote(match[0]), self.path)
        return _ESCAPE.sub(lambda match: match[0].upper(), path)


def _decoded(scheme: str, path: str) -> str:
    if scheme == "file":
        return os.fsdecode(unquote_to_bytes(path))
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("holds a name that is not UTF-8") from None


def is_ambiguous(path: str) -> bool:
    """Return whether some server would read a path as one with ``.`` or ``..`` segments, or with control characters.

    Servers and what stands before them differ: some decode again, some take ``\\`` for ``/``, cut ``;parameters``, drop
    invalid bytes, or accept overlong UTF-8 and look-alikes of dots.
    """
    for _ in range(_MAX_DECODINGS):
        plain = unicodedata.normalize("NFKC", path).replace("\ufffd", "")
        if _CONTROL.search(path) or _DOT_SEGMENT.search(plain):
            return True
        data = unquote_to_bytes(path)
        if _OVERLONG.search(data):
            return True
        further = _WIDE.sub(lambda match: chr(int(match[1], 16)), data.decode("utf-8", "replace"))
        if further == path:
            return False
        path = further
    return True


def public_part(url: str) -> str:
    """Drop what may be secret from a URL: user, password, query and fragment."""
    if not url:
        return ""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
