"""Keep what a cluster on one machine opens for itself on the loopback interface.

Ray binds its ports to its node's address, which is that of the loopback interface where Ray is told that there are no
other nodes. Serve's replicas each open one more port, for calls between nodes, on all addresses without an option;
its callers need Ray's token, and nobody needs to call it.
"""

import ipaddress
from typing import Any

import ray.util
from ray._common.tls_utils import add_port_to_grpc_server
from ray.serve._private import replica


def keep_replica_on_loopback() -> None:
    """Make Serve open this replica's port for other nodes on the loopback interface, if there can be no other nodes.

    It is called before Serve opens the port, which is after the replica's constructor.
    """
    replica.add_port_to_grpc_server = _add_port_on_loopback  # type: ignore[attr-defined]  # it imports the name


def _add_port_on_loopback(server: Any, address: str) -> int:
    node = ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]  # Ray leaves it untyped
    if ipaddress.ip_address(node).is_loopback:
        address = f"{node}:{address.rpartition(':')[2]}"
    port: int = add_port_to_grpc_server(server, address)  # type: ignore[no-untyped-call]  # the same
    return port
