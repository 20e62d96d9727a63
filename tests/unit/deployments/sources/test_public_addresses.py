"""Which addresses are of the internet: every range of the registries, at both ends and beside them."""

import ipaddress
from itertools import pairwise

import pytest

from deployments.sources.public_addresses import GLOBAL_UNICAST, NOT_PUBLIC_IPV4, NOT_PUBLIC_IPV6, is_public

PUBLIC = (
    "1.1.1.1",
    "93.184.215.14",
    "100.128.0.1",
    "168.63.129.17",
    "172.32.0.1",
    "192.0.1.1",
    "192.88.98.1",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2003::1",
    "2606:4700:4700::1111",
    "3ffe::1",
    "::ffff:93.184.215.14",
    "64:ff9b::5db8:d70e",
)
NOT_PUBLIC = {
    "0.0.0.0": "this host",
    "10.1.2.3": "private",
    "100.100.100.200": "metadata of Alibaba's cloud",
    "127.0.0.1": "loopback",
    "168.63.129.16": "wire server of Azure",
    "169.254.169.254": "metadata of AWS, Google, Azure, OpenStack",
    "192.0.0.192": "metadata of Oracle's cloud",
    "192.31.196.1": "AS112",
    "192.88.99.1": "relay of 6to4",
    "198.19.255.255": "benchmarks",
    "224.0.0.1": "multicast",
    "239.255.255.250": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "broadcast",
    "::": "no address",
    "::1": "loopback",
    "::127.0.0.1": "IPv4-compatible, deprecated",
    "::93.184.215.14": "IPv4-compatible, deprecated",
    "::ffff:127.0.0.1": "loopback in a mapped address",
    "::ffff:168.63.129.16": "wire server in a mapped address",
    "::ffff:0:127.0.0.1": "IPv4-translated",
    "64:ff9b::a00:1": "private, behind NAT64",
    "64:ff9b::a83f:8110": "wire server, behind NAT64",
    "64:ff9b:1::1": "NAT64 of the operator's own",
    "64:ff9b:1::5db8:d70e": "NAT64 of the operator's own",
    "100::1": "discarded",
    "2001::1": "Teredo",
    "2001:2::1": "benchmarks",
    "2001:10::1": "ORCHID",
    "2001:db8::1": "documentation",
    "2002:5db8:d70e::1": "6to4",
    "2620:4f:8000::1": "AS112",
    "3fff::1": "documentation",
    "4000::1": "not assigned",
    "5f00::1": "segment routing",
    "fc00::1": "private",
    "fd00:ec2::254": "metadata of AWS",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local, of an interface",
    "fec0::1": "site-local, deprecated",
    "feff::1": "site-local, deprecated",
    "ff02::1": "multicast",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address):
    """Addresses of the internet are public, those right beside special ranges too, and IPv4 behind NAT64."""
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC, ids=NOT_PUBLIC.values())
def test_not_public(address):
    """What lives in an operator's network, leads into it, or is nobody's is not public."""
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("network", [*NOT_PUBLIC_IPV4, *NOT_PUBLIC_IPV6], ids=str)
def test_both_ends_of_a_range(network):
    """A range is closed from its first address to its last."""
    assert not is_public(network[0])
    assert not is_public(network[-1])


@pytest.mark.parametrize("table", [NOT_PUBLIC_IPV4, NOT_PUBLIC_IPV6])
def test_the_tables_are_in_order(table):
    """Sorted, without overlaps, each with its reason: a range is found, or seen to be missing, at a glance."""
    assert all(before[-1] < after[0] for before, after in pairwise(table))
    assert all(table.values())


def test_special_ranges_lie_in_what_is_assigned():
    """A special range outside of 2000::/3 would be closed twice."""
    assert all(network.subnet_of(GLOBAL_UNICAST) for network in NOT_PUBLIC_IPV6)


@pytest.mark.parametrize("address", ["::1", "fe80::1", "10.0.0.1", "192.0.2.1", "240.0.0.1", "2001:db8::1", "ff0e::1"])
def test_never_wider_than_the_standard_library(address):
    """What Python holds for private is never public here."""
    assert not ipaddress.ip_address(address).is_global or ipaddress.ip_address(address).is_multicast
    assert not is_public(ipaddress.ip_address(address))
