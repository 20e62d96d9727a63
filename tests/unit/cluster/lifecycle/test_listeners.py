"""What processes listen on, read from the kernel's tables."""

import os
import socket

import pytest

from cluster.lifecycle.listeners import Listener, listeners


@pytest.mark.parametrize(
    ("family", "host", "on_loopback"),
    [
        (socket.AF_INET, "127.0.0.1", True),
        (socket.AF_INET, "0.0.0.0", False),
        (socket.AF_INET6, "::ffff:127.0.0.1", True),
        (socket.AF_INET6, "::1", True),
        (socket.AF_INET6, "::", False),
    ],
)
def test_own_ports_are_found(family: socket.AddressFamily, host: str, on_loopback: bool) -> None:
    """A listening socket of this process is listed with its address; one that only has a port is not."""
    with socket.socket(family) as listening, socket.socket(family) as bound:
        listening.bind((host, 0))
        bound.bind((host, 0))
        listening.listen()
        port = listening.getsockname()[1]
        found = {listener.port: listener for listener in listeners([os.getpid()])}
        assert (found[port].host, found[port].on_loopback, found[port].pid) == (host, on_loopback, os.getpid())
        assert bound.getsockname()[1] not in found


def test_processes_that_are_gone_have_no_ports() -> None:
    """Ids that nobody has, and text that names an address of version 6."""
    assert listeners([4_194_303]) == []
    assert str(Listener(pid=1, name="haproxy", host="::", port=80)) == "[::]:80 (haproxy)"
