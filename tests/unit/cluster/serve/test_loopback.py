"""A replica's port for calls between nodes: on the loopback interface where there is one node."""

import inspect
import os
import socket
import warnings

import grpc
import pytest
import ray.util

from cluster.lifecycle.listeners import listeners

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray uses pydantic in ways that it deprecates
    from ray.serve._private import replica

    from cluster.serve.loopback import keep_replica_on_loopback


def test_serve_opens_the_port_as_expected() -> None:
    """The version of Ray that is installed still opens it by this name and on all addresses."""
    assert 'add_port_to_grpc_server(self._server, "[::]:0")' in inspect.getsource(replica)


@pytest.mark.parametrize(("node", "on_loopback"), [("127.0.0.1", True), ("192.0.2.7", False)])
async def test_the_port_follows_the_node(monkeypatch: pytest.MonkeyPatch, node: str, on_loopback: bool) -> None:
    """A node that other nodes reach goes on taking their calls."""
    opener = replica.add_port_to_grpc_server  # type: ignore[attr-defined]  # Ray has it from elsewhere
    monkeypatch.setattr(replica, "add_port_to_grpc_server", opener)
    monkeypatch.setattr(ray.util, "get_node_ip_address", lambda: node)
    keep_replica_on_loopback()
    server = grpc.aio.server()
    port = replica.add_port_to_grpc_server(server, "[::]:0")  # type: ignore[attr-defined]
    await server.start()
    try:
        found = [listener for listener in listeners([os.getpid()]) if listener.port == port]
        assert [listener.on_loopback for listener in found] == [on_loopback]
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass
    finally:
        await server.stop(None)
