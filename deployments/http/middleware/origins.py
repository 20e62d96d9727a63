"""Detect cross-origin requests by the headers that browsers add to them.

``Sec-Fetch-Site`` (W3C Fetch Metadata) says it, but goes to https and loopback addresses only; ``Origin`` (RFC 6454)
comes with everything that may change something. Neither can be set by a page's script. Requests with neither come from
no browser of this decade. The rule for writing is that of Go's ``http.CrossOriginProtection``, the one for reading the
resource isolation policy of the Fetch Metadata specification's authors.
"""

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from deployments.http.middleware.hosts import host_of

READING = frozenset({"GET", "HEAD", "OPTIONS"})

_DEFAULT_PORTS = {"http": 80, "https": 443}
_OWN_SITES = frozenset({"same-origin", "none"})  # none: typed, a bookmark


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it: lower-case, without the scheme's own port."""
    parts = urlsplit(url.lower())
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    own_port = parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{name}" if own_port else f"{parts.scheme}://{name}:{parts.port}"


def is_cross_origin(method: str, headers: Mapping[str, str], trusted: Collection[str]) -> bool:
    """Return whether a page of another origin sent a request, and none of ``trusted`` (``*``: every page with a name).

    Reading counts only where the browser says so and the request is not the visit of a link: an answer that a foreign
    page cannot read may still hold a connection. ``headers`` have lower-case names.
    """
    origin, site = headers.get("origin", "").lower(), headers.get("sec-fetch-site", "")
    if origin in trusted or ("*" in trusted and origin not in ("", "null")):
        return False
    if method in READING:
        return bool(site) and site not in _OWN_SITES and not _is_visit(headers)
    if site:
        return site not in _OWN_SITES
    return bool(origin) and not _names_same_server(origin, headers.get("host", ""))


def _is_visit(headers: Mapping[str, str]) -> bool:
    """Return whether the answer is to be the page in a tab of its own, not a part of another page."""
    return headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest", "document") == "document"


def _names_same_server(origin: str, authority: str) -> bool:
    """Compare host and port, not the scheme: whatever ends TLS in front may hide it."""
    try:
        page, asked = urlsplit(origin), urlsplit(f"//{authority.lower()}")
        asked_port = asked.port
        page_port = page.port or _DEFAULT_PORTS.get(page.scheme)
    except ValueError:
        return False
    if not page.hostname or not asked.hostname or host_of(page.netloc) != host_of(authority):
        return False
    return page_port == asked_port if asked_port is not None else page_port in _DEFAULT_PORTS.values()
