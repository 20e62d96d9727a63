"""`is_public`: whether an address is one of the internet, by tables of our own.

Python's `ipaddress` knows the registries as they were when it was released, so its answer changes with its version, and
it takes whatever it does not know for public. Source: IANA's IPv4 and IPv6 Special-Purpose Address Registries
(RFC 6890), as of 2025. No recording and no webhook lives in any of these ranges, the globally reachable ones included.
"""

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

NOT_PUBLIC_IPV4 = {
    ipaddress.IPv4Network(network): reason
    for network, reason in (
        ("0.0.0.0/8", "this network (RFC 791)"),
        ("10.0.0.0/8", "private use (RFC 1918)"),
        ("100.64.0.0/10", "shared by a carrier (RFC 6598)"),
        ("127.0.0.0/8", "loopback (RFC 1122)"),
        ("168.63.129.16/32", "wire server of Azure, seen from every virtual machine there"),
        ("169.254.0.0/16", "link-local (RFC 3927), metadata of most clouds"),
        ("172.16.0.0/12", "private use (RFC 1918)"),
        ("192.0.0.0/24", "protocol assignments (RFC 6890)"),
        ("192.0.2.0/24", "documentation (RFC 5737)"),
        ("192.31.196.0/24", "AS112, answered by the nearest sink (RFC 7535)"),
        ("192.52.193.0/24", "multicast tunnels (RFC 7450)"),
        ("192.88.99.0/24", "relays of 6to4, deprecated (RFC 7526)"),
        ("192.168.0.0/16", "private use (RFC 1918)"),
        ("192.175.48.0/24", "AS112, answered by the nearest sink (RFC 7534)"),
        ("198.18.0.0/15", "benchmarks (RFC 2544)"),
        ("198.51.100.0/24", "documentation (RFC 5737)"),
        ("203.0.113.0/24", "documentation (RFC 5737)"),
        ("224.0.0.0/4", "multicast (RFC 5771)"),
        ("240.0.0.0/4", "reserved (RFC 1112), broadcast (RFC 919)"),
    )
}
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # all that is assigned for the internet (RFC 4291)
NOT_PUBLIC_IPV6 = {
    ipaddress.IPv6Network(network): reason
    for network, reason in (
        ("2001::/23", "protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID"),
        ("2001:db8::/32", "documentation (RFC 3849)"),
        ("2002::/16", "6to4 (RFC 3056), which leads to any IPv4 address"),
        ("2620:4f:8000::/48", "AS112, answered by the nearest sink (RFC 7534)"),
        ("3fff::/20", "documentation (RFC 9637)"),
    )
}
# IPv4 written in IPv6: sockets write ::ffff:0:0/96, name servers of networks without IPv4 answer with 64:ff9b::/96.
WRAPPING = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))


def is_public(address: IPAddress) -> bool:
    """Say whether an address is one of the internet, looking through IPv4 that is wrapped in IPv6."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in NOT_PUBLIC_IPV4)
    if any(address in network for network in WRAPPING):
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in GLOBAL_UNICAST and not any(address in network for network in NOT_PUBLIC_IPV6)
