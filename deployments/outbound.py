"""Requests to addresses that came from outside, which must not become a way into the operator's network.

Every host is resolved here, all its addresses are checked, and the connection goes to a checked one: a second look-up
cannot lead elsewhere. Redirects are the caller's: each hop is a new URL to check.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

import certifi
import httpx

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class Unresolvable(Exception):
    """The name has no address now; it may have one later."""


class NotPublic(Exception):
    """An address of the host is not one of the internet."""


def complaint_about(url: str) -> str:
    """Say what is wrong with the text of a URL; nothing for one that can be looked at further."""
    try:
        parts = urlsplit(url)
        _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if any(char.isspace() or not char.isprintable() for char in url):
        return "holds spaces or control characters"
    return ""


def complaint_about_host(url: str, *, allow_private: bool) -> str:
    """Say what is wrong with the host that a URL names; a name that is no address is judged when it is resolved."""
    parts = urlsplit(url)
    if not parts.hostname:
        return "has no host"
    if "@" in parts.netloc:
        return "must not hold a user or password"
    try:
        address = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return ""
    return "" if allow_private or is_public(address) else "points to an address that is not public"


def is_public(address: IPAddress) -> bool:
    """Say whether an address is reachable from the internet, looking through IPv4 wrapped in IPv6."""
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            wrapped.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if any(inner is not None and not is_public(inner) for inner in wrapped):
            return False
        if address.ipv4_mapped is not None:
            return True
    return address.is_global and not address.is_multicast


def trusted_certificates() -> ssl.SSLContext:
    """Trust the system's certificates, to which operators add their own, and certifi's where there are none. Blocks."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


async def pinned_request(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    allow_private: bool,
    headers: Mapping[str, str],
    content: bytes | None = None,
) -> httpx.Request:
    """Address a request to a checked IP address of the URL's host; raises `Unresolvable` and `NotPublic`.

    ``client`` must not use a proxy, which resolves names itself and so goes round the check.
    """
    parsed = httpx.URL(url)
    address = await _resolve(parsed.host, parsed.port or (443 if parsed.scheme == "https" else 80), allow_private)
    return client.build_request(
        method,
        parsed.copy_with(host=str(address), fragment=None),
        headers={"host": parsed.netloc.decode("ascii"), **headers},
        content=content,
        extensions={"sni_hostname": parsed.raw_host.decode("ascii")},  # also what the certificate is checked against
    )


async def _resolve(host: str, port: int, allow_private: bool) -> IPAddress:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolvable(f"the name {host} cannot be resolved") from error
    addresses = [ipaddress.ip_address(str(sockaddr[0]).partition("%")[0]) for *_, sockaddr in found]
    if not allow_private and not all(is_public(address) for address in addresses):
        raise NotPublic(f"The host {host} has an address that is not public.")
    ipv4 = [address for address in addresses if address.version == 4]
    return (ipv4 or addresses)[0]  # IPv4 first: hosts without IPv6 connectivity are still common
