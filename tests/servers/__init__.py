"""Real servers that tests start on free ports and stop again."""

import contextlib
import random
import socket


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on.

    It lies below those that systems hand out to outgoing connections, so that it is still free when the server under
    test binds it.
    """
    for port in random.sample(range(20_000, 30_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port between 20000 and 30000")
