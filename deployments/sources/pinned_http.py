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

from deployments.sources.public_addresses import IPAddress, is_public


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
    if " " in url:
        return "holds a space, which in a URL is written %20"
    if any(char.isspace() or not char.isprintable() for char in url):
        return "holds line ends or control characters"
    return ""


def complaint_about_host(url: str, *, allow_private: bool) -> str:
    """Say what is wrong with the host that a URL names; a name that is no address is judged when it is resolved."""
    try:
        target = httpx.URL(url)  # read as it is requested
    except httpx.InvalidURL:
        return "is not a URL"
    host = target.raw_host.decode("ascii")  # `httpx.URL.host` raises for some names that begin with xn--
    if not host:
        return "has no host"
    if target.userinfo or "@" in urlsplit(url).netloc:
        return "must not hold a user or password"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    return "" if allow_private or is_public(address) else "points to an address that is not public"


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
    host = parsed.raw_host.decode("ascii")
    address = await _resolve(host, parsed.port or (443 if parsed.scheme == "https" else 80), allow_private)
    return client.build_request(
        method,
        parsed.copy_with(host=str(address), fragment=None),
        headers={"host": parsed.netloc.decode("ascii"), **headers},
        content=content,
        extensions={"sni_hostname": host},  # also what the certificate is checked against
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
