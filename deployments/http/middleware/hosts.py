"""The header ``Host``: which names a request may call this server by.

In DNS rebinding the name of a foreign page resolves to this server's address after its scripts were loaded. The browser
takes both for one origin, lets the page read every answer, and names the page's host in ``Host``. An address cannot be
rebound: it is safe whichever it is.
"""

import ipaddress
import re
import socket
from collections.abc import Collection

LOOPBACK_NAMES = frozenset({"localhost"})

_PORT = re.compile(r":[0-9]*$")


def host_of(authority: str) -> str:
    """Return the host of an authority (RFC 3986, section 3.2) in lower case, without port, brackets and root dot."""
    host = _PORT.sub("", authority.strip().lower())
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host.removesuffix(".")


def is_known_host(authority: str | None, names: Collection[str]) -> bool:
    """Return whether a request for ``authority`` is meant for a server of these names.

    A request without the header comes from no browser, so it is.
    """
    if not authority:
        return True
    host = host_of(authority)
    return host in names or _is_address(host)


def own_names() -> frozenset[str]:
    """Return the names that this machine has for itself; may ask a name server."""
    return frozenset(host_of(name) for name in (socket.gethostname(), socket.getfqdn()) if name)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
