"""Bytes over the socket between a confined process and its caller."""

import socket
import time


def receive_exactly(connection: socket.socket, n_bytes: int, deadline_s: float | None = None) -> bytearray:
    """Receive exactly so many bytes; raises `EOFError`, and `TimeoutError` after the deadline (``time.monotonic``)."""
    data = bytearray(n_bytes)
    view = memoryview(data)
    while view:
        allow_until(connection, deadline_s)
        n_received = connection.recv_into(view)
        if not n_received:
            raise EOFError("the other side is gone")
        view = view[n_received:]
    return data


def allow_until(connection: socket.socket, deadline_s: float | None) -> None:
    """Let the next call on a socket wait no longer than the deadline; raises `TimeoutError` when that is over."""
    if deadline_s is not None:
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the deadline is over")
        connection.settimeout(left_s)
