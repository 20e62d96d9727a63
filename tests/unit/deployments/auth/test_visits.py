"""Attempts to sign in: how many there may be from one address and in all, and whose address counts."""

import pytest

from deployments.auth.visits import VisitLimits, VisitMeter
from pipelines.errors import Overloaded
from tests.fakes.ledger import ManualClock


def meter_of(clock, *, per_address=3, in_all=5, n_proxies=0):
    return VisitMeter(VisitLimits(per_address=per_address, in_all=in_all, n_proxies=n_proxies), clock)


def test_one_address_is_stopped_and_others_go_on():
    """Who tries too often waits, and takes nothing from the others meanwhile."""
    clock = ManualClock()
    meter = meter_of(clock)
    for _ in range(3):
        meter.count("login", "192.0.2.1")
    for _ in range(100):
        with pytest.raises(Overloaded) as refusal:
            meter.count("login", "192.0.2.1")
        assert 0 < refusal.value.retry_after_s <= 20
    meter.count("login", "192.0.2.2")
    meter.count("callback", "192.0.2.1")  # the way back is counted by itself
    clock.advance(20)
    meter.count("login", "192.0.2.1")


def test_all_addresses_together():
    """Also those that nobody knows."""
    meter = meter_of(ManualClock())
    for number in range(4):
        meter.count("login", f"192.0.2.{number}")
    meter.count("login", "")
    with pytest.raises(Overloaded):
        meter.count("login", "192.0.2.9")
    with pytest.raises(Overloaded):
        meter.count("login", "")


@pytest.mark.parametrize(
    ("n_proxies", "peer", "forwarded", "address"),
    [
        (0, "192.0.2.7", "", "192.0.2.7"),
        (0, "192.0.2.7", "198.51.100.1", "192.0.2.7"),  # what visitors write counts nowhere
        (0, "127.0.0.1", "", ""),  # a proxy of this machine, which does not tell
        (1, "10.0.0.2", "198.51.100.1", "198.51.100.1"),
        (1, "10.0.0.2", "198.51.100.9, 198.51.100.1", "198.51.100.1"),
        (2, "10.0.0.2", "198.51.100.9, 198.51.100.1, 10.0.0.3", "198.51.100.1"),
        (2, "10.0.0.2", "198.51.100.1", ""),
        (1, "10.0.0.2", "", ""),
        (1, "10.0.0.2", "unknown", ""),
        (0, "2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        (0, "2001:db8:1:2:ffff::1", "", "2001:db8:1:2::/64"),
        (1, "10.0.0.2", "[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
        (0, "::ffff:192.0.2.7", "", "192.0.2.7"),
        (0, "testclient", "", ""),
    ],
)
def test_the_address_that_counts(n_proxies, peer, forwarded, address):
    """Is the one that the outermost proxy saw; a network of IPv6 is one."""
    assert meter_of(ManualClock(), n_proxies=n_proxies).address_of(peer, forwarded) == address
